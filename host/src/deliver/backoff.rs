//! When a delivery that failed is tried again: a pure function of what is known of it.

use jiff::{SignedDuration, Timestamp};

use super::{Again, DeliveryError};

/// A delivery is tried so many times at most.
pub const MOST_TRIES: u32 = 20;
/// From its first try on, no other begins after so long.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(24);

const FIRST_DELAY: i64 = 60;
const LONGEST_DELAY: i64 = 3_600;
/// What is added or taken away at random, in parts of a thousand of the delay.
const JITTER: i64 = 200;

/// When to try again what was tried `tries` times, the first time at `first_at`, and has now failed with this error; none where
/// it is given up. A minute after the first try, then twice as long each time up to an hour, give or take a fifth that the key
/// decides, so that what failed together is not tried again together; never before the other side wants it.
pub fn next_try(
    tries: u32,
    key: &str,
    error: &DeliveryError,
    now: Timestamp,
    first_at: Timestamp,
) -> Option<Timestamp> {
    let asked = match error.again {
        Again::Never => return None,
        Again::Later => SignedDuration::ZERO,
        Again::After(asked) => asked,
    };
    if tries >= MOST_TRIES {
        return None;
    }
    let doublings = tries.saturating_sub(1).min(16);
    let delay = (FIRST_DELAY << doublings).min(LONGEST_DELAY);
    let delay = SignedDuration::from_millis(delay * (1_000 + jitter(tries, key)));
    let next = now.checked_add(delay.max(asked)).ok()?;
    let last = first_at.checked_add(LONGEST).ok()?;
    (next <= last).then_some(next)
}

fn jitter(tries: u32, key: &str) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&tries.to_le_bytes());
    hasher.update(key.as_bytes());
    let hash = hasher.finalize();
    let number = hash.as_bytes().iter().take(4).fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    number % (2 * JITTER + 1) - JITTER
}
