//! Whether the host works: what a supervisor or a load balancer asks.

use std::{
    sync::Mutex,
    sync::PoisonError,
    time::{Duration, Instant},
};

use axum::{Router, extract::State, routing::get};

use super::{Problem, state::Web};

/// How long the dispatcher may stand still. It moves each second, but for a long wait for the disk.
const STILL: Duration = Duration::from_secs(15);

/// When the dispatcher moved last.
pub struct Pulse(Mutex<(u64, Instant)>);

impl Default for Pulse {
    fn default() -> Self {
        Self(Mutex::new((0, Instant::now())))
    }
}

impl Pulse {
    /// Looks again; says for how long it has stood still.
    fn look(&self, pulse: u64, now: Instant) -> Duration {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0 != pulse {
            *seen = (pulse, now);
        }
        now.duration_since(seen.1)
    }
}

/// Begins to watch the dispatcher.
pub fn watch(web: &Web) {
    let web = web.clone();
    tokio::spawn(async move {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
            web.pulse().look(web.front().pulse(), Instant::now());
        }
    });
}

/// What answers outside of the API.
pub fn router() -> Router<Web> {
    Router::new().route("/healthz", get(health))
}

async fn health(State(web): State<Web>) -> Result<&'static str, Problem> {
    let still = web.pulse().look(web.front().pulse(), Instant::now());
    if still < STILL {
        return Ok("ok\n");
    }
    Err(Problem::unavailable(format!("the host has not moved for {} seconds", still.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_that_stands_still_is_seen() {
        let pulse = Pulse::default();
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(pulse.look(1, begin), Duration::ZERO);
        assert_eq!(pulse.look(1, after(10)), Duration::from_secs(10));
        assert_eq!(pulse.look(2, after(20)), Duration::ZERO);
        assert!(pulse.look(2, after(40)) >= STILL);
    }
}
