//! How the assets of a project lie on a plane: sources on one side, what reads them behind, and as few crossings as can be found in a
//! moment.
//!
//! Owns the layout and nothing else: it is a pure function of the graph, so that the same manifest always looks the same. It never knows
//! a state or a colour.
//!
//! A layout is made in five steps, each in a file of its own: what belongs together is folded into one node ([`fold`]); nodes are put
//! into layers ([`layer`]), which are the columns of the picture; within a layer they are put in order ([`order`]), then at a height
//! ([`place`]); and parts of the graph that have nothing to do with each other are set side by side ([`pack`]).

mod columns;
mod fold;
mod layer;
mod order;
mod pack;
mod place;
mod route;
mod squeeze;
#[cfg(test)]
mod tests;

pub use fold::{Folded, fold};

/// What is to be laid out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// The nodes; edges name them by their index.
    pub nodes: Vec<Node>,
    /// From what is read to what reads it. What names no node, and what leads back to where it comes from, is left out.
    pub edges: Vec<(u32, u32)>,
}

/// A node of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// What it belongs to: nodes of one group are kept together where that costs little.
    pub group: Option<u32>,
    /// Whether it stands at the end of what it belongs to, as an exposure does.
    pub is_end: bool,
}

/// How large things are, in units of the plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measures {
    /// The width of a node.
    pub width: i32,
    /// The height of a node.
    pub height: i32,
    /// What is left free between a node and the next below it.
    pub gap: i32,
    /// What is left free between an edge that passes and what is next to it.
    pub lane: i32,
    /// The least that is left free between two layers.
    pub aisle: i32,
    /// The most that is left free between two layers, where steep edges need it.
    pub widest_aisle: i32,
}

impl Default for Measures {
    fn default() -> Self {
        Self { width: 208, height: 52, gap: 18, lane: 12, aisle: 68, widest_aisle: 420 }
    }
}

/// Where everything lies. The plane begins at 0, 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The width of the plane.
    pub width: i32,
    /// The height of the plane.
    pub height: i32,
    /// Where each node lies, in the order of the graph.
    pub nodes: Vec<Spot>,
    /// The edges, each once, sorted.
    pub edges: Vec<Route>,
}

/// Where a node lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spot {
    /// Its layer: 0 is the one farthest to the left of what it hangs together with.
    pub layer: u32,
    /// Its left edge.
    pub x: i32,
    /// Its upper edge.
    pub y: i32,
}

/// How an edge goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where it begins: on the right of this node.
    pub from: u32,
    /// Where it ends: on the left of this node.
    pub to: u32,
    /// Points that it passes between the two, where it is longer than from one layer to the next.
    pub points: Vec<(i32, i32)>,
    /// Whether it leads against the direction of all others, since it closes a circle. Such an edge has no points.
    pub is_back: bool,
}

/// Lays a graph out.
pub fn lay_out(graph: &Graph, measures: &Measures) -> Layout {
    let edges = layer::proper(graph);
    let (sequence, back) = layer::sequence(graph.nodes.len(), &edges);
    let parts = pack::parts(&edges, &back, &sequence);
    let mut layout = Layout { nodes: vec![Spot::default(); graph.nodes.len()], ..Layout::default() };
    let mut laid = Vec::new();
    for part in &parts {
        let mut columns = columns::Columns::new(graph, part, &layer::layers(graph, part));
        order::order(&mut columns);
        let middles = place::place(&columns, measures);
        laid.push(route::route(part, &columns, &middles, measures));
    }
    let sizes: Vec<_> = laid.iter().map(|part| (part.width, part.height)).collect();
    let offsets = pack::pack(&sizes, measures);
    for (part, (dx, dy)) in laid.into_iter().zip(offsets) {
        layout.width = layout.width.max(dx + part.width);
        layout.height = layout.height.max(dy + part.height);
        for (node, spot) in part.nodes {
            layout.nodes[node as usize] = Spot { x: spot.x + dx, y: spot.y + dy, ..spot };
        }
        layout.edges.extend(part.edges.into_iter().map(|mut edge| {
            edge.points.iter_mut().for_each(|(x, y)| (*x, *y) = (*x + dx, *y + dy));
            edge
        }));
    }
    layout.edges.sort_unstable_by_key(|edge| (edge.from, edge.to));
    layout
}
