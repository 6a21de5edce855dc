#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{columns::Columns, *};

fn node(group: Option<u32>) -> Node {
    Node { group, is_end: false }
}

fn graph(count: u32, edges: &[(u32, u32)]) -> Graph {
    Graph { nodes: vec![node(None); count as usize], edges: edges.to_vec() }
}

/// Any graph without circles: edges lead to nodes that come later.
fn acyclic() -> impl Strategy<Value = Graph> {
    (1u32..60).prop_flat_map(|count| {
        let nodes = proptest::collection::vec((proptest::option::of(0u32..5), 0u32..8), count as usize);
        let edges = proptest::collection::vec((0..count, 0..count), 0..120);
        (nodes, edges).prop_map(|(nodes, edges)| Graph {
            nodes: nodes.into_iter().map(|(group, end)| Node { group, is_end: end == 0 }).collect(),
            edges: edges.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.min(b), a.max(b))).collect(),
        })
    })
}

/// Any graph at all.
fn any_graph() -> impl Strategy<Value = Graph> {
    (acyclic(), proptest::collection::vec((0u32..60, 0u32..60), 0..20)).prop_map(|(mut graph, more)| {
        graph.edges.extend(more);
        graph
    })
}

fn reach(count: usize, edges: &[(u32, u32)], start: u32) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    let mut ahead = vec![start];
    while let Some(node) = ahead.pop() {
        if (node as usize) < count && seen.insert(node) {
            ahead.extend(edges.iter().filter(|(from, _)| *from == node).map(|(_, to)| *to));
        }
    }
    seen
}

fn overlaps(layout: &Layout, measures: &Measures) -> Option<(usize, usize)> {
    let spots = &layout.nodes;
    (0..spots.len()).flat_map(|a| (a + 1..spots.len()).map(move |b| (a, b))).find(|&(a, b)| {
        (spots[a].x - spots[b].x).abs() < measures.width && (spots[a].y - spots[b].y).abs() < measures.height
    })
}

#[test]
fn a_chain_is_a_straight_line() {
    let layout = lay_out(&graph(4, &[(0, 1), (1, 2), (2, 3)]), &Measures::default());
    let spots = &layout.nodes;
    assert!(spots.iter().all(|spot| spot.y == 0), "{spots:?}");
    assert_eq!(spots.iter().map(|spot| spot.layer).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(layout.height, Measures::default().height);
}

#[test]
fn a_source_stands_right_before_what_reads_it() {
    // 3 is read by 2 only, which is the end of a chain of three.
    let layout = lay_out(&graph(4, &[(0, 1), (1, 2), (3, 2)]), &Measures::default());
    assert_eq!(layout.nodes[3].layer, 1);
    assert!(layout.edges.iter().all(|edge| edge.points.is_empty()));
}

#[test]
fn an_exposure_stands_behind_everything() {
    let mut graph = graph(5, &[(0, 1), (1, 2), (0, 3), (0, 4)]);
    graph.nodes[3].is_end = true;
    let layout = lay_out(&graph, &Measures::default());
    assert_eq!(layout.nodes.iter().map(|spot| spot.layer).collect::<Vec<_>>(), [0, 1, 2, 3, 1]);
    let long = layout.edges.iter().find(|edge| edge.to == 3).unwrap();
    assert!(!long.points.is_empty(), "{long:?}");
}

#[test]
fn a_circle_of_folded_groups_has_one_edge_that_leads_back() {
    let mut graph = graph(6, &[(0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (4, 2)]);
    for (at, group) in [(1, 7), (3, 7), (2, 8)] {
        graph.nodes[at].group = Some(group);
    }
    let folded = fold(&graph, &BTreeSet::from([7, 8]));
    assert_eq!(folded.groups, [None, Some(7), Some(8), None, None]);
    assert_eq!(folded.members[1], [1, 3]);
    let layout = lay_out(&folded.graph, &Measures::default());
    let back: Vec<_> = layout.edges.iter().filter(|edge| edge.is_back).collect();
    assert_eq!(back.len(), 1);
    assert_eq!(BTreeSet::from([back[0].from, back[0].to]), BTreeSet::from([1, 2]));
}

#[test]
fn what_belongs_together_stands_together_where_it_is_free() {
    let mut graph = graph(12, &[]);
    for (at, node) in graph.nodes.iter_mut().enumerate() {
        node.group = Some(at as u32 % 3);
    }
    // Two layers, completely connected: any order has the same crossings.
    graph.edges = (0..6).flat_map(|a| (6..12).map(move |b| (a, b))).collect();
    let layout = lay_out(&graph, &Measures::default());
    for layer in 0..2 {
        let mut column: Vec<_> = (0..12).filter(|&n| layout.nodes[n].layer == layer).collect();
        column.sort_by_key(|&n| layout.nodes[n].y);
        let groups: Vec<_> = column.iter().map(|&n| graph.nodes[n].group).collect();
        let changes = groups.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(changes, 2, "{groups:?}");
    }
}

#[test]
fn a_tree_has_no_crossings() {
    let edges: Vec<_> = (1..40).map(|n| ((n * 7 % 40) % n, n)).collect();
    let graph = graph(40, &edges);
    let (_, back) = layer::sequence(40, &layer::proper(&graph));
    assert!(back.is_empty());
    assert_eq!(crossings(&graph), 0);
}

#[test]
fn many_lone_nodes_fill_a_rectangle() {
    let layout = lay_out(&graph(200, &[]), &Measures::default());
    assert!(layout.width < layout.height * 4 && layout.height < layout.width * 4, "{layout:?}");
}

#[test]
fn a_long_chain_with_long_edges_does_not_need_a_lane_for_each() {
    let count = 3000;
    let mut edges: Vec<_> = (1..count).map(|n| (n - 1, n)).collect();
    edges.extend((0..count / 2).map(|n| (n, count - 1 - n)));
    let layout = lay_out(&graph(count, &edges), &Measures::default());
    assert_eq!(layout.nodes[count as usize - 1].layer, count - 1);
    assert!(layout.edges.iter().map(|edge| edge.points.len()).sum::<usize>() < 2_000_000);
}

#[test]
fn a_thicket_is_hardly_higher_than_its_fullest_layer() {
    // Two hundred nodes in each of five layers, each with three edges to anywhere in the next.
    let edges = (0..800)
        .flat_map(|n| (0..3).map(move |k| (n, (n / 200 + 1) * 200 + (n * 37 + k * 71 + n * n) % 200)));
    let graph = graph(1000, &edges.collect::<Vec<_>>());
    let measures = Measures::default();
    let layout = lay_out(&graph, &measures);
    let fullest = 200 * (measures.height + measures.gap);
    assert!(layout.height < fullest * 3 / 2 + 1000, "{} for {fullest}", layout.height);
    assert_eq!(overlaps(&layout, &measures), None);
}

/// The crossings of all parts after they were ordered.
fn crossings(graph: &Graph) -> u64 {
    parts(graph)
        .into_iter()
        .map(|(_, mut columns)| {
            order::order(&mut columns);
            columns.crossings()
        })
        .sum()
}

fn parts(graph: &Graph) -> Vec<(pack::Part, Columns)> {
    let edges = layer::proper(graph);
    let (sequence, back) = layer::sequence(graph.nodes.len(), &edges);
    let parts = pack::parts(&edges, &back, &sequence);
    let columns = |part: &pack::Part| Columns::new(graph, part, &layer::layers(graph, part));
    parts.into_iter().map(|part| (part.clone(), columns(&part))).collect()
}

/// Crossings, counted edge by edge.
fn counted(columns: &Columns) -> u64 {
    let at = |stop: u32| columns.position[stop as usize];
    let mut sum = 0;
    for stops in &columns.columns {
        let edges: Vec<_> = stops
            .iter()
            .flat_map(|&stop| columns.right[stop as usize].iter().map(move |&end| (at(stop), at(end))))
            .collect();
        for (i, a) in edges.iter().enumerate() {
            sum += edges[i + 1..]
                .iter()
                .filter(|b| (a.0 < b.0 && a.1 > b.1) || (a.0 > b.0 && a.1 < b.1))
                .count() as u64;
        }
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_two_nodes_overlap_and_all_lie_on_the_plane(graph in any_graph()) {
        let measures = Measures::default();
        let layout = lay_out(&graph, &measures);
        prop_assert_eq!(overlaps(&layout, &measures), None);
        for spot in &layout.nodes {
            prop_assert!(spot.x >= 0 && spot.x + measures.width <= layout.width, "{:?}", spot);
            prop_assert!(spot.y >= 0 && spot.y + measures.height <= layout.height, "{:?}", spot);
        }
    }

    #[test]
    fn every_edge_leads_to_the_right_where_there_is_no_circle(graph in acyclic()) {
        let measures = Measures::default();
        let layout = lay_out(&graph, &measures);
        prop_assert_eq!(layout.edges.len(), layer::proper(&graph).len());
        for edge in &layout.edges {
            let (from, to) = (layout.nodes[edge.from as usize], layout.nodes[edge.to as usize]);
            prop_assert!(!edge.is_back);
            prop_assert!(from.layer < to.layer);
            let mut x = from.x + measures.width;
            for point in &edge.points {
                prop_assert!(point.0 >= x);
                x = point.0;
            }
            prop_assert!(to.x >= x);
        }
    }

    #[test]
    fn edges_pass_no_node_in_their_lanes(graph in acyclic()) {
        let measures = Measures::default();
        let layout = lay_out(&graph, &measures);
        for edge in &layout.edges {
            for &(x, y) in &edge.points {
                let hit = layout.nodes.iter().find(|spot| {
                    x >= spot.x && x <= spot.x + measures.width && y > spot.y && y < spot.y + measures.height
                });
                prop_assert!(hit.is_none(), "{:?} runs through {:?}", edge, hit);
            }
        }
    }

    #[test]
    fn without_back_edges_nothing_runs_in_a_circle(graph in any_graph()) {
        let layout = lay_out(&graph, &Measures::default());
        for edge in layout.edges.iter().filter(|edge| !edge.is_back) {
            prop_assert!(layout.nodes[edge.from as usize].layer < layout.nodes[edge.to as usize].layer);
        }
    }

    #[test]
    fn the_same_graph_looks_the_same(graph in any_graph()) {
        let measures = Measures::default();
        prop_assert_eq!(lay_out(&graph, &measures), lay_out(&graph.clone(), &measures));
    }

    #[test]
    fn crossings_are_counted_right_and_no_order_is_worse_than_none(graph in any_graph()) {
        for (_, mut columns) in parts(&graph) {
            prop_assert_eq!(columns.crossings(), counted(&columns));
            let naive = columns.crossings();
            order::order(&mut columns);
            prop_assert_eq!(columns.crossings(), counted(&columns));
            prop_assert!(columns.crossings() <= naive);
        }
    }

    #[test]
    fn folding_keeps_what_is_reached(graph in any_graph(), groups in proptest::collection::btree_set(0u32..5, 0..5)) {
        let folded = fold(&graph, &groups);
        let count = graph.nodes.len();
        prop_assert!(folded.graph.edges.iter().all(|(from, to)| from != to));
        let members: BTreeMap<u32, u32> = (0u32..)
            .zip(&folded.members)
            .flat_map(|(place, members)| members.iter().map(move |member| (*member, place)))
            .collect();
        prop_assert_eq!(members.len(), count);
        for start in 0..count as u32 {
            let place = folded.place_of[start as usize];
            prop_assert_eq!(members[&start], place);
            let reached = reach(folded.graph.nodes.len(), &folded.graph.edges, place);
            for end in reach(count, &layer::proper(&graph), start) {
                prop_assert!(reached.contains(&folded.place_of[end as usize]));
            }
        }
        // And no edge comes from nowhere.
        for &(from, to) in &folded.graph.edges {
            let place = |n: u32| folded.place_of.get(n as usize).copied();
            let is_there = graph.edges.iter().any(|&(a, b)| place(a) == Some(from) && place(b) == Some(to));
            prop_assert!(is_there);
        }
    }
}
