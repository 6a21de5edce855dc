//! What must be true in the end, whatever was killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use tidegate::{
    crash,
    engine::attempt_folder,
    model::{Attempt, EventKind, Run, RunState},
    process::identify,
    store::{FILE_NAME, Reader, RunFilter, Store},
};

use crate::{
    AGES,
    ledger::{Ledger, Process},
    locks, logs,
    projects::{REAL, SCRIPTED},
    resumes,
    rounds::Loop,
    triggers,
};

/// Panics with everything that is not as it must be; otherwise tells what there was.
pub fn audit(all: &mut Loop) -> String {
    let ledger = Ledger::read(&all.house.dir.join("ledger"));
    nobody_is_left(all, &ledger);
    let mut runs = the_store_is_sound(all);
    runs.retain(|run| run.id.0 > all.inherited);
    requests_are_kept(all, &runs);
    everything_is_told(all, &runs);
    let more =
        [triggers::problems(all, &runs), locks::problems(all, &runs, &ledger), resumes::problems(all, &runs)];
    all.problems.extend(more.into_iter().flatten());
    for overlap in &ledger.overlaps {
        all.problems.push(format!("two dbts at once in project {}: {overlap:?}", overlap.project));
    }
    let known: BTreeSet<_> = runs.iter().flat_map(attempts).map(|attempt| attempt.id.to_string()).collect();
    for stranger in ledger.attempts().difference(&known) {
        all.problems.push(format!("attempt {stranger} has run, and is not on record"));
    }
    let mut told = Told::default();
    for run in &runs {
        run_is_true(all, run, &ledger, &mut told);
    }
    if !all.problems.is_empty() {
        let count = all.problems.len();
        panic!("{count} problems:\n{}", all.problems.join("\n"));
    }
    let Told { states, vias, never_begun, unknown, real, in_words_first } = told;
    format!(
        "{} kills, {} stops, {} take-overs, {} cancels, {} files; {} runs ({real} with a real dbt; {vias:?}), {} requests, \
         attempts by state: {states:?}; {never_begun} attempts never began, {unknown} ended unseen, {in_words_first} nodes \
         ended in words first; crash points: {:?}",
        all.kills,
        all.stops,
        all.take_overs,
        all.cancels,
        all.arrived.values().sum::<u64>(),
        runs.len(),
        all.load.all.len(),
        all.reached
    )
}

/// Whoever is told to stop hears of it within so many seconds: longer than the next host takes to come on a busy machine,
/// and less than a long dbt takes that was never told.
const HEARD_WITHIN: f64 = 40.0;

#[derive(Default)]
struct Told {
    states: BTreeMap<String, u32>,
    vias: BTreeMap<String, u32>,
    never_begun: u32,
    unknown: u32,
    real: u32,
    in_words_first: u32,
}

fn attempts(run: &Run) -> impl Iterator<Item = &Attempt> {
    run.steps.iter().flat_map(|step| &step.attempts)
}

/// Every process that ever ran has ended, and none carries the mark of an attempt.
fn nobody_is_left(all: &mut Loop, ledger: &Ledger) {
    let begun = Instant::now();
    loop {
        let mut left: Vec<_> = ledger
            .processes
            .iter()
            .filter(|p| identify(p.start.pid).is_some_and(|now| now.start_time == p.start.start_time))
            .map(|p| format!("process {} is left: {:?}", p.start.pid, p.start))
            .collect();
        left.extend(marked(&all.house.dir));
        if left.is_empty() {
            return;
        }
        if begun.elapsed() > AGES {
            return all.problems.extend(left);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Attempt processes, and every dbt: those without an attempt, such as a `parse` whose host was killed, end by themselves.
fn marked(house: &Path) -> Vec<String> {
    let marks = ["TIDEGATE_ATTEMPT_FOLDER=", "DBT_PROJECT_DIR="]
        .map(|name| [name.as_bytes(), house.as_os_str().as_bytes()].concat());
    let begins = |file: &Path, what: &[u8]| {
        let bytes = fs::read(file).unwrap_or_default();
        bytes.split(|b| *b == 0).any(|word| word.starts_with(what))
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes
        .filter(|proc| {
            marks.iter().any(|mark| begins(&proc.join("environ"), mark))
                || begins(&proc.join("cmdline"), house.as_os_str().as_bytes())
        })
        .map(|proc| format!("{} is left: {:?}", proc.display(), fs::read_to_string(proc.join("cmdline"))))
        .collect()
}

fn history(reader: &Reader) -> Vec<String> {
    let projects = SCRIPTED.into_iter().chain([REAL]);
    let mut all = Vec::new();
    for project in projects {
        for (id, last) in reader.last_materializations(project).unwrap() {
            all.push(format!("{id} {last:?}"));
            all.extend(
                reader
                    .materializations(project, &id, u32::MAX)
                    .unwrap()
                    .iter()
                    .map(|m| format!("{id} {m:?}")),
            );
        }
        for (id, status) in reader.statuses(project).unwrap() {
            all.push(format!("{id} {status:?}"));
            all.extend(
                reader.check_results(project, &id, u32::MAX).unwrap().iter().map(|c| format!("{id} {c:?}")),
            );
        }
    }
    all
}

/// No event is missing, and every row is what the events tell.
fn the_store_is_sound(all: &mut Loop) -> Vec<Run> {
    let reader = all.house.reader().unwrap();
    for hole in reader.holes().unwrap() {
        all.problems.push(format!("events {hole:?} are not there"));
    }
    for damage in reader.damage().unwrap() {
        all.problems.push(format!("the database is damaged: {damage}"));
    }
    let before = history(&reader);
    let filter = RunFilter { limit: u32::MAX, ..RunFilter::default() };
    let ids: Vec<_> = reader.runs(&filter).unwrap().iter().map(|summary| summary.run.id).collect();
    let runs: Vec<_> = ids.iter().map(|id| reader.run(*id).unwrap()).collect();
    let mut store = Store::open(&all.house.state_dir().join(FILE_NAME)).unwrap();
    for id in ids {
        if !store.rebuild(id).unwrap() {
            all.problems.push(format!("run {id} is not what its events tell"));
        }
    }
    for job in reader.automations().unwrap().keys() {
        if !store.rebuild_automation(job).unwrap() {
            all.problems.push(format!("what starts {job} is not what its events tell"));
        }
    }
    if !store.rebuild_audit().unwrap() {
        all.problems.push("the trail of who did what is not what the events tell".to_owned());
    }
    if !store.rebuild_alert("all").unwrap() {
        all.problems.push("what the alert knows is not what its events tell".to_owned());
    }
    if before != history(&reader) {
        all.problems.push("the history of assets and checks is not what the events tell".to_owned());
    }
    runs
}

/// With each start and each end of a run someone is told once, and what the host says has arrived has.
fn everything_is_told(all: &mut Loop, runs: &[Run]) {
    let reader = all.house.reader().unwrap();
    for run in runs.iter().filter(|run| run.id.0 > all.inherited) {
        let rows = reader.notifications_of(run.id).unwrap();
        let starts = rows.iter().filter(|row| row.kind == "run_started").count();
        let by_itself =
            |other: &&Run| other.request.resumes == Some(run.id) && other.request.launch.user == "tidegate";
        let expected = usize::from(!runs.iter().any(|other| by_itself(&other)));
        if starts != usize::from(run.started_at.is_some()) || rows.len() - starts != expected {
            all.problems.push(format!("of run {}, which {}, is told: {rows:?}", run.id, run.state));
        }
    }
    let file = fs::read_to_string(all.house.dir.join("told.jsonl")).unwrap_or_default();
    let lines = file.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let arrived: BTreeSet<_> = lines.map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    for delivery in reader.deliveries(u32::MAX).unwrap() {
        let id = delivery.notification.to_string();
        if delivery.state == "failed" || delivery.state == "delivered" && !arrived.contains(&id) {
            all.problems.push(format!("this has not arrived: {delivery:?}"));
        }
    }
}

/// What was accepted is there once, and everyone who asked with one key was told of one run.
fn requests_are_kept(all: &mut Loop, runs: &[Run]) {
    for (key, asked) in &all.load.all {
        let made: Vec<_> = runs.iter().filter(|run| run.request.key == *key).collect();
        let [run] = made[..] else {
            all.problems.push(format!(
                "request {key} made {} runs; it was told of {:?}",
                made.len(),
                asked.answers
            ));
            continue;
        };
        if asked.answers.iter().any(|told| *told != run.id.0) {
            all.problems
                .push(format!("request {key} made run {}, and was told of {:?}", run.id, asked.answers));
        }
        if (&run.request.job, &run.request.project) != (&asked.request.job, &asked.request.project) {
            all.problems.push(format!("{:?} made a run of {:?}", asked.request, run.request));
        }
    }
    for run in runs.iter().filter(|run| !all.load.all.contains_key(&run.request.key)) {
        let request = &run.request;
        // That these have their reasons is looked at elsewhere.
        if !["schedule", "after", "sensor", "resume"].contains(&request.launch.via.as_str()) {
            all.problems.push(format!("nobody has asked for run {}", run.id));
        }
    }
}

/// A run has ended as its attempts have, and each of them as its dbt has.
fn run_is_true(all: &mut Loop, run: &Run, ledger: &Ledger, told: &mut Told) {
    let mut problems = Vec::new();
    if !run.state.is_finished() {
        problems.push(format!("it is {}", run.state));
    }
    let expected = conclusion(run);
    if run.state != expected {
        problems.push(format!("it is {}, and its steps make it {expected}", run.state));
    }
    events_are_single(all, run, &mut problems, told);
    *told.vias.entry(run.request.launch.via.clone()).or_default() += 1;
    for attempt in attempts(run) {
        *told.states.entry(attempt.state.to_string()).or_default() += 1;
        if let Err(problem) = attempt_is_true(all, run, attempt, ledger, told) {
            problems.push(format!("attempt {}, {}: {problem}", attempt.id, attempt.state));
        }
    }
    told.real += u32::from(run.request.project == REAL);
    let job = run.request.job.as_deref().unwrap_or_default();
    all.problems.extend(problems.into_iter().map(|problem| format!("run {} of {job}: {problem}", run.id)));
}

/// How a run must end whose steps have ended so.
fn conclusion(run: &Run) -> RunState {
    // It waited for too long, or there was nothing left to do of what it resumes.
    let may_be_refused = run.request.limits.queue_timeout.is_some() || run.request.resumes.is_some();
    if run.state == RunState::Refused && may_be_refused && run.started_at.is_none() {
        return RunState::Refused;
    }
    let mut worst = RunState::Empty;
    for step in &run.steps {
        match step.state {
            RunState::Empty => {}
            RunState::Succeeded if worst == RunState::Empty => worst = RunState::Succeeded,
            RunState::Succeeded => {}
            RunState::Warned => worst = RunState::Warned,
            // It never began: someone has stopped the run before.
            RunState::Queued => return run.stopped().map_or(RunState::Queued, |(state, _)| state),
            other => return other,
        }
    }
    worst
}

/// What happens once is told once. Only what dbt said about a node's end in words for people may be told before its full
/// account, where dbt takes its time to give that.
fn events_are_single(all: &Loop, run: &Run, problems: &mut Vec<String>, told: &mut Told) {
    let reader = all.house.reader().unwrap();
    let mut seen: BTreeMap<String, Vec<EventKind>> = BTreeMap::new();
    for stored in reader.events(run.id, 0).unwrap() {
        let what = match &stored.event.kind {
            EventKind::NodeStarted { attempt, unique_id, .. } => format!("{attempt} {unique_id} started"),
            EventKind::NodeFinished { attempt, result } => format!("{attempt} {} finished", result.unique_id),
            EventKind::AttemptStarted { attempt, .. } => format!("{attempt} started"),
            EventKind::AttemptSpawned { attempt, .. } => format!("{attempt} spawned"),
            EventKind::AttemptFinished { attempt, .. } => format!("{attempt} finished"),
            EventKind::RetryDecided { attempt, .. } => format!("{attempt} decided about"),
            EventKind::RunRequested { .. } => "requested".to_owned(),
            EventKind::RunStarted { .. } => "started".to_owned(),
            EventKind::RunFinished { .. } => "finished".to_owned(),
            _ => continue,
        };
        seen.entry(what).or_default().push(stored.event.kind);
    }
    for (what, events) in seen.into_iter().filter(|(_, events)| events.len() > 1) {
        if is_told_in_words_first(&events) {
            told.in_words_first += 1;
        } else {
            problems.push(format!("{} events: {what}: {events:?}", events.len()));
        }
    }
}

/// Whether the second of two ends of a node only says more than the first.
fn is_told_in_words_first(events: &[EventKind]) -> bool {
    let [EventKind::NodeFinished { result: first, .. }, EventKind::NodeFinished { result: full, .. }] =
        events
    else {
        return false;
    };
    let mut more = first.clone();
    more.message = first.message.clone().or_else(|| full.message.clone());
    more.rows_affected = first.rows_affected.or(full.rows_affected);
    more.failures = first.failures.or(full.failures);
    first != full && more == *full
}

fn attempt_is_true(
    all: &Loop,
    run: &Run,
    attempt: &Attempt,
    ledger: &Ledger,
    told: &mut Told,
) -> Result<(), String> {
    let folder = attempt_folder(&all.house.state_dir(), attempt.id);
    let was_struck = all.killed.contains(&folder.0) || was_to_crash(all, attempt);
    let is_stopped = was_stopped(run, attempt);
    let exit = folder.exit();
    if exit.is_some() && attempt.exit.is_none() {
        return Err("its exit record is there, and was not read".to_owned());
    }
    if run.request.project == REAL {
        let fine = attempt.state == RunState::Succeeded
            || is_stopped
            || (attempt.state == RunState::Interrupted && (was_struck || host_died(all, attempt)));
        return if fine { Ok(()) } else { Err(format!("{:?}", attempt.reason)) };
    }
    let dbts = ledger.dbts_of(&attempt.id.to_string());
    if dbts.len() > 1 {
        return Err(format!("its dbt has run {} times", dbts.len()));
    }
    let dbt = dbts.first().copied();
    let stop = dbt.and_then(|dbt| dbt.stop.as_ref());
    logs::compare(&folder, dbt, exit.is_some() && stop.is_some())?;
    stop_was_heard(told_to_stop(all, run), attempt, dbt)?;
    let Some(exit) = exit else {
        told.unknown += 1;
        if dbt.is_none() && !was_struck {
            told.never_begun += 1;
            if !host_died(all, attempt) {
                return Err("it never began, and nobody has killed its host meanwhile".to_owned());
            }
        } else if !was_struck {
            return Err("there is no exit record, and nobody has killed its process".to_owned());
        }
        return if is_stopped || attempt.state == RunState::Interrupted {
            Ok(())
        } else {
            Err("nobody knows how it ended".to_owned())
        };
    };
    let leaked = exit.leaked && !ledger.has_helper(&attempt.id.to_string());
    if exit.lost_lines > 0 || leaked || exit.spawn_error.is_some() {
        return Err(format!("{exit:?}"));
    }
    let Some(stop) = stop else {
        // dbt was killed: by someone, or because it did not stop when it was told to.
        let fine = is_stopped || (attempt.state == RunState::Interrupted && was_struck);
        return if fine { Ok(()) } else { Err(format!("its dbt was killed: {exit:?}")) };
    };
    if exit.signal.is_some() {
        // It was killed between its last words and its end.
        let fine = is_stopped || (attempt.state == RunState::Interrupted && was_struck);
        return if fine { Ok(()) } else { Err(format!("{exit:?}")) };
    }
    if exit.code != Some(stop.code) {
        return Err(format!("dbt ended with code {}, and its record says {exit:?}", stop.code));
    }
    let ends_as_told = exit.cancelled && stop.code != 0;
    if !(ends_as_told && is_stopped) && attempt.state.as_str() != stop.expect {
        return Err(format!("dbt has made it {}; {:?}", stop.expect, attempt.reason));
    }
    if attempt.raw_lines != stop.raw {
        return Err(format!("{} lines were no events, and {} are on record", stop.raw, attempt.raw_lines));
    }
    let states: BTreeMap<_, _> =
        attempt.nodes.values().map(|node| (node.unique_id.clone(), node.state.to_string())).collect();
    if !is_stopped && !stop.results.is_empty() && states != stop.results {
        return Err(format!("its nodes are {states:?}, and dbt has said {:?}", stop.results));
    }
    let differs = |(id, state): &(&String, &String)| states.get(*id) != Some(*state);
    match stop.results.iter().find(differs) {
        Some((id, state)) => Err(format!("dbt has said that {id} is {state}; it is {:?}", states.get(id))),
        None => Ok(()),
    }
}

/// Whether an attempt has ended as one does whose run was told to stop, by someone or by the host. Whoever came later has
/// not changed that.
fn was_stopped(run: &Run, attempt: &Attempt) -> bool {
    (run.cancelled_by.is_some() && attempt.state == RunState::Cancelled)
        || run.stop.as_ref().is_some_and(|stop| attempt.state == stop.state)
}

/// Whether a host has died while nobody knew more of an attempt than that it was to be started. On a busy machine the loop
/// notices that after the next host has.
fn host_died(all: &Loop, attempt: &Attempt) -> bool {
    let noticed = SignedDuration::from_mins(1);
    let until = attempt.finished_at.map_or(Timestamp::MAX, |at| at + noticed);
    all.deaths.iter().any(|death| *death >= attempt.started_at && *death <= until)
}

/// Whether an attempt's own process was to end at a crash point.
fn was_to_crash(all: &Loop, attempt: &Attempt) -> bool {
    attempt.environment.iter().any(|name| name == crash::VARIABLE)
        && all.crashing.iter().any(|c| c.from <= attempt.started_at && attempt.started_at <= c.until)
}

/// When a run was told to stop, in seconds since the epoch.
fn told_to_stop(all: &Loop, run: &Run) -> Option<f64> {
    run.stopped()?;
    let events = all.house.reader().unwrap().events(run.id, 0).unwrap();
    let told = events.into_iter().find(|stored| {
        matches!(stored.event.kind, EventKind::CancelRequested { .. } | EventKind::StopRequested { .. })
    })?;
    Some(told.event.at.as_millisecond() as f64 / 1e3)
}

/// Whoever was told to stop long before its end has been signalled.
fn stop_was_heard(told_at: Option<f64>, attempt: &Attempt, dbt: Option<&Process>) -> Result<(), String> {
    let (Some(dbt), Some(told_at)) = (dbt, told_at) else { return Ok(()) };
    let Some(stop) = &dbt.stop else { return Ok(()) };
    let told_at = dbt.start.at.max(told_at);
    let asked = attempt.exit.as_ref().is_some_and(|exit| exit.cancelled);
    if !asked && !dbt.signalled && stop.at - told_at > HEARD_WITHIN && attempt.exit.is_some() {
        return Err("someone has asked to stop it, and nobody has told it".to_owned());
    }
    Ok(())
}
