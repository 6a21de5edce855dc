//! Folding: a group becomes one node, which has all edges of its members.

use std::collections::{BTreeMap, BTreeSet};

use super::{Graph, Node};

/// A graph some of whose groups are folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// What is left of the graph. Circles between groups are possible.
    pub graph: Graph,
    /// The nodes that each node of it stands for: one, or all members of a folded group.
    pub members: Vec<Vec<u32>>,
    /// The group that a node of it stands for; none where it stands for itself.
    pub groups: Vec<Option<u32>>,
    /// Which node of it each node of the whole graph is in.
    pub place_of: Vec<u32>,
}

/// Folds these groups. A folded group stands where its first member stood.
pub fn fold(graph: &Graph, groups: &BTreeSet<u32>) -> Folded {
    let mut folded =
        Folded { graph: Graph::default(), members: Vec::new(), groups: Vec::new(), place_of: Vec::new() };
    let mut place_of_group = BTreeMap::new();
    for (index, node) in (0u32..).zip(&graph.nodes) {
        let group = node.group.filter(|group| groups.contains(group));
        let next = folded.members.len() as u32;
        let place = group.map_or(next, |group| *place_of_group.entry(group).or_insert(next));
        folded.place_of.push(place);
        if place == next {
            folded.members.push(Vec::new());
            folded.groups.push(group);
            folded.graph.nodes.push(Node { group: node.group, is_end: true });
        }
        let place = place as usize;
        folded.members[place].push(index);
        folded.graph.nodes[place].is_end &= node.is_end;
    }
    let place_of = |node: u32| folded.place_of.get(node as usize).copied();
    let mut edges: Vec<_> = graph
        .edges
        .iter()
        .filter_map(|&(from, to)| Some((place_of(from)?, place_of(to)?)))
        .filter(|(from, to)| from != to)
        .collect();
    edges.sort_unstable();
    edges.dedup();
    folded.graph.edges = edges;
    folded
}
