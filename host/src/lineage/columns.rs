//! Columns: the layers of a part, with lanes where an edge passes one.

use std::mem;

use super::{Graph, pack::Part};

/// More lanes than these cost more than they tidy: an edge that would need more of them goes straight.
const MOST_LANES: usize = 150_000;

/// The layers of a part, each in its order from top to bottom. What stands in them is called a *stop*: a node, or the lane in which edges
/// pass the layer. All edges of one node share its lanes until they turn off.
#[derive(Debug, Clone)]
pub struct Columns {
    /// The stops of each column, from top to bottom. Below [`Columns::nodes`] a stop is the node at that place of the part.
    pub columns: Vec<Vec<u32>>,
    /// How many stops are nodes.
    pub nodes: usize,
    /// The column of each stop.
    pub column: Vec<u32>,
    /// Where each stop stands in its column.
    pub position: Vec<u32>,
    /// The stops to the left of each that lead to it.
    pub left: Vec<Vec<u32>>,
    /// The stops to the right of each that it leads to.
    pub right: Vec<Vec<u32>>,
    /// The group of each stop; a lane has the group of the node that it comes from.
    pub group: Vec<Option<u32>>,
    /// The lanes of each edge, in the order of [`Part::edges`].
    pub lanes: Vec<Vec<u32>>,
}

impl Columns {
    /// Puts the nodes into their columns as they come, and makes the lanes.
    pub fn new(graph: &Graph, part: &Part, layers: &[u32]) -> Self {
        let count = part.nodes.len();
        let last = layers.iter().copied().max().map_or(0, |last| last as usize + 1);
        let mut columns = Self {
            columns: vec![Vec::new(); last],
            nodes: count,
            column: layers.to_vec(),
            position: vec![0; count],
            left: vec![Vec::new(); count],
            right: vec![Vec::new(); count],
            group: part.nodes.iter().map(|&node| graph.nodes[node as usize].group).collect(),
            lanes: Vec::with_capacity(part.edges.len()),
        };
        for node in 0..count as u32 {
            columns.columns[layers[node as usize] as usize].push(node);
        }
        // Edges are sorted, so that those of one node follow each other.
        let (mut trunk_of, mut trunk) = (u32::MAX, Vec::new());
        for &(from, to) in &part.edges {
            if trunk_of != from {
                (trunk_of, trunk) = (from, Vec::new());
            }
            let needed = (layers[to as usize] - layers[from as usize] - 1) as usize;
            let more = needed.saturating_sub(trunk.len());
            if columns.column.len() - count + more > MOST_LANES {
                columns.lanes.push(Vec::new());
                continue;
            }
            for _ in 0..more {
                let before = trunk.last().copied().unwrap_or(from);
                let lane = columns.lane(before);
                trunk.push(lane);
            }
            let before = if needed == 0 { from } else { trunk[needed - 1] };
            columns.connect(before, to);
            columns.lanes.push(trunk[..needed].to_vec());
        }
        columns.number();
        columns
    }

    /// Adds a lane in the column behind a stop.
    fn lane(&mut self, before: u32) -> u32 {
        let lane = self.column.len() as u32;
        let column = self.column[before as usize] + 1;
        self.column.push(column);
        self.position.push(0);
        self.left.push(Vec::new());
        self.right.push(Vec::new());
        self.group.push(self.group[before as usize]);
        self.columns[column as usize].push(lane);
        self.connect(before, lane);
        lane
    }

    fn connect(&mut self, from: u32, to: u32) {
        self.right[from as usize].push(to);
        self.left[to as usize].push(from);
    }

    /// Notes where each stop stands.
    fn number(&mut self) {
        for column in 0..self.columns.len() {
            self.renumber(column);
        }
    }

    fn renumber(&mut self, column: usize) {
        for (at, &stop) in (0u32..).zip(&self.columns[column]) {
            self.position[stop as usize] = at;
        }
    }

    /// Whether edges pass here, and no node stands here.
    pub fn is_lane(&self, stop: u32) -> bool {
        stop as usize >= self.nodes
    }

    /// Puts a column in another order; gives the order that it had.
    pub fn reorder(&mut self, column: usize, stops: Vec<u32>) -> Vec<u32> {
        let before = mem::replace(&mut self.columns[column], stops);
        self.renumber(column);
        before
    }

    /// Puts all columns in another order.
    pub fn reorder_all(&mut self, columns: Vec<Vec<u32>>) {
        self.columns = columns;
        self.number();
    }

    /// How often edges cross.
    pub fn crossings(&self) -> u64 {
        (1..self.columns.len()).map(|column| self.crossings_before(column)).sum()
    }

    /// How often edges cross on both sides of a column.
    pub fn crossings_at(&self, column: usize) -> u64 {
        let after = if column + 1 < self.columns.len() { self.crossings_before(column + 1) } else { 0 };
        after + if column > 0 { self.crossings_before(column) } else { 0 }
    }

    /// How often edges cross between a column and the one before it: of the edges in the order in which they begin, each crosses those
    /// that ended below it.
    fn crossings_before(&self, column: usize) -> u64 {
        let mut ended = vec![0u64; self.columns[column].len() + 1];
        let (mut crossings, mut all) = (0, 0);
        let mut ends = Vec::new();
        for &stop in &self.columns[column - 1] {
            ends.clear();
            ends.extend(self.right[stop as usize].iter().map(|&end| self.position[end as usize] as usize));
            ends.sort_unstable();
            for &end in &ends {
                let mut at = end + 1;
                let mut above = 0;
                while at > 0 {
                    above += ended[at];
                    at &= at - 1;
                }
                crossings += all - above;
            }
            for &end in &ends {
                let mut at = end + 1;
                while at < ended.len() {
                    ended[at] += 1;
                    at += at & at.wrapping_neg();
                }
                all += 1;
            }
        }
        crossings
    }
}
