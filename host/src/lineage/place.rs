//! Place: at which height each stop lies, so that edges are straight where they can be.
//!
//! After Brandes and Köpf: stops are chained to the middle one of what they are connected with, once from each of the four corners of the
//! plane; a chain is a straight line. Each of the four gives a height to every stop, and the mean of the two in the middle is taken. None
//! of them puts a stop too near to the next, so neither does the mean.

use std::collections::HashSet;

use super::{Measures, columns::Columns, squeeze::squeeze};

/// The height of the middle of each stop.
pub fn place(columns: &Columns, measures: &Measures) -> Vec<i32> {
    let conflicts = conflicts(columns);
    let mut all = Vec::with_capacity(4);
    for from_left in [true, false] {
        for from_top in [true, false] {
            let root = align(columns, &conflicts, from_left, from_top);
            let mut middles = compact(columns, &root, measures, from_top);
            if !from_top {
                middles.iter_mut().for_each(|y| *y = -*y);
            }
            all.push((middles, from_top));
        }
    }
    let extent = |middles: &[i64]| {
        let low = middles.iter().copied().min().unwrap_or(0);
        (low, middles.iter().copied().max().unwrap_or(0))
    };
    let extents: Vec<_> = all.iter().map(|(middles, _)| extent(middles)).collect();
    let (low, high) = extents.iter().copied().min_by_key(|(low, high)| high - low).unwrap_or((0, 0));
    for ((middles, from_top), (own_low, own_high)) in all.iter_mut().zip(extents) {
        let shift = if *from_top { low - own_low } else { high - own_high };
        middles.iter_mut().for_each(|y| *y += shift);
    }
    let mut middles: Vec<f64> = (0..columns.column.len())
        .map(|stop| {
            let mut four: [i64; 4] = std::array::from_fn(|at| all[at].0[stop]);
            four.sort_unstable();
            (four[1] + four[2]) as f64 / 2.0
        })
        .collect();
    squeeze(columns, &mut middles, measures);
    let half =
        |stop: usize| if columns.is_lane(stop as u32) { 0.0 } else { f64::from(measures.height) / 2.0 };
    let top = (0..middles.len()).map(|stop| middles[stop] - half(stop)).fold(f64::MAX, f64::min);
    middles.into_iter().map(|y| (y - top).round() as i32).collect()
}

/// The edges next to nodes that cross an edge between two lanes: lanes go straight, so these may not.
fn conflicts(columns: &Columns) -> HashSet<(u32, u32)> {
    let mut conflicts = HashSet::new();
    for pair in columns.columns.windows(2) {
        let (before, stops) = (&pair[0], &pair[1]);
        let lane_before = |stop: u32| {
            let others = &columns.left[stop as usize];
            others.iter().copied().find(|&other| columns.is_lane(stop) && columns.is_lane(other))
        };
        let (mut from, mut scanned) = (0, 0);
        for (at, &stop) in stops.iter().enumerate() {
            let lane = lane_before(stop);
            if lane.is_none() && at + 1 < stops.len() {
                continue;
            }
            let to = lane.map_or(before.len() as u32, |lane| columns.position[lane as usize]);
            for &other in &stops[scanned..=at] {
                for &left in &columns.left[other as usize] {
                    let position = columns.position[left as usize];
                    let is_between_lanes = columns.is_lane(left) && columns.is_lane(other);
                    if !is_between_lanes && (position < from || position > to) {
                        conflicts.insert((left, other));
                    }
                }
            }
            (from, scanned) = (to, at + 1);
        }
    }
    conflicts
}

/// Chains stops to lines: gives the first stop of the line of each.
fn align(columns: &Columns, conflicts: &HashSet<(u32, u32)>, from_left: bool, from_top: bool) -> Vec<u32> {
    let count = columns.columns.len();
    let mut root: Vec<u32> = (0..columns.column.len() as u32).collect();
    // Each has one follower at most.
    let mut is_followed = vec![false; columns.column.len()];
    let mut others: Vec<(i64, u32)> = Vec::new();
    for step in 1..count {
        let column = if from_left { step } else { count - 1 - step };
        let height = |stop: u32| {
            let at = i64::from(columns.position[stop as usize]);
            if from_top { at } else { -at }
        };
        let mut last = i64::MIN;
        let stops = &columns.columns[column];
        for at in 0..stops.len() {
            let stop = if from_top { stops[at] } else { stops[stops.len() - 1 - at] };
            others.clear();
            let side = if from_left { &columns.left } else { &columns.right };
            others.extend(side[stop as usize].iter().map(|&other| (height(other), other)));
            others.sort_unstable();
            let count = others.len();
            for &(at, other) in &others[count.saturating_sub(1) / 2..(count / 2 + 1).min(count)] {
                let edge = if from_left { (other, stop) } else { (stop, other) };
                if at > last && !is_followed[other as usize] && !conflicts.contains(&edge) {
                    is_followed[other as usize] = true;
                    root[stop as usize] = root[other as usize];
                    last = at;
                    break;
                }
            }
        }
    }
    root
}

/// Puts lines as near to each other as they may be: from the top first, then back towards what is below them.
fn compact(columns: &Columns, root: &[u32], measures: &Measures, from_top: bool) -> Vec<i64> {
    let count = root.len();
    let mut below: Vec<Vec<(u32, i64)>> = vec![Vec::new(); count];
    let mut above = vec![0u32; count];
    for stops in &columns.columns {
        for at in 1..stops.len() {
            let (upper, lower) = (stops[at - 1], stops[at]);
            let distance = distance(columns, upper, lower, measures);
            let (upper, lower) = (root[upper as usize], root[lower as usize]);
            let (first, second) = if from_top { (upper, lower) } else { (lower, upper) };
            below[first as usize].push((second, distance));
            above[second as usize] += 1;
        }
    }
    let mut sequence: Vec<u32> =
        (0..count as u32).filter(|&stop| root[stop as usize] == stop && above[stop as usize] == 0).collect();
    let mut y = vec![0i64; count];
    let mut next = 0;
    while next < sequence.len() {
        let line = sequence[next] as usize;
        next += 1;
        for &(other, distance) in &below[line] {
            y[other as usize] = y[other as usize].max(y[line] + distance);
            above[other as usize] -= 1;
            if above[other as usize] == 0 {
                sequence.push(other);
            }
        }
    }
    for &line in sequence.iter().rev() {
        let line = line as usize;
        if let Some(low) = below[line].iter().map(|&(other, distance)| y[other as usize] - distance).min() {
            y[line] = y[line].max(low);
        }
    }
    root.iter().map(|&root| y[root as usize]).collect()
}

/// The least distance between the middles of two stops that are neighbours.
pub fn distance(columns: &Columns, upper: u32, lower: u32, measures: &Measures) -> i64 {
    let half = |stop| if columns.is_lane(stop) { 0 } else { measures.height / 2 };
    let free = if columns.is_lane(upper) || columns.is_lane(lower) { measures.lane } else { measures.gap };
    i64::from(half(upper) + half(lower) + free)
}
