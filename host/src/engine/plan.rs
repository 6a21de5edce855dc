//! What a step will select, as dbt itself says it: `dbt ls`, once per manifest digest and arguments, kept on disk.
//!
//! The `ls` runs under an attempt process of its own, so that its answer is there next time even if this host has ended
//! meanwhile.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;

use crate::{
    dbt::{Observation, Observer},
    model::{AttemptId, EventKind, RunId},
    process::{self, AttemptFolder, AttemptSpec, LogFile, end_orphans, is_alive},
};

/// Longer than any `ls`.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where the plan of a call of dbt is, or will be.
pub(super) fn folder_of(plans: &Path, digest: &str, call: &[String], types: &[&str]) -> PathBuf {
    // One `ls` serves commands that take different types of what it lists: each has its own plan.
    let key = blake3::hash(serde_json::json!([call, types]).to_string().as_bytes()).to_hex();
    plans.join(&digest[..digest.len().min(16)]).join(&key[..16])
}

/// A plan that is there.
pub(super) fn known(folder: &Path, types: &[&str]) -> Option<Vec<String>> {
    if let Some(nodes) =
        fs::read(folder.join("plan.json")).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
    {
        return Some(nodes);
    }
    harvest(&AttemptFolder(folder.to_owned()), types)
}

/// Asks dbt, and waits for the answer. None where it has none.
pub(super) fn resolve(
    program: &Path,
    folder: &Path,
    spec: &AttemptSpec,
    environment: &std::collections::BTreeMap<String, String>,
    types: &[&str],
) -> Option<Vec<String>> {
    let attempt = AttemptFolder(folder.to_owned());
    // A run and whoever looks ahead of one may want the same plan: the later one finds what the first has got.
    let _turn = Turn::take(folder);
    if let Some(nodes) = known(folder, types) {
        return Some(nodes);
    }
    // Only the plans of the project as it is now are of use; an `ls` that is under way is nobody's orphan.
    if let (Some(current), Some(all)) = (folder.parent(), folder.parent().and_then(Path::parent)) {
        for entry in fs::read_dir(all).into_iter().flatten().flatten().filter(|entry| entry.path() != current)
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let mut identity = attempt.processes().attempt.filter(is_alive);
    if identity.is_none() {
        end_orphans(&attempt);
        let _ = fs::remove_dir_all(folder);
        identity = Some(process::spawn(program, &attempt, spec, environment).ok()?);
    }
    let begun = Instant::now();
    while attempt.exit().is_none() && begun.elapsed() < PATIENCE {
        if !identity.as_ref().is_some_and(is_alive) && attempt.exit().is_none() {
            end_orphans(&attempt);
            return None;
        }
        thread::sleep(Duration::from_millis(50));
    }
    harvest(&attempt, types)
}

/// The plans that are being resolved in this process, and word of each end.
static RESOLVING: (Mutex<BTreeSet<PathBuf>>, Condvar) = (Mutex::new(BTreeSet::new()), Condvar::new());

/// The right to resolve a plan, which one has at a time.
struct Turn(PathBuf);

impl Turn {
    fn take(folder: &Path) -> Self {
        let (resolving, ended) = &RESOLVING;
        let resolving = resolving.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = |resolving: &mut BTreeSet<PathBuf>| resolving.contains(folder);
        let mut resolving = ended.wait_while(resolving, taken).unwrap_or_else(PoisonError::into_inner);
        resolving.insert(folder.to_owned());
        Self(folder.to_owned())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (resolving, ended) = &RESOLVING;
        resolving.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        ended.notify_all();
    }
}

#[derive(Deserialize)]
struct Line {
    info: Info,
    data: Data,
}

#[derive(Deserialize)]
struct Info {
    name: String,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    msg: String,
}

#[derive(Deserialize)]
struct Node {
    unique_id: String,
    resource_type: String,
    #[serde(default)]
    config: Config,
}

#[derive(Deserialize, Default)]
struct Config {
    #[serde(default)]
    materialized: Option<String>,
}

/// Reads the answer of an `ls` that has ended well, and keeps it in a form that is quick to read.
fn harvest(folder: &AttemptFolder, types: &[&str]) -> Option<Vec<String>> {
    use std::io::BufRead;
    if folder.exit()?.code != Some(0) {
        return None;
    }
    let mut nodes = Vec::new();
    for line in LogFile::open(folder).ok()??.split(b'\n') {
        // Each node is JSON inside the message of an event, which is JSON itself.
        let Ok(line) = serde_json::from_slice::<Line>(&line.ok()?) else { continue };
        if line.info.name != "PrintEvent" && line.info.name != "ListCmdOut" {
            continue;
        }
        let Ok(node) = serde_json::from_str::<Node>(&line.data.msg) else { continue };
        let ephemeral = node.config.materialized.as_deref() == Some("ephemeral");
        if types.contains(&node.resource_type.as_str()) && !ephemeral {
            nodes.push(node.unique_id);
        }
    }
    nodes.sort();
    let kept = serde_json::to_vec(&nodes).ok()?;
    let _ = fs::write(folder.0.join("plan.json"), kept);
    Some(nodes)
}

/// Why an `ls` that has ended has no answer: dbt's own words.
pub(super) fn failure(folder: &Path) -> String {
    use std::io::BufRead;
    let nobody = AttemptId { run: RunId(0), step: 0, attempt: 0 };
    let mut observer = Observer::new(nobody);
    let mut failure = None;
    if let Ok(Some(log)) = LogFile::open(&AttemptFolder(folder.to_owned())) {
        for line in log.split(b'\n').map_while(Result::ok) {
            if let Observation::Event(EventKind::DbtFailed { message, .. }) = observer.line(&line) {
                failure.get_or_insert(message);
            }
        }
    }
    failure.unwrap_or_else(|| observer.raw_tail()).trim().to_owned()
}
