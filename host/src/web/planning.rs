//! Turns at dbt: how many selections are resolved at a time for all who ask the web, and what dbt would not resolve just now.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::Problem;
use crate::engine::Refusal;

/// So many have dbt resolve something at a time: each of them may be a process for some seconds.
const AT_A_TIME: usize = 2;

/// How long whoever asks waits for a turn, and when to ask again in seconds.
const WAIT: Duration = Duration::from_secs(30);
const AGAIN: u64 = 10;

/// So long dbt is not asked again what it would not resolve, and of so many selections that is remembered.
const PAUSE: Duration = Duration::from_secs(30);
const REMEMBERED: usize = 64;

/// A turn at dbt, for as long as it is held. It belongs to the work and not to whoever asked: dbt goes on when they have gone.
pub type Turn = OwnedSemaphorePermit;

/// Who has dbt resolve something.
pub struct Planning {
    turns: Arc<Semaphore>,
    wait: Duration,
    refused: Mutex<BTreeMap<String, (Instant, Refusal)>>,
}

impl Default for Planning {
    fn default() -> Self {
        Self::new(AT_A_TIME, WAIT)
    }
}

impl Planning {
    fn new(at_a_time: usize, wait: Duration) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_a_time)), wait, refused: Mutex::default() }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    ///
    /// Where none is to be had for a while.
    pub async fn turn(&self) -> Result<Turn, Problem> {
        match timeout(self.wait, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Problem::unavailable("dbt is busy with what others have asked for")
                .hint("ask again in a while")
                .retry_after(AGAIN)),
        }
    }

    /// Why dbt would not resolve this just now.
    pub fn refused(&self, selection: &str) -> Option<Refusal> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(selection).filter(|(at, _)| at.elapsed() < PAUSE).map(|(_, refusal)| refusal.clone())
    }

    /// dbt would not resolve this.
    pub fn refuse(&self, selection: String, refusal: &Refusal) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|_, (at, _)| at.elapsed() < PAUSE);
        if refused.len() < REMEMBERED {
            refused.insert(selection, (Instant::now(), refusal.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_is_given_back_by_the_work_and_not_by_whoever_asked() {
        let planning = Planning::new(1, Duration::from_millis(1));
        let turn = planning.turn().await.unwrap();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let _ = ended.recv();
        });
        // Nobody waits for it, and it goes on.
        let late = planning.turn().await.unwrap_err();
        assert_eq!((late.status, late.retry_after), (503, Some(AGAIN)));
        drop(end);
        work.await.unwrap();
        drop(planning.turn().await.unwrap());
    }

    #[test]
    fn what_dbt_would_not_resolve_is_remembered_and_not_without_end() {
        let planning = Planning::default();
        let refusal = Refusal::new("no such method");
        for number in 0..=REMEMBERED {
            planning.refuse(number.to_string(), &refusal);
        }
        assert_eq!(planning.refused("0"), Some(refusal));
        assert_eq!(planning.refused(&REMEMBERED.to_string()), None);
    }
}
