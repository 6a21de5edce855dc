//! The queue: which run's turn it is. Pure: times come in, and nothing here knows what a run does.
//!
//! Runs wait by priority, then by age. A run needs a free slot and all of its locks at once, and never overtakes one before
//! it that waits for a lock that it needs too: so nobody starves. What differs in nothing but age waits in one line, and
//! only the heads of lines are looked at.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;

use crate::model::{RunId, StartRate};

/// What a run needs to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// Higher goes first.
    pub priority: i32,
    /// All locks by name, sorted.
    pub locks: Vec<String>,
    /// The job, and how many of its runs may start within a span of time.
    pub rate: Option<(String, StartRate)>,
}

/// Why a run waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// As many runs as may are under way.
    Slots(u32),
    /// A lock is held by so many as may.
    Lock(String, Vec<RunId>),
    /// Another run, which is before it, waits for a lock that both need.
    Behind(String, RunId),
    /// Runs of its job may start again at this time.
    Rate(Timestamp),
    /// The host takes up nothing new.
    Closed,
}

/// Runs that nothing but their age tells apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    locks: Vec<String>,
    rate: Option<(String, StartRate)>,
}

type Place = (Reverse<i32>, RunId);

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    max_runs: u32,
    capacities: BTreeMap<String, u32>,
    closed: bool,
    /// Shared by all who wait in it: thousands may.
    lines: BTreeMap<Arc<Line>, BTreeSet<Place>>,
    waiting: BTreeMap<RunId, (Arc<Line>, i32)>,
    held: BTreeMap<RunId, Vec<String>>,
    holders: BTreeMap<String, BTreeSet<RunId>>,
    /// The last starts of jobs that have a rate.
    starts: BTreeMap<String, VecDeque<Timestamp>>,
    /// Planted by a test: nobody waits behind anybody.
    #[cfg(test)]
    pub(super) overtakes: bool,
}

impl Queue {
    /// How many runs may be under way, and how many may hold each lock; one, where it is not said.
    pub fn limit(&mut self, max_runs: u32, capacities: BTreeMap<String, u32>) {
        self.max_runs = max_runs;
        self.capacities = capacities;
    }

    /// Lets nothing start any more.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether nothing starts any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The first of those that wait, in the order of their turns as far as only priority and age decide.
    pub fn waiting(&self, most: usize) -> Vec<RunId> {
        let mut places: Vec<_> =
            self.lines.values().flat_map(|places| places.iter().take(most).copied()).collect();
        places.sort();
        places.truncate(most);
        places.into_iter().map(|(_, run)| run).collect()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a run waits.
    pub fn has(&self, run: RunId) -> bool {
        self.waiting.contains_key(&run)
    }

    /// A run gets in line; one that waits already gets in the right one.
    pub fn put(&mut self, run: RunId, needs: Needs) {
        self.take_out(run);
        let line = Line { locks: needs.locks, rate: needs.rate };
        let known = self.lines.get_key_value(&line).map(|(known, _)| Arc::clone(known));
        let line = known.unwrap_or_else(|| Arc::new(line));
        self.lines.entry(Arc::clone(&line)).or_default().insert((Reverse(needs.priority), run));
        self.waiting.insert(run, (line, needs.priority));
    }

    /// The locks for which a run waits.
    pub fn locks_of(&self, run: RunId) -> Option<&[String]> {
        self.waiting.get(&run).map(|(line, _)| line.locks.as_slice())
    }

    /// A run leaves the queue without having started.
    pub fn take_out(&mut self, run: RunId) {
        let Some((line, priority)) = self.waiting.remove(&run) else { return };
        if let Some(places) = self.lines.get_mut(&line) {
            places.remove(&(Reverse(priority), run));
            if places.is_empty() {
                self.lines.remove(&line);
            }
        }
    }

    /// The run whose turn it is.
    pub fn next(&self, now: Timestamp) -> Option<RunId> {
        let free = |run, wait: Option<Wait>| wait.is_none().then_some(run);
        self.look(now).into_iter().find_map(|(run, wait)| free(run, wait))
    }

    /// A run has its turn: it holds its locks until it is released. One that is under way already, as after a restart, holds
    /// them whatever others do.
    pub fn start(
        &mut self,
        run: RunId,
        locks: Vec<String>,
        rate: Option<&(String, StartRate)>,
        at: Timestamp,
    ) {
        self.take_out(run);
        for lock in &locks {
            self.holders.entry(lock.clone()).or_default().insert(run);
        }
        self.held.insert(run, locks);
        if let Some((job, rate)) = rate {
            let starts = self.starts.entry(job.clone()).or_default();
            starts.push_back(at);
            starts.drain(..starts.len().saturating_sub(rate.runs as usize));
        }
    }

    /// What is known of earlier starts of a job, oldest first.
    pub fn remember_starts(&mut self, job: &str, starts: Vec<Timestamp>) {
        self.starts.insert(job.to_owned(), starts.into());
    }

    /// The clock was set back: what has started has done so by now, so that nothing waits for longer than its span.
    pub fn set_back(&mut self, now: Timestamp) {
        self.starts.values_mut().flatten().for_each(|at| *at = now.min(*at));
    }

    /// Whether earlier starts of a job are known.
    pub fn knows_starts(&self, job: &str) -> bool {
        self.starts.contains_key(job)
    }

    /// A run has ended.
    pub fn release(&mut self, run: RunId) {
        for lock in self.held.remove(&run).unwrap_or_default() {
            if let Some(holders) = self.holders.get_mut(&lock) {
                holders.remove(&run);
                if holders.is_empty() {
                    self.holders.remove(&lock);
                }
            }
        }
    }

    /// Why a run waits; none where it does not, or its turn has come.
    pub fn why(&self, run: RunId, now: Timestamp) -> Option<Wait> {
        let (line, _) = self.waiting.get(&run)?;
        let heads = self.look(now);
        let mine = self.lines.get(line)?.first()?.1;
        if mine == run {
            return heads.into_iter().find(|(head, _)| *head == run)?.1;
        }
        // It stands behind the head of its own line; with no lock between them only slots or the rate hold it up.
        let (_, wait) = heads.into_iter().find(|(head, _)| *head == mine)?;
        match wait {
            Some(Wait::Lock(lock, _) | Wait::Behind(lock, _)) => Some(Wait::Behind(lock, mine)),
            Some(wait) => Some(wait),
            // Only between two turns.
            None => Some(
                line.locks
                    .first()
                    .map_or(Wait::Slots(self.max_runs), |lock| Wait::Behind(lock.clone(), mine)),
            ),
        }
    }

    /// When the next run may start whose only obstacle is a rate.
    pub fn opens_at(&self, now: Timestamp) -> Option<Timestamp> {
        let times = self.look(now).into_iter().filter_map(|(_, wait)| match wait {
            Some(Wait::Rate(at)) => Some(at),
            _ => None,
        });
        times.min()
    }

    /// The heads of all lines in the order of their turns, each with what it waits for.
    fn look(&self, now: Timestamp) -> Vec<(RunId, Option<Wait>)> {
        let mut heads: Vec<_> =
            self.lines.iter().filter_map(|(line, places)| Some((*places.first()?, line))).collect();
        heads.sort_by_key(|(place, _)| *place);
        let mut claimed: BTreeMap<&str, RunId> = BTreeMap::new();
        let full = self.held.len() >= self.max_runs as usize;
        let mut seen = Vec::with_capacity(heads.len());
        for ((_, run), line) in heads {
            #[cfg(test)]
            claimed.retain(|_, _| !self.overtakes);
            let wait = if self.closed {
                Some(Wait::Closed)
            } else if let Some(at) = self.rate_opens(line, now) {
                Some(Wait::Rate(at))
            } else {
                let wait = line.locks.iter().find_map(|lock| self.obstacle(lock, &claimed));
                let wait = wait.or(full.then_some(Wait::Slots(self.max_runs)));
                if wait.is_some() {
                    for lock in &line.locks {
                        claimed.entry(lock).or_insert(run);
                    }
                }
                wait
            };
            seen.push((run, wait));
        }
        seen
    }

    fn obstacle(&self, lock: &str, claimed: &BTreeMap<&str, RunId>) -> Option<Wait> {
        let capacity = self.capacities.get(lock).copied().unwrap_or(1);
        if let Some(run) = claimed.get(lock) {
            return Some(Wait::Behind(lock.to_owned(), *run));
        }
        let holders = self.holders.get(lock).filter(|holders| holders.len() >= capacity as usize)?;
        Some(Wait::Lock(lock.to_owned(), holders.iter().copied().collect()))
    }

    /// When a run of this line may start, where its job has started as often as it may.
    fn rate_opens(&self, line: &Line, now: Timestamp) -> Option<Timestamp> {
        let (job, rate) = line.rate.as_ref()?;
        let starts = self.starts.get(job)?;
        let nth = starts.len().checked_sub(rate.runs as usize)?;
        // A clock that was set back must not keep the job from starting for longer than the span.
        let opens = starts.get(nth)?.min(&now).checked_add(rate.per).ok()?;
        (opens > now).then_some(opens)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn needs(priority: i32, locks: &[&str]) -> Needs {
        Needs { priority, locks: locks.iter().map(|&lock| lock.to_owned()).collect(), rate: None }
    }

    fn queue(max_runs: u32, capacities: &[(&str, u32)]) -> Queue {
        let mut queue = Queue::default();
        queue.limit(max_runs, capacities.iter().map(|(lock, n)| ((*lock).to_owned(), *n)).collect());
        queue
    }

    fn start_all(queue: &mut Queue) -> Vec<u64> {
        let mut started = Vec::new();
        while let Some(run) = queue.next(at(0)) {
            let locks = queue.locks_of(run).unwrap().to_vec();
            queue.start(run, locks, None, at(0));
            started.push(run.0);
        }
        started
    }

    #[test]
    fn higher_goes_first_and_then_older() {
        let mut queue = queue(10, &[]);
        for (run, priority) in [(1, 0), (2, 5), (3, 0), (4, 5), (5, -1)] {
            queue.put(RunId(run), needs(priority, &[]));
        }
        assert_eq!(start_all(&mut queue), [2, 4, 1, 3, 5]);
    }

    #[test]
    fn a_lock_lets_in_as_many_as_it_may() {
        let mut queue = queue(10, &[("warehouse", 2)]);
        for run in 1..=4 {
            queue.put(RunId(run), needs(0, &["warehouse"]));
        }
        queue.put(RunId(5), needs(0, &["duckdb:/a"]));
        queue.put(RunId(6), needs(0, &["duckdb:/a"]));
        assert_eq!(start_all(&mut queue), [1, 2, 5]);
        let held = Wait::Lock("warehouse".to_owned(), vec![RunId(1), RunId(2)]);
        assert_eq!(queue.why(RunId(3), at(0)), Some(held));
        assert_eq!(queue.why(RunId(4), at(0)), Some(Wait::Behind("warehouse".to_owned(), RunId(3))));
        queue.release(RunId(1));
        queue.release(RunId(5));
        assert_eq!(start_all(&mut queue), [3, 6]);
    }

    #[test]
    fn nobody_overtakes_a_run_that_waits_for_the_same_lock() {
        let mut queue = queue(10, &[]);
        queue.put(RunId(1), needs(0, &["a"]));
        assert_eq!(start_all(&mut queue), [1]);
        queue.put(RunId(2), needs(0, &["a", "b"]));
        queue.put(RunId(3), needs(0, &["b"]));
        queue.put(RunId(4), needs(0, &["c"]));
        assert_eq!(start_all(&mut queue), [4], "3 would keep 2 waiting for ever");
        assert_eq!(queue.why(RunId(3), at(0)), Some(Wait::Behind("b".to_owned(), RunId(2))));
        queue.release(RunId(1));
        assert_eq!(start_all(&mut queue), [2]);
    }

    #[test]
    fn no_more_than_so_many_at_a_time() {
        let mut queue = queue(2, &[]);
        for run in 1..=3 {
            queue.put(RunId(run), needs(0, &[]));
        }
        assert_eq!(start_all(&mut queue), [1, 2]);
        assert_eq!(queue.why(RunId(3), at(0)), Some(Wait::Slots(2)));
        queue.release(RunId(2));
        assert_eq!(start_all(&mut queue), [3]);
    }

    #[test]
    fn a_rate_holds_up_its_own_job_only() {
        let mut queue = queue(10, &[]);
        let rate = StartRate { runs: 2, per: SignedDuration::from_secs(60) };
        let rated = |run, queue: &mut Queue| {
            queue.put(RunId(run), Needs { rate: Some(("a".to_owned(), rate)), ..needs(0, &["a"]) });
        };
        queue.remember_starts("a", vec![at(-30), at(-10)]);
        rated(1, &mut queue);
        queue.put(RunId(2), needs(0, &["a"]));
        assert_eq!(queue.why(RunId(1), at(0)), Some(Wait::Rate(at(30))));
        assert_eq!(queue.opens_at(at(0)), Some(at(30)));
        assert_eq!(queue.next(at(0)), Some(RunId(2)), "what a rate holds up claims no lock");
        queue.take_out(RunId(2));
        assert_eq!(queue.next(at(30)), Some(RunId(1)));
        // The clock was set back by a year: a minute is still a minute.
        assert_eq!(queue.why(RunId(1), at(-31_536_000)), Some(Wait::Rate(at(-31_536_000 + 60))));
    }

    proptest! {
        /// Whatever comes and goes: capacities hold, whoever can start does, and nobody starves.
        #[test]
        fn capacities_hold_and_nobody_is_forgotten(
            runs in vec((-2..3_i32, prop::sample::subsequence(vec!["a", "b", "c"], 0..3)), 1..40),
            max_runs in 1..5_u32,
            ends in vec(any::<prop::sample::Index>(), 0..200),
        ) {
            let mut queue = queue(max_runs, &[("b", 2)]);
            let mut coming = runs.iter().enumerate();
            let mut under_way: Vec<(u64, Vec<String>)> = Vec::new();
            let mut ends = ends.into_iter();
            let mut done = 0;
            for _ in 0..1_000 {
                if let Some((number, (priority, locks))) = coming.next() {
                    queue.put(RunId(number as u64 + 1), needs(*priority, locks));
                }
                while let Some(run) = queue.next(at(0)) {
                    let locks = queue.locks_of(run).unwrap().to_vec();
                    queue.start(run, locks.clone(), None, at(0));
                    under_way.push((run.0, locks));
                }
                prop_assert!(under_way.len() <= max_runs as usize);
                for (lock, most) in [("a", 1), ("b", 2), ("c", 1)] {
                    let holders = under_way.iter().filter(|(_, locks)| locks.iter().any(|l| l == lock)).count();
                    prop_assert!(holders <= most, "{lock} is held by {holders}");
                }
                for run in 1..=runs.len() as u64 {
                    prop_assert_eq!(queue.has(RunId(run)), queue.why(RunId(run), at(0)).is_some());
                }
                prop_assert!(queue.len() == 0 || !under_way.is_empty(), "all wait for nothing");
                if !under_way.is_empty() {
                    let at = ends.next().map_or(0, |index| index.index(under_way.len()));
                    queue.release(RunId(under_way.remove(at).0));
                    done += 1;
                }
            }
            prop_assert_eq!(done, runs.len());
        }
    }
}
