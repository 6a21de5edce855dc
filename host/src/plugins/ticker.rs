//! The clock that deadlines are counted in: a thread that raises the engine's epoch every few milliseconds.
//!
//! Owns that thread. Never decides what a deadline is, and never ticks while no call is under way, so that an idle host
//! does not wake up a hundred times a second.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use wasmtime::Engine;

/// How long an epoch lasts: deadlines are kept to about this.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// The thread, and who is waiting for its ticks.
pub(super) struct Ticker {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    calls: usize,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing can panic while it is held, and a count is never half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticker {
    /// Starts the thread. It ends with this value, or with the engine.
    pub(super) fn start(engine: &Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (mine, engine) = (Arc::clone(&shared), engine.weak());
        thread::Builder::new().name("plugin-deadlines".to_owned()).spawn(move || {
            let mut state = mine.lock();
            while !state.closed {
                if state.calls == 0 {
                    state = mine.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                drop(state);
                thread::sleep(TICK);
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
                drop(engine);
                state = mine.lock();
            }
        })?;
        Ok(Self { shared })
    }

    /// Ticks until the guard is dropped.
    pub(super) fn tick(&self) -> Ticking<'_> {
        self.shared.lock().calls += 1;
        self.shared.changed.notify_one();
        Ticking { shared: &self.shared }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
    }
}

/// A call that is under way.
pub(super) struct Ticking<'a> {
    shared: &'a Shared,
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.shared.lock().calls -= 1;
    }
}

/// A deadline in ticks. One is added because the first tick may come at once.
pub(super) fn ticks(deadline: Duration) -> u64 {
    u64::try_from(deadline.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u64::MAX / 2).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_shorter_than_asked_for() {
        assert_eq!(ticks(Duration::ZERO), 1);
        assert_eq!(ticks(Duration::from_millis(1)), 2);
        assert_eq!(ticks(Duration::from_millis(50)), 6);
        assert!(ticks(Duration::MAX) < u64::MAX);
    }

    #[test]
    fn the_thread_ends_with_the_ticker() {
        let engine = Engine::default();
        let ticker = Ticker::start(&engine).unwrap();
        let shared = Arc::clone(&ticker.shared);
        drop(ticker.tick());
        drop(ticker);
        for _ in 0..500 {
            if Arc::strong_count(&shared) == 1 {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the thread still runs");
    }
}
