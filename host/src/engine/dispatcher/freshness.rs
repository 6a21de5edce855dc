//! Assets that have to be fresh: whether they are is looked at when they are built, and when nothing runs.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Dispatcher, later, limits::Due};
use crate::{
    engine::message::Expected,
    model::{AssetEvent, AssetEventKind, AssetFreshness, AttemptId, FreshWithin},
    schedule::Schedule,
    store::{Entry, StoreError},
};

/// What has to be fresh, by project and unique id.
pub(super) type Expectations = BTreeMap<(String, String), Expectation>;

/// How fresh an asset has to be.
pub(super) struct Expectation {
    pub(super) asset: Expected,
    /// When it is looked at; none where that is at any time.
    deadline: Option<Schedule>,
    /// When it is looked at next. That an asset is built only puts off what is due.
    again: Option<Timestamp>,
}

/// Where an asset stands.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    late: bool,
    /// When that can change by itself.
    again: Option<Timestamp>,
}

/// A deadline counts from the last one that an asset can still have missed; older ones are no news.
const TICKS_BACK: usize = 1;

impl Dispatcher {
    /// A project has been read: these of its assets have to be fresh, and no others where these are all. Of which nobody
    /// knows, what was known before stays.
    pub(super) fn expect(
        &mut self,
        project: &str,
        assets: Vec<Expected>,
        all: bool,
    ) -> Result<(), StoreError> {
        if all {
            self.expected.retain(|(known, _), _| known != project);
        }
        for asset in assets {
            let deadline = asset.fresh_within.deadline.as_ref().and_then(|at| Schedule::of_deadline(at).ok());
            let key = (project.to_owned(), asset.unique_id.clone());
            if all || !self.expected.contains_key(&key) {
                self.expected.insert(key, Expectation { asset, deadline, again: None });
            }
        }
        let mut entries = Vec::new();
        let known = if all { self.store.asset_freshness(project)? } else { BTreeMap::new() };
        for unique_id in known.into_keys() {
            let key = (project.to_owned(), unique_id);
            if !self.expected.contains_key(&key) {
                entries.push(self.event_of_asset(key, AssetEventKind::FreshnessUnset));
            }
        }
        self.record(entries)?;
        let ids: Vec<_> = self.expected.keys().filter(|(known, _)| known == project).cloned().collect();
        self.look_at_assets(ids)
    }

    /// An attempt has come to its end, and has built assets.
    pub(super) fn were_built(&mut self, id: AttemptId) -> Result<(), StoreError> {
        let Some(run) = self.store.running_run(id.run).filter(|_| !self.expected.is_empty()) else {
            return Ok(());
        };
        let project = &run.request.project;
        let nodes = run.attempt(id).into_iter().flat_map(|attempt| attempt.nodes.values());
        let built = nodes.filter(|node| node.state.is_materialized());
        let ids = built.map(|node| (project.clone(), node.unique_id.clone()));
        let ids = ids.filter(|key| self.expected.contains_key(key)).collect();
        self.look_at_assets(ids)
    }

    /// Says which assets are late or on time, where that is another thing than before.
    pub(super) fn look_at_assets(&mut self, ids: Vec<(String, String)>) -> Result<(), StoreError> {
        let now = self.world.now();
        let mut known: BTreeMap<String, BTreeMap<String, AssetFreshness>> = BTreeMap::new();
        let mut entries = Vec::new();
        for key in ids {
            let Some(expectation) = self.expected.get_mut(&key) else { continue };
            let (project, unique_id) = &key;
            if !known.contains_key(project) {
                known.insert(project.clone(), self.store.asset_freshness(project)?);
            }
            let before = known.get(project).and_then(|assets| assets.get(unique_id));
            let last = self.store.last_built(project, unique_id)?;
            // What was never built has its time from when it was first heard of.
            let fresh_within = expectation.asset.fresh_within.clone();
            let first = match before {
                None => now,
                // That time is over already.
                Some(before) if before.late => {
                    before.since.checked_sub(fresh_within.within).unwrap_or(Timestamp::MIN)
                }
                Some(before) => before.since,
            };
            let look = look(&fresh_within, expectation.deadline.as_ref(), last, first, now);
            if let Some(again) =
                look.again.filter(|again| expectation.again.is_none_or(|at| at <= now || at > *again))
            {
                expectation.again = Some(again);
                self.due.insert((again, Due::Freshness(key.0.clone(), key.1.clone())));
            }
            let same = before.is_some_and(|b| b.late == look.late && b.fresh_within == fresh_within);
            if !same {
                let kind = if look.late {
                    AssetEventKind::AssetLate { fresh_within, last }
                } else {
                    AssetEventKind::AssetOnTime { fresh_within, last }
                };
                entries.push(self.event_of_asset(key, kind));
            }
        }
        self.record(entries)
    }

    fn event_of_asset(&self, (project, unique_id): (String, String), kind: AssetEventKind) -> Entry {
        Entry::Asset(AssetEvent { project, unique_id, at: self.world.now(), kind })
    }
}

/// Whether an asset that was built last at `last` is late now, and when that can change without anybody building it.
fn look(
    fresh: &FreshWithin,
    deadline: Option<&Schedule>,
    last: Option<Timestamp>,
    first: Timestamp,
    now: Timestamp,
) -> Look {
    let Some(deadline) = deadline else {
        let until = later(last.unwrap_or(first), fresh.within);
        return Look { late: until <= now, again: (until > now).then_some(until) };
    };
    // At a deadline it must have been built within the span before it, or since.
    let passed = deadline.passed(last.unwrap_or(first), now, TICKS_BACK).ticks.last().copied();
    let missed = |tick: Timestamp| {
        let from = tick.checked_sub(fresh.within).unwrap_or(Timestamp::MIN);
        last.is_none_or(|last| last < from)
    };
    Look { late: passed.is_some_and(missed), again: deadline.next(now) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Severity;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn fresh(within: &str) -> FreshWithin {
        FreshWithin { within: crate::model::span(within).unwrap(), deadline: None, severity: Severity::Error }
    }

    #[test]
    fn what_was_built_long_ago_is_late_and_what_was_never_built_gets_its_time() {
        let (first, day) = (at("2026-03-01T00:00:00Z"), fresh("24h"));
        let look = |last, now| look(&day, None, last, first, now);
        let built = at("2026-03-02T06:00:00Z");
        let until = at("2026-03-03T06:00:00Z");
        let on_time = Look { late: false, again: Some(until) };
        let late = Look { late: true, again: None };
        assert_eq!(look(Some(built), at("2026-03-03T05:59:59Z")), on_time);
        assert_eq!(look(Some(built), until), late);
        assert_eq!(look(None, at("2026-03-01T23:00:00Z")).again, Some(at("2026-03-02T00:00:00Z")));
        assert_eq!(look(None, at("2026-03-02T00:00:00Z")), late);
    }

    #[test]
    fn a_deadline_asks_for_what_was_built_in_the_span_before_it_or_since() {
        let first = at("2026-03-01T00:00:00Z");
        let zone = crate::schedule::zone("UTC").unwrap();
        let nine = Schedule::parse(&["0 9 * * *"], zone).unwrap();
        let look = |last, now| look(&fresh("4h"), Some(&nine), last, first, now);
        let (six, noon) = (at("2026-03-02T06:00:00Z"), at("2026-03-02T12:00:00Z"));
        let tomorrow = Some(at("2026-03-03T09:00:00Z"));
        assert_eq!(look(Some(six), noon), Look { late: false, again: tomorrow });
        assert_eq!(look(Some(at("2026-03-02T04:59:00Z")), noon), Look { late: true, again: tomorrow });
        assert_eq!(look(Some(at("2026-03-02T09:30:00Z")), noon), Look { late: false, again: tomorrow });
        let before = at("2026-03-02T08:00:00Z");
        assert!(!look(Some(at("2026-03-01T09:30:00Z")), before).late, "its deadline has not come yet");
        assert!(!look(None, at("2026-03-01T08:00:00Z")).late && look(None, noon).late);
    }
}
