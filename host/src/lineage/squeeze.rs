//! Squeezing: what straight lines made too high is made lower, at the cost of some of them.
//!
//! Where everything is connected with everything, lines that must not cross push each other apart without end. The plane is then shrunk
//! to what the fullest column needs and a little more, and stops look for the middle of what they are connected with, column by column,
//! as near as their neighbours let them.

use super::{Measures, columns::Columns, place::distance};

/// So many times every column looks for its place.
const ROUNDS: usize = 6;

/// Makes a plane lower that is much higher than its fullest column needs.
pub fn squeeze(columns: &Columns, middles: &mut [f64], measures: &Measures) {
    let needed = |stops: &Vec<u32>| -> i64 {
        stops.windows(2).map(|pair| distance(columns, pair[0], pair[1], measures)).sum()
    };
    let fullest = columns.columns.iter().map(needed).max().unwrap_or(0) as f64;
    let lowest = middles.iter().copied().fold(f64::MAX, f64::min);
    let height = middles.iter().copied().fold(f64::MIN, f64::max) - lowest;
    let wanted = fullest * 1.25 + f64::from(measures.height) * 12.0;
    if height <= wanted {
        return;
    }
    let scale = wanted / height;
    middles.iter_mut().for_each(|y| *y = (*y - lowest) * scale);
    let count = columns.columns.len();
    for column in 0..count {
        settle(columns, column, middles, measures, |stop, middles| (middles[stop as usize], 1.0));
    }
    for round in 0..ROUNDS {
        for step in 0..count {
            let column = if round % 2 == 0 { step } else { count - 1 - step };
            settle(columns, column, middles, measures, |stop, middles| {
                let around = columns.left[stop as usize].iter().chain(&columns.right[stop as usize]);
                let (mut sum, mut weights) = (middles[stop as usize], 1.0);
                for &other in around {
                    // Lanes are to go straight first of all.
                    let weight = if columns.is_lane(stop) && columns.is_lane(other) { 8.0 } else { 1.0 };
                    sum += middles[other as usize] * weight;
                    weights += weight;
                }
                (sum / weights, weights)
            });
        }
    }
}

/// Puts the stops of a column as near as can be to where they want to be, by the square of how far they are from it: those that
/// want to be too near to each other share what is missing, by their weights.
fn settle(
    columns: &Columns,
    column: usize,
    middles: &mut [f64],
    measures: &Measures,
    want: impl Fn(u32, &[f64]) -> (f64, f64),
) {
    let stops = &columns.columns[column];
    // Blocks of stops that touch: where the first of them lies less what is above it, their weight, how many they are.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::with_capacity(stops.len());
    let mut offsets = Vec::with_capacity(stops.len());
    let mut offset = 0.0;
    for (at, &stop) in stops.iter().enumerate() {
        if at > 0 {
            offset += distance(columns, stops[at - 1], stop, measures) as f64;
        }
        offsets.push(offset);
        let (wanted, weight) = want(stop, middles);
        let mut block = (wanted - offset, weight, 1);
        while let Some(&(y, above, count)) = blocks.last().filter(|(y, _, _)| *y > block.0) {
            block = ((y * above + block.0 * block.1) / (above + block.1), above + block.1, count + block.2);
            blocks.pop();
        }
        blocks.push(block);
    }
    let mut stops = stops.iter().zip(offsets);
    for (y, _, count) in blocks {
        for (&stop, offset) in stops.by_ref().take(count) {
            middles[stop as usize] = y + offset;
        }
    }
}
