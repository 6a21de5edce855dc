//! The build: plain `dbt build` beside `tidegate run build`, on a copy of the demo each.
//!
//! Owns the order of the runs and what belongs to dbt and what to us. Never measures a run in which anything happened
//! that the warm-up had left to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tidegate::process::AttemptFolder;

use crate::{
    bounds::{DBT_CPU, OUR_CPU, Verdict},
    demo,
    figures::{Figures, Unit},
    gauge::Weight,
    note,
    setting::Setting,
};

/// What plain dbt is asked. It is what the job `build` of the demo asks.
const PLAIN: [&str; 2] = ["build", "--no-partial-parse"];

/// One run of each side.
struct Pair {
    plain: Weight,
    ours: Weight,
    /// Seconds of CPU of dbt's own processes under Tidegate.
    dbt_cpu: f64,
}

impl Pair {
    fn our_cpu(&self) -> f64 {
        self.ours.cpu - self.dbt_cpu
    }
}

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    pairs: usize,
    /// Always true: a report is only made where no measured run called `dbt ls` or `dbt parse`.
    only_builds_measured: bool,
    plain_wall: Figures,
    tidegate_wall: Figures,
    /// Until the last process that `tidegate run build` left behind had ended.
    tidegate_wall_to_the_last: Figures,
    plain_cpu: Figures,
    tidegate_dbt_cpu: Figures,
    our_cpu: Figures,
    wall_ratio: Figures,
    dbt_cpu_ratio: Figures,
}

/// Measures `runs` pairs, alternating.
pub fn run(setting: &Setting, runs: u32) -> Result<Report> {
    let folder = setting.folder("build");
    let (plain, ours) = (folder.join("plain"), folder.join("tidegate"));
    demo::copy(&plain)?;
    demo::copy(&ours)?;

    note("build: one warm-up of each side");
    setting.dbt(&plain, &PLAIN)?;
    setting.tidegate(&ours, &["run", "build"])?;

    let prepared = prepared(&ours)?;
    let mut pairs = Vec::new();
    for number in 1..=runs {
        note(&format!("build: pair {number} of {runs}"));
        pairs.push(pair(setting, &plain, &ours)?);
    }
    if prepared != self::prepared(&ours)? {
        bail!("the warm-up did not cover all preparation: a measured run called `dbt ls` or `dbt parse`");
    }
    Ok(Report::of(&pairs))
}

fn pair(setting: &Setting, plain: &Path, ours: &Path) -> Result<Pair> {
    let plain = setting.dbt(plain, &PLAIN)?;
    let before = attempts(ours)?;
    let weight = setting.tidegate(ours, &["run", "build"])?;
    let fresh: Vec<_> = attempts(ours)?.difference(&before).cloned().collect();
    let [attempt] = &fresh[..] else {
        bail!("one run of the job `build` is one attempt, and this one made {}", fresh.len());
    };
    let attempt = AttemptFolder(attempt.clone());
    let arguments = attempt.spec().context("the attempt did not keep what was asked of it")?.args;
    if arguments != PLAIN {
        bail!(
            "the demo's job `build` calls `dbt {}`, and plain dbt is asked `dbt {}`",
            arguments.join(" "),
            PLAIN.join(" ")
        );
    }
    let exit = attempt.exit().context("the attempt did not record how dbt ended")?;
    let dbt = attempt.processes().dbt.context("the attempt did not record which process dbt is")?;
    Ok(Pair { dbt_cpu: exit.cpu_seconds + left_behind(&weight, dbt.pid), plain, ours: weight })
}

/// Seconds of CPU of the processes that dbt left behind. dbt has one that ends a moment after it (Python's multiprocessing
/// starts it), which the attempt therefore never sees; it is in dbt's process group.
fn left_behind(weight: &Weight, group: i32) -> f64 {
    weight.orphans.iter().filter(|orphan| orphan.group == group).map(|orphan| orphan.cpu).sum()
}

/// The folders of all attempts.
fn attempts(project: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let runs = project.join(".tidegate/runs");
    for run in fs::read_dir(&runs).with_context(|| format!("{} should hold the runs", runs.display()))? {
        for attempt in fs::read_dir(run?.path())? {
            let attempt = attempt?;
            if attempt.file_type()?.is_dir() {
                found.insert(attempt.path());
            }
        }
    }
    Ok(found)
}

/// What preparation has left: any `dbt ls` or `dbt parse` since then would change it. A plan is taken over from the log of
/// its `ls` by the first run that finds it there, and no sign of another `ls`.
fn prepared(project: &Path) -> Result<BTreeMap<PathBuf, SystemTime>> {
    let folder = project.join(".tidegate/projects");
    let mut files = ages(&folder).with_context(|| format!("could not look through {}", folder.display()))?;
    files.retain(|file, _| !file.ends_with("plan.json"));
    if files.is_empty() {
        bail!("the warm-up prepared nothing in {}", folder.display());
    }
    Ok(files)
}

/// The files below a folder and when each was last written.
fn ages(folder: &Path) -> io::Result<BTreeMap<PathBuf, SystemTime>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(ages(&entry.path())?);
        } else {
            found.insert(entry.path(), entry.metadata()?.modified()?);
        }
    }
    Ok(found)
}

impl Report {
    fn of(pairs: &[Pair]) -> Self {
        let figures = |each: fn(&Pair) -> f64| Figures::of(pairs.iter().map(each));
        Self {
            pairs: pairs.len(),
            only_builds_measured: true,
            plain_wall: figures(|pair| pair.plain.wall),
            tidegate_wall: figures(|pair| pair.ours.wall),
            tidegate_wall_to_the_last: figures(|pair| pair.ours.wall_to_the_last),
            plain_cpu: figures(|pair| pair.plain.cpu),
            tidegate_dbt_cpu: figures(|pair| pair.dbt_cpu),
            our_cpu: figures(Pair::our_cpu),
            wall_ratio: figures(|pair| pair.ours.wall / pair.plain.wall),
            dbt_cpu_ratio: figures(|pair| pair.dbt_cpu / pair.plain.cpu),
        }
    }

    /// The figures that have bounds, held against them.
    pub fn verdicts(&self) -> [Verdict; 2] {
        [DBT_CPU.judge(self.dbt_cpu_ratio.median), OUR_CPU.judge(self.our_cpu.median)]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |figures: &Figures| figures.shown(Unit::Seconds);
        let ratio = |figures: &Figures| figures.shown(Unit::Times);
        writeln!(
            f,
            "build: `dbt {}` beside `tidegate run build` on the demo; {} pairs, alternating, after one warm-up each",
            PLAIN.join(" "),
            self.pairs
        )?;
        writeln!(
            f,
            "`dbt ls`, which plans a step once for each manifest, ran in the warm-up; no measured run called it"
        )?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, cells: [&str; 3]| {
            writeln!(f, "{:<14}{:<26}{:<26}{}", name, cells[0], cells[1], cells[2])
        };
        writeln!(f, "median (least–most)")?;
        row(f, "", ["plain dbt", "tidegate", "ratio, pair by pair"])?;
        let (plain, ours) = (seconds(&self.plain_wall), seconds(&self.tidegate_wall));
        row(f, "wall", [&plain, &ours, &ratio(&self.wall_ratio)])?;
        let (plain, ours) = (seconds(&self.plain_cpu), seconds(&self.tidegate_dbt_cpu));
        row(f, "dbt's CPU", [&plain, &ours, &ratio(&self.dbt_cpu_ratio)])?;
        row(f, "our CPU", ["", &self.our_cpu.shown(Unit::Milliseconds), ""])?;
        let last = seconds(&self.tidegate_wall_to_the_last);
        write!(f, "until the last process that Tidegate left behind had ended: {last}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gauge::Orphan;

    fn weight(wall: f64, cpu: f64) -> Weight {
        Weight { wall, wall_to_the_last: wall + 0.1, cpu, peak: 1, code: Some(0), orphans: Vec::new() }
    }

    #[test]
    fn what_dbt_leaves_behind_is_dbts() {
        let orphan = |group, cpu| Orphan { group, cpu };
        let mut weight = weight(1.0, 1.0);
        weight.orphans = vec![orphan(7, 0.25), orphan(8, 2.0), orphan(7, 0.5)];
        assert_eq!(left_behind(&weight, 7), 0.75);
    }

    #[test]
    fn what_is_not_dbts_is_ours_and_ratios_go_pair_by_pair() {
        let pairs = [
            Pair { plain: weight(4.0, 3.0), ours: weight(4.0, 3.03), dbt_cpu: 3.0 },
            Pair { plain: weight(8.0, 6.0), ours: weight(8.4, 6.16), dbt_cpu: 6.12 },
            Pair { plain: weight(4.0, 3.0), ours: weight(4.4, 3.34), dbt_cpu: 3.3 },
        ];
        let report = Report::of(&pairs);
        assert!((report.our_cpu.median - 0.04).abs() < 1e-9);
        assert!((report.dbt_cpu_ratio.median - 1.02).abs() < 1e-9);
        assert!((report.wall_ratio.median - 1.05).abs() < 1e-9);
        assert!(report.verdicts().iter().all(|verdict| verdict.met));
        assert!(report.to_string().contains("our CPU"));
    }
}
