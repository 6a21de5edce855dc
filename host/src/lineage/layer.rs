//! Layers: which column a node stands in.
//!
//! A node stands as many layers in as its longest way from a root is long. A root is pulled towards what reads it, and what is an end
//! stands behind everything else. Where edges run in a circle, which folding can bring about, as few of them as are easily found count
//! as leading back.

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::{Graph, pack::Part};

/// The edges that can be drawn, sorted, each once.
pub fn proper(graph: &Graph) -> Vec<(u32, u32)> {
    let count = graph.nodes.len() as u32;
    let is_proper = |&(from, to): &(u32, u32)| from != to && from < count && to < count;
    let mut edges: Vec<_> = graph.edges.iter().copied().filter(is_proper).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// All nodes in an order in which nearly every edge leads on, and the edges that lead back in it: none where there is no circle.
///
/// This is the greedy heuristic of Eades, Lin and Smyth: what nothing is read by goes last, what reads nothing goes first, and where
/// neither is left, what has the most readers for what it reads goes first.
pub fn sequence(count: usize, edges: &[(u32, u32)]) -> (Vec<u32>, HashSet<(u32, u32)>) {
    let mut readers = vec![Vec::new(); count];
    let mut read = vec![Vec::new(); count];
    for &(from, to) in edges {
        readers[from as usize].push(to);
        read[to as usize].push(from);
    }
    let mut outs: Vec<i64> = readers.iter().map(|ids| ids.len() as i64).collect();
    let mut ins: Vec<i64> = read.iter().map(|ids| ids.len() as i64).collect();
    let mut left: BTreeSet<(i64, u32)> = (0..count).map(|n| (ins[n] - outs[n], n as u32)).collect();
    let all = 0..count as u32;
    let mut roots: VecDeque<u32> = all.clone().filter(|&n| ins[n as usize] == 0).collect();
    let mut leaves: VecDeque<u32> = all.filter(|&n| outs[n as usize] == 0).collect();
    let (mut first, mut last) = (Vec::with_capacity(count), Vec::new());
    let mut is_taken = vec![false; count];
    loop {
        let (node, is_first) = match (leaves.pop_front(), left.first()) {
            (Some(leaf), _) => (leaf, false),
            (None, Some(&(_, best))) => (roots.pop_front().unwrap_or(best), true),
            (None, None) => break,
        };
        let n = node as usize;
        if std::mem::replace(&mut is_taken[n], true) {
            continue;
        }
        left.remove(&(ins[n] - outs[n], node));
        if is_first {
            first.push(node)
        } else {
            last.push(node)
        }
        for &reader in readers[n].iter().filter(|&&reader| !is_taken[reader as usize]) {
            let r = reader as usize;
            left.remove(&(ins[r] - outs[r], reader));
            ins[r] -= 1;
            left.insert((ins[r] - outs[r], reader));
            if ins[r] == 0 {
                roots.push_back(reader);
            }
        }
        for &source in read[n].iter().filter(|&&source| !is_taken[source as usize]) {
            let s = source as usize;
            left.remove(&(ins[s] - outs[s], source));
            outs[s] -= 1;
            left.insert((ins[s] - outs[s], source));
            if outs[s] == 0 {
                leaves.push_back(source);
            }
        }
    }
    first.extend(last.into_iter().rev());
    let mut rank = vec![0u32; count];
    for (at, &node) in (0u32..).zip(&first) {
        rank[node as usize] = at;
    }
    let leads_back = |&(from, to): &(u32, u32)| rank[from as usize] > rank[to as usize];
    let back = edges.iter().copied().filter(leads_back).collect();
    (first, back)
}

/// The layer of each node of a part.
pub fn layers(graph: &Graph, part: &Part) -> Vec<u32> {
    let count = part.nodes.len();
    let mut readers = vec![Vec::new(); count];
    let mut is_root = vec![true; count];
    for &(from, to) in &part.edges {
        readers[from as usize].push(to as usize);
        is_root[to as usize] = false;
    }
    let mut layers = vec![0; count];
    for node in part.sequence.iter().map(|&node| node as usize) {
        for &reader in &readers[node] {
            layers[reader] = layers[reader].max(layers[node] + 1);
        }
    }
    let is_end =
        |n: usize| graph.nodes[part.nodes[n] as usize].is_end && readers[n].is_empty() && !is_root[n];
    let behind = (0..count).filter(|&n| !is_end(n)).map(|n| layers[n] + 1).max().unwrap_or(0);
    for end in (0..count).filter(|&n| is_end(n)) {
        layers[end] = behind;
    }
    for root in (0..count).filter(|&n| is_root[n]) {
        if let Some(first) = readers[root].iter().map(|&reader| layers[reader]).min() {
            layers[root] = first - 1;
        }
    }
    // What was pulled may have left the first layers empty.
    let first = layers.iter().copied().min().unwrap_or(0);
    layers.iter_mut().for_each(|layer| *layer -= first);
    layers
}
