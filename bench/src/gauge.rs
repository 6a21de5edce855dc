//! Weighing a program: its time, its CPU and its memory, with every process that it starts.
//!
//! Owns a process of its own for each program. Whatever the program leaves behind becomes the gauge's child, even from
//! another session, and is waited for: nothing escapes. Never shares a process with a second program, because the system
//! only adds up what ended children used.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use nix::{
    errno::Errno,
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeVal,
        wait::{WaitStatus, waitpid},
    },
    unistd::{Pid, getpgid},
};
use serde::{Deserialize, Serialize};

/// How much of a failed program's output is shown, in bytes.
const SHOWN: usize = 2000;

/// The gauge's own command line.
#[derive(clap::Args)]
pub struct Gauge {
    /// Where the program's output goes.
    output: PathBuf,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

/// What a program and all that it started have used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Weight {
    /// Seconds until the program itself ended.
    pub wall: f64,
    /// Seconds until everything that it started had ended.
    pub wall_to_the_last: f64,
    /// Seconds of CPU, of all processes.
    pub cpu: f64,
    /// Bytes of memory that the largest process had at its peak.
    pub peak: u64,
    /// The program's exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The processes that outlived their parents, with what they themselves waited for.
    pub orphans: Vec<Orphan>,
}

/// A process that outlived its parent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Orphan {
    /// Its process group.
    pub group: i32,
    /// Seconds of CPU.
    pub cpu: f64,
}

/// Runs a program in a gauge and fails where the program does. `prepare` sets the folder and the environment.
pub fn weigh(program: &[OsString], output: &Path, prepare: impl FnOnce(&mut Command)) -> Result<Weight> {
    let mut gauge = crate::this_program()?;
    prepare(&mut gauge);
    gauge.arg("gauge").arg(output).arg("--").args(program).stdin(Stdio::null()).stderr(Stdio::inherit());
    let said = gauge.output().context("could not start the gauge")?;
    if !said.status.success() {
        bail!("the gauge failed ({})", said.status);
    }
    let weight: Weight =
        serde_json::from_slice(&said.stdout).context("the gauge did not say what it weighed")?;
    if weight.code != Some(0) {
        let words: Vec<_> = program.iter().map(|word| word.to_string_lossy()).collect();
        let ended = weight.code.map_or("by a signal".to_owned(), |code| format!("with exit code {code}"));
        bail!("`{}` ended {ended}:\n{}", words.join(" "), end_of(output));
    }
    Ok(weight)
}

impl Gauge {
    /// Runs the program, waits for the last of its processes, and prints the weight.
    pub fn run(self) -> Result<()> {
        adopt_orphans()?;
        let Some((name, arguments)) = self.program.split_first() else { bail!("there is nothing to weigh") };
        let output = File::create(&self.output)
            .with_context(|| format!("could not write {}", self.output.display()))?;
        let begun = Instant::now();
        #[allow(clippy::zombie_processes, reason = "it is waited for below, with all others")]
        let child = Command::new(name)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("could not start `{}`", name.display()))?;
        let child = i32::try_from(child.id())?;

        let (mut wall, mut code, mut orphans) = (0.0, None, Vec::new());
        loop {
            let pid = match next_ended() {
                Ok(Some(pid)) => pid,
                Ok(None) | Err(Errno::EINTR) => continue,
                Err(Errno::ECHILD) => break,
                Err(error) => return Err(error.into()),
            };
            // Its group is known for only as long as nobody has waited for it.
            let group = getpgid(Some(pid))?.as_raw();
            let before = cpu(UsageWho::RUSAGE_CHILDREN)?;
            let status = waitpid(pid, None)?;
            if pid.as_raw() == child {
                wall = begun.elapsed().as_secs_f64();
                if let WaitStatus::Exited(_, exit) = status {
                    code = Some(exit);
                }
            } else {
                orphans.push(Orphan { group, cpu: cpu(UsageWho::RUSAGE_CHILDREN)? - before });
            }
        }
        let wall_to_the_last = begun.elapsed().as_secs_f64();
        let cpu = cpu(UsageWho::RUSAGE_CHILDREN)?;
        let peak = u64::try_from(getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss())? * 1024;
        let weight = Weight { wall, wall_to_the_last, cpu, peak, code, orphans };
        println!("{}", serde_json::to_string(&weight)?);
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn adopt_orphans() -> Result<()> {
    nix::sys::prctl::set_child_subreaper(true).context("could not become the parent of orphans")
}

/// Waits until any child has ended, and leaves it to be waited for by its id.
#[cfg(target_os = "linux")]
fn next_ended() -> nix::Result<Option<Pid>> {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).map(|status| status.pid())
}

#[cfg(not(target_os = "linux"))]
fn next_ended() -> nix::Result<Option<Pid>> {
    Err(Errno::ECHILD)
}

#[cfg(not(target_os = "linux"))]
fn adopt_orphans() -> Result<()> {
    bail!("the benchmarks need Linux: elsewhere, processes that outlive their parent cannot be weighed")
}

/// Seconds of CPU that this process, or all its ended children, have used.
pub fn cpu(of: UsageWho) -> Result<f64> {
    let used = getrusage(of)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(used.user_time()) + seconds(used.system_time()))
}

/// The end of what a program said.
fn end_of(output: &Path) -> String {
    let text = fs::read(output).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(SHOWN)..]).trim().to_owned()
}
