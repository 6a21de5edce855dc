//! Locks: no more runs had a dbt at work at one time than may hold a lock that they named.

use std::collections::BTreeMap;

use tidegate::model::Run;

use crate::{
    ledger::Ledger,
    projects::{REAL, SCRIPTED},
    rounds::Loop,
    triggers,
};

/// All that is not as it must be. When a dbt began and ended it says itself; of one that was killed only its first moment
/// counts.
pub fn problems(all: &Loop, runs: &[Run], ledger: &Ledger) -> Vec<String> {
    let mut problems = Vec::new();
    let mut moments: BTreeMap<&str, Vec<(f64, bool, String)>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.started_at.is_some() && run.request.project != REAL) {
        let own = SCRIPTED.contains(&run.request.project.as_str());
        let own = own.then(|| format!("project:{}", run.request.project));
        let missing: Vec<_> =
            run.request.limits.locks.iter().chain(&own).filter(|lock| !run.locks.contains(lock)).collect();
        if !missing.is_empty() {
            problems.push(format!("run {} holds {:?}, and not {missing:?}", run.id, run.locks));
        }
        for attempt in run.steps.iter().flat_map(|step| &step.attempts) {
            let id = attempt.id.to_string();
            for dbt in ledger.dbts_of(&id) {
                let stop = dbt.stop.as_ref().map_or(dbt.start.at, |stop| stop.at);
                for lock in &run.locks {
                    let moments = moments.entry(lock).or_default();
                    moments.extend([(dbt.start.at, true, id.clone()), (stop, false, id.clone())]);
                }
            }
        }
    }
    let capacities = triggers::config(all).locks;
    for (lock, mut moments) in moments {
        // A dbt that was killed in its first moment has begun before it ends.
        moments.sort_by(|a, b| a.0.total_cmp(&b.0));
        let capacity = capacities.get(lock).copied().unwrap_or(1) as usize;
        let mut holders: Vec<String> = Vec::new();
        for (_, begins, id) in moments {
            if begins {
                holders.push(id);
            } else {
                holders.retain(|holder| *holder != id);
            }
            if holders.len() > capacity {
                problems.push(format!("{lock} was held by attempts {holders:?} at a time"));
            }
        }
    }
    problems
}
