//! Order: which stop of a column stands above which, so that few edges cross.
//!
//! Sweeps to and fro put every stop at the mean of what it is connected with in the column before; neighbours are swapped where that
//! helps; the best order that was seen is kept. At last, groups are drawn together wherever that costs little.

use std::collections::HashMap;

use super::columns::Columns;

/// Beyond these crossings of one column, drawing groups together may cost one in so many.
const LITTLE: u64 = 12;
/// So many steps over edges are taken at most, whatever the size of the graph.
const PATIENCE: usize = 1_200_000;

/// Puts every column in order.
pub fn order(columns: &mut Columns) {
    if columns.columns.len() < 2 {
        return by_group(columns);
    }
    let naive = (columns.crossings(), columns.columns.clone());
    let walked = walk(columns);
    columns.reorder_all(walked);
    let mut best = (columns.crossings(), columns.columns.clone());
    if naive.0 < best.0 {
        columns.reorder_all(naive.1.clone());
        best = naive.clone();
    }
    let segments = columns.right.iter().map(Vec::len).sum::<usize>().max(1);
    let sweeps = (PATIENCE / segments).clamp(6, 24);
    let mut in_vain = 0;
    for round in 0..sweeps {
        if best.0 == 0 || in_vain == 4 {
            break;
        }
        sweep(columns, round % 2 == 0);
        swap(columns, 2);
        let crossings = columns.crossings();
        in_vain += 1;
        if crossings < best.0 {
            best = (crossings, columns.columns.clone());
            in_vain = 0;
        }
    }
    columns.reorder_all(best.1.clone());
    swap(columns, 8);
    let settled = (columns.crossings(), columns.columns.clone());
    by_group(columns);
    if columns.crossings() > naive.0 {
        columns.reorder_all(settled.1);
    }
}

/// An order to begin with: as a walk from each root along the edges comes by. Roots are taken by group.
fn walk(columns: &Columns) -> Vec<Vec<u32>> {
    let mut order = vec![Vec::new(); columns.columns.len()];
    let mut is_seen = vec![false; columns.column.len()];
    let mut roots: Vec<u32> =
        columns.columns.iter().flatten().copied().filter(|&s| columns.left[s as usize].is_empty()).collect();
    roots.sort_by_key(|&stop| columns.group[stop as usize]);
    roots.reverse();
    let mut ahead = roots;
    while let Some(stop) = ahead.pop() {
        if !std::mem::replace(&mut is_seen[stop as usize], true) {
            order[columns.column[stop as usize] as usize].push(stop);
            ahead.extend(columns.right[stop as usize].iter().rev());
        }
    }
    order
}

/// Puts the stops of each column at the mean of what they are connected with on one side. What is connected with nothing there stays.
fn sweep(columns: &mut Columns, to_the_right: bool) {
    let count = columns.columns.len();
    let mut keyed: Vec<(f64, u32)> = Vec::new();
    for step in 1..count {
        let column = if to_the_right { step } else { count - 1 - step };
        keyed.clear();
        for &stop in &columns.columns[column] {
            let others =
                if to_the_right { &columns.left[stop as usize] } else { &columns.right[stop as usize] };
            if !others.is_empty() {
                let sum: f64 = others.iter().map(|&other| f64::from(columns.position[other as usize])).sum();
                keyed.push((sum / others.len() as f64, stop));
            }
        }
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut moved = keyed.iter().map(|&(_, stop)| stop);
        let stops = columns.columns[column]
            .iter()
            .map(|&stop| {
                let others =
                    if to_the_right { &columns.left[stop as usize] } else { &columns.right[stop as usize] };
                if others.is_empty() { stop } else { moved.next().unwrap_or(stop) }
            })
            .collect();
        columns.reorder(column, stops);
    }
}

/// Swaps neighbours as long as that takes crossings away, so many times over at most.
fn swap(columns: &mut Columns, rounds: usize) {
    let mut around: Vec<[Vec<u32>; 2]> = Vec::new();
    for _ in 0..rounds {
        let mut is_better = false;
        for column in 0..columns.columns.len() {
            let mut stops = columns.columns[column].clone();
            around.clear();
            around.extend(stops.iter().map(|&stop| {
                [&columns.left, &columns.right].map(|side| {
                    let mut at: Vec<u32> =
                        side[stop as usize].iter().map(|&s| columns.position[s as usize]).collect();
                    at.sort_unstable();
                    at
                })
            }));
            let mut is_changed = false;
            for at in 1..stops.len() {
                let (kept, swapped) = (0..2)
                    .map(|side| pair(&around[at - 1][side], &around[at][side]))
                    .fold((0, 0), |sum, (kept, swapped)| (sum.0 + kept, sum.1 + swapped));
                if swapped < kept {
                    stops.swap(at - 1, at);
                    around.swap(at - 1, at);
                    is_changed = true;
                }
            }
            if is_changed {
                columns.reorder(column, stops);
                is_better = true;
            }
        }
        if !is_better {
            return;
        }
    }
}

/// How often the edges of two neighbours cross as they stand, and if they were swapped. Both are sorted.
fn pair(upper: &[u32], lower: &[u32]) -> (u64, u64) {
    let crossings = |above: &[u32], below: &[u32]| {
        let (mut sum, mut passed) = (0, 0);
        for end in above {
            while passed < below.len() && below[passed] < *end {
                passed += 1;
            }
            sum += passed as u64;
        }
        sum
    };
    (crossings(upper, lower), crossings(lower, upper))
}

/// Draws the stops of each group together, column by column, where hardly more edges cross then.
fn by_group(columns: &mut Columns) {
    for column in 0..columns.columns.len() {
        let stops = &columns.columns[column];
        let mut sums: HashMap<Option<u32>, (u64, u64)> = HashMap::new();
        for (at, stop) in (0u64..).zip(stops) {
            let sum = sums.entry(columns.group[*stop as usize]).or_default();
            *sum = (sum.0 + at, sum.1 + 1);
        }
        if sums.len() < 2 {
            continue;
        }
        let mean = |stop: &u32| {
            let group = columns.group[*stop as usize];
            let (sum, count) = sums.get(&group).copied().unwrap_or((0, 1));
            (sum * 1000 / count, group)
        };
        let mut grouped = stops.clone();
        grouped.sort_by_key(mean);
        let before = columns.crossings_at(column);
        let stops = columns.reorder(column, grouped);
        if columns.crossings_at(column) > before + before / LITTLE {
            columns.reorder(column, stops);
        }
    }
}
