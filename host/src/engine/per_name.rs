//! Locks by name: whoever works at one project waits for nobody at another.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// A lock for each of some names, of which there are few: those of projects.
#[derive(Debug, Default)]
pub struct PerName(Mutex<BTreeMap<String, Arc<Mutex<()>>>>);

impl PerName {
    /// Does something that one does at a time for a name.
    pub fn alone<T>(&self, name: &str, work: impl FnOnce() -> T) -> T {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(name.to_owned()).or_default())
        };
        let _alone = lock.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Barrier,
            atomic::{AtomicU32, Ordering},
        },
        thread,
    };

    use super::*;

    #[test]
    fn one_name_is_worked_at_by_one_and_two_names_by_two() {
        let locks = PerName::default();
        let both = Barrier::new(2);
        thread::scope(|scope| {
            // Each waits for the other inside of its lock.
            scope.spawn(|| locks.alone("shop", || both.wait()));
            scope.spawn(|| locks.alone("bank", || both.wait()));
        });
        let inside = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    locks.alone("shop", || {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    });
                });
            }
        });
    }
}
