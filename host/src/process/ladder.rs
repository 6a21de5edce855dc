//! How dbt is stopped: gently first, since on SIGINT it cancels its queries in the warehouse.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

/// How long dbt gets at each rung, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// After SIGINT.
    pub interrupt_ms: u64,
    /// After SIGTERM.
    pub terminate_ms: u64,
    /// What it has left behind, after its own end: its helpers end a moment later.
    pub leave_ms: u64,
}

impl Default for Ladder {
    fn default() -> Self {
        Self { interrupt_ms: 25_000, terminate_ms: 5_000, leave_ms: 5_000 }
    }
}

/// Where on the ladder a process stands. Pure: time comes in as a value.
#[derive(Debug)]
pub(super) struct Climb {
    ladder: Ladder,
    last: Option<(Signal, Instant)>,
}

impl Climb {
    pub(super) fn new(ladder: Ladder) -> Self {
        Self { ladder, last: None }
    }

    /// Whether anyone has asked to stop.
    pub(super) fn has_begun(&self) -> bool {
        self.last.is_some()
    }

    /// Someone asks to stop, for the first time or again: the next signal.
    pub(super) fn push(&mut self, now: Instant) -> Signal {
        let signal = match self.last {
            None => Signal::SIGINT,
            Some((Signal::SIGINT, _)) => Signal::SIGTERM,
            Some(_) => Signal::SIGKILL,
        };
        self.last = Some((signal, now));
        signal
    }

    /// When the next rung is due by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.last {
            Some((Signal::SIGINT, at)) => Some(at + Duration::from_millis(self.ladder.interrupt_ms)),
            Some((Signal::SIGTERM, at)) => Some(at + Duration::from_millis(self.ladder.terminate_ms)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_goes_up_by_time_and_by_asking_again() {
        let start = Instant::now();
        let mut climb = Climb::new(Ladder::default());
        assert_eq!(climb.due(), None);
        assert_eq!(climb.push(start), Signal::SIGINT);
        assert_eq!(climb.due(), Some(start + Duration::from_secs(25)));
        assert_eq!(climb.push(start), Signal::SIGTERM);
        assert_eq!(climb.due(), Some(start + Duration::from_secs(5)));
        assert_eq!(climb.push(start), Signal::SIGKILL);
        assert_eq!(climb.due(), None);
        assert_eq!(climb.push(start), Signal::SIGKILL);
    }
}
