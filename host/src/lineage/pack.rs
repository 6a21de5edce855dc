//! Parts: what does not hang together is laid out apart, and set side by side.

use std::collections::HashSet;

use super::Measures;

/// What hangs together. Its edges and its sequence name nodes by their place in the part.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Its nodes, as the graph counts them, sorted.
    pub nodes: Vec<u32>,
    /// The edges from left to right.
    pub edges: Vec<(u32, u32)>,
    /// The edges that lead back.
    pub back: Vec<(u32, u32)>,
    /// Its nodes in an order in which every edge leads on.
    pub sequence: Vec<u32>,
}

/// Takes a graph apart: large parts first, then as they come.
pub fn parts(edges: &[(u32, u32)], back: &HashSet<(u32, u32)>, sequence: &[u32]) -> Vec<Part> {
    let mut leader: Vec<u32> = (0..sequence.len() as u32).collect();
    for &(from, to) in edges {
        let (a, b) = (find(&mut leader, from), find(&mut leader, to));
        leader[a.max(b) as usize] = a.min(b);
    }
    let mut parts: Vec<Part> = Vec::new();
    // Part and place of each node; of a leader, the part comes first, since it is the smallest.
    let mut seat = vec![(0, 0); sequence.len()];
    for node in 0..sequence.len() as u32 {
        let leader = find(&mut leader, node);
        if leader == node {
            parts.push(Part::default());
            seat[node as usize] = (parts.len() - 1, 0);
        }
        let part = seat[leader as usize].0;
        seat[node as usize] = (part, parts[part].nodes.len() as u32);
        parts[part].nodes.push(node);
    }
    for edge in edges {
        let ((part, from), (_, to)) = (seat[edge.0 as usize], seat[edge.1 as usize]);
        let part = &mut parts[part];
        if back.contains(edge) { part.back.push((from, to)) } else { part.edges.push((from, to)) }
    }
    for &node in sequence {
        let (part, place) = seat[node as usize];
        parts[part].sequence.push(place);
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.nodes.len()));
    parts
}

/// The smallest node of what a node hangs together with, as far as is known.
fn find(leader: &mut [u32], mut node: u32) -> u32 {
    while leader[node as usize] != node {
        leader[node as usize] = leader[leader[node as usize] as usize];
        node = leader[node as usize];
    }
    node
}

/// Where to put boxes of these sizes, row by row, so that the whole is no wider than it has to be. Beside a high box, lower ones are piled
/// up.
pub fn pack(sizes: &[(i32, i32)], measures: &Measures) -> Vec<(i32, i32)> {
    let (across, down) = (measures.aisle, measures.gap * 2);
    let area: f64 = sizes.iter().map(|&(w, h)| f64::from(w + across) * f64::from(h + down)).sum();
    let widest = sizes.iter().map(|&(w, _)| w).max().unwrap_or(0);
    // A screen is wider than it is high.
    let limit = widest.max((area * 1.6).sqrt() as i32);
    let mut row = (0, 0);
    let (mut pile, mut pile_width, mut pile_height) = (0, 0, 0);
    let mut places = Vec::with_capacity(sizes.len());
    for &(width, height) in sizes {
        let fits_below = pile_width >= width && pile_height + height <= row.1;
        if pile_width > 0 && !fits_below {
            (pile, pile_width, pile_height) = (pile + pile_width + across, 0, 0);
        }
        if pile > 0 && pile_width == 0 && pile + width > limit {
            row = (row.0 + row.1 + down, 0);
            pile = 0;
        }
        places.push((pile, row.0 + pile_height));
        pile_width = pile_width.max(width);
        pile_height += height + down;
        row.1 = row.1.max(height);
    }
    places
}
