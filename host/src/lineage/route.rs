//! Routes: where the columns stand, and which points each edge passes.

use super::{Measures, Route, Spot, columns::Columns, pack::Part};

/// A part that is laid out; it begins at 0, 0.
pub struct Laid {
    pub width: i32,
    pub height: i32,
    pub nodes: Vec<(u32, Spot)>,
    pub edges: Vec<Route>,
}

/// Sets the columns side by side, and the edges between them. `middles` are the heights of the middle of each stop.
pub fn route(part: &Part, columns: &Columns, middles: &[i32], measures: &Measures) -> Laid {
    let mut left = Vec::with_capacity(columns.columns.len());
    let mut x = 0;
    for stops in &columns.columns {
        left.push(x);
        x += measures.width + aisle(columns, stops, middles, measures);
    }
    let width = left.last().map_or(0, |x| x + measures.width);
    let half = measures.height / 2;
    let nodes: Vec<_> = (0usize..)
        .zip(&part.nodes)
        .map(|(place, &node)| {
            let layer = columns.column[place];
            (node, Spot { layer, x: left[layer as usize], y: middles[place] - half })
        })
        .collect();
    let height_of = |stop: usize| middles[stop] + if columns.is_lane(stop as u32) { 0 } else { half };
    let height = (0..middles.len()).map(height_of).max().unwrap_or(0);
    let node = |place: u32| part.nodes[place as usize];
    let through = part.edges.iter().zip(&columns.lanes).map(|(&(from, to), lanes)| Route {
        from: node(from),
        to: node(to),
        points: points(columns, lanes, middles, &left, measures),
        is_back: false,
    });
    let back = part.back.iter().map(|&(from, to)| Route {
        from: node(from),
        to: node(to),
        points: Vec::new(),
        is_back: true,
    });
    Laid { width, height, edges: through.chain(back).collect(), nodes }
}

/// What is left free behind a column: more where edges are steep, so that they can still be told apart.
fn aisle(columns: &Columns, stops: &[u32], middles: &[i32], measures: &Measures) -> i32 {
    let (mut steep, mut count) = (0i64, 0i64);
    for &stop in stops {
        for &end in &columns.right[stop as usize] {
            steep += i64::from((middles[stop as usize] - middles[end as usize]).abs());
            count += 1;
        }
    }
    let mean = if count == 0 { 0 } else { steep / count };
    (mean / 4).clamp(i64::from(measures.aisle), i64::from(measures.widest_aisle)) as i32
}

/// The points of an edge: where it enters and leaves each of its lanes, but none between lanes that lie on one line.
fn points(
    columns: &Columns,
    lanes: &[u32],
    middles: &[i32],
    left: &[i32],
    measures: &Measures,
) -> Vec<(i32, i32)> {
    let mut points: Vec<(i32, i32)> = Vec::new();
    for &lane in lanes {
        let (x, y) = (left[columns.column[lane as usize] as usize], middles[lane as usize]);
        match points.last_mut() {
            Some((end, level)) if *level == y => *end = x + measures.width,
            _ => points.extend([(x, y), (x + measures.width, y)]),
        }
    }
    points
}
