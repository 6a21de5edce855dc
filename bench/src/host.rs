//! A host with many schedules, to be measured from outside: its configuration, its process, and what that uses.
//!
//! Owns the folder of such a host. Its project comes with a manifest that never ends, a pipe into which nobody writes: the
//! first run whose turn comes waits for it for as long as it is wanted, and all others wait for the database that this run
//! holds. So thousands of requests wait in a real queue, and no dbt is started.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    time::{clock_getcpuclockid, clock_gettime},
    unistd::{Pid, mkfifo},
};
use serde::Serialize;
use tidegate::{
    config::Config,
    engine::{Client, Status, request},
    model::{Launch, RunRequest},
};

use crate::setting::Setting;

/// How many jobs there are, each with a schedule.
pub const JOBS: usize = 1000;
/// How many requests wait.
pub const QUEUED: usize = 10_000;
/// How many locks the jobs share, beside that of the database.
const LOCKS: usize = 100;
/// How many clients ask side by side.
const CLIENTS: usize = 8;
/// How long a host may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of a host.
pub struct Site {
    folder: PathBuf,
    config: Arc<Config>,
}

/// A host that serves. It is killed when this is dropped.
pub struct Host {
    process: Child,
    state_dir: PathBuf,
    log: PathBuf,
}

/// What a process uses, as the system sees it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Memory {
    /// Bytes in memory, shared files included.
    pub rss: u64,
    /// Bytes in memory, what is shared divided by those who share it.
    pub pss: u64,
    /// The most that it ever was, as `rss`.
    pub peak: u64,
}

impl Site {
    /// Makes a fresh folder in place of what is there. Job `n` has the schedule `schedule(n)`.
    pub fn new(folder: PathBuf, schedule: impl Fn(usize) -> String) -> Result<Self> {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("could not remove {}", folder.display()));
            }
            _ => {}
        }
        let make = || {
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("dbt_project.yml"), "name: shop\nprofile: shop\n")?;
            let profile =
                "shop:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n      path: shop.duckdb\n";
            fs::write(folder.join("profiles.yml"), profile)?;
            // It has to be there, and is never called.
            fs::write(folder.join("dbt"), "#!/bin/sh\nexit 1\n")?;
            fs::set_permissions(folder.join("dbt"), fs::Permissions::from_mode(0o755))?;
            fs::write(folder.join("tidegate.toml"), configuration(&schedule))?;
            mkfifo(&folder.join("manifest.json"), Mode::S_IRUSR | Mode::S_IWUSR).map_err(io::Error::from)
        };
        make().with_context(|| format!("could not make {}", folder.display()))?;
        let config = Config::load(&folder.join("tidegate.toml"), None)
            .context("the configuration of the benchmark is refused")?;
        Ok(Self { folder, config: Arc::new(config) })
    }

    /// Starts a host and waits until it answers.
    pub fn serve(&self, setting: &Setting) -> Result<Host> {
        let log = self.folder.join("serve.log");
        let mut command =
            setting.command(&self.folder, &["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("could not start `tidegate serve`")?;
        let mut host = Host { process, state_dir: self.config.state_dir.clone(), log };
        let begun = Instant::now();
        while host.status().is_none() {
            if begun.elapsed() > PATIENCE || host.process.try_wait()?.is_some() {
                bail!("`tidegate serve` does not answer; {} says why", host.log.display());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(host)
    }

    /// Asks for a run of one job after the other, and says how many seconds that took, until the last was accepted.
    pub fn ask(&self, host: &Host, round: usize, requests: usize) -> Result<f64> {
        let begun = Instant::now();
        thread::scope(|scope| {
            let ask = |client: usize| {
                (client..requests).step_by(CLIENTS).try_for_each(|number| {
                    let connection =
                        Client::connect(&host.state_dir).context("the host cannot be reached")?;

                    connection.leave_request(self.request(round, number)?)?;
                    Ok(())
                })
            };
            let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || ask(client))).collect();
            clients.into_iter().try_for_each(|client| match client.join() {
                Ok(result) => result,
                Err(_) => bail!("a client panicked"),
            })
        })?;
        Ok(begun.elapsed().as_secs_f64())
    }

    /// A request as a client makes it.
    pub fn request(&self, round: usize, number: usize) -> Result<RunRequest> {
        let job = self.config.jobs.get(&job_name(number % JOBS)).context("the job is gone")?;
        let launch = Launch {
            user: "bench".to_owned(),
            via: "cli".to_owned(),
            command: vec!["tidegate".to_owned(), "run".to_owned(), job.name.clone()],
            reason: None,
        };
        let key = format!("bench-{round}-{number}");
        request::of_job(&self.config, job, launch, key).context("the project is gone")
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The state directory.
    pub fn state_dir(&self) -> &Path {
        &self.config.state_dir
    }

    /// Ends the manifest that never ended, as an empty file, and takes it away: each run is refused when its turn comes.
    pub fn let_go(&self) -> Result<()> {
        let pipe = self.folder.join("manifest.json");
        let end = File::options().write(true).open(&pipe)?;
        fs::remove_file(&pipe)?;
        drop(end);
        Ok(())
    }
}

impl Host {
    /// How it is; none where it does not answer.
    pub fn status(&self) -> Option<Status> {
        Client::connect(&self.state_dir).ok()?.status().ok()
    }

    /// Waits until its queue holds so many runs at least.
    pub fn waits_with(&self, queued: usize) -> Result<()> {
        match self.status() {
            Some(status) if status.queued >= queued as u64 => Ok(()),
            Some(status) => bail!("{} runs wait, and {queued} should", status.queued),
            None => bail!("the host does not answer any more; {} says why", self.log.display()),
        }
    }

    /// Seconds of CPU that it has used so far, to the nanosecond, threads that have ended included.
    pub fn cpu(&self) -> Result<f64> {
        let time = clock_gettime(clock_getcpuclockid(self.pid()?)?)?;
        Ok(Duration::from(time).as_secs_f64())
    }

    /// How much memory it has.
    pub fn memory(&self) -> Result<Memory> {
        let read = |file: &str, field: &str| -> Result<u64> {
            let text = fs::read_to_string(format!("/proc/{}/{file}", self.process.id()))?;
            let line = text.lines().find_map(|line| line.strip_prefix(field));
            let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            Ok(kibibytes.with_context(|| format!("this system does not tell {field}"))? * 1024)
        };
        Ok(Memory {
            rss: read("status", "VmRSS:")?,
            pss: read("smaps_rollup", "Pss:")?,
            peak: read("status", "VmHWM:")?,
        })
    }

    /// What it has logged.
    pub fn log(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("could not read {}", self.log.display()))
    }

    /// Stops it as a service manager does.
    pub fn stop(mut self) -> Result<()> {
        kill(self.pid()?, Signal::SIGTERM)?;
        let begun = Instant::now();
        while self.process.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                bail!("`tidegate serve` does not stop");
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.process.id())?))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn job_name(number: usize) -> String {
    format!("job_{number:04}")
}

fn configuration(schedule: &dyn Fn(usize) -> String) -> String {
    let mut text = "[projects.shop]\ndbt = \"./dbt\"\nmanifest = \"manifest.json\"\n\n[locks]\n".to_owned();
    for lock in 0..LOCKS {
        let _ = writeln!(text, "lock_{lock:02} = 1");
    }
    for number in 0..JOBS {
        let (name, schedule, lock) = (job_name(number), schedule(number), number % LOCKS);
        let _ = writeln!(
            text,
            "\n[jobs.{name}]\nschedule = \"{schedule}\"\nlocks = [\"lock_{lock:02}\"]\n\
             steps = [\"dbt build --select tag:{name}\"]"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_sound_and_every_job_has_a_schedule() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::new(folder.path().join("site"), |n| format!("{} * * * *", n % 60)).unwrap();
        assert_eq!(site.config.jobs.len(), JOBS);
        assert!(site.config.jobs.values().all(|job| job.automated.schedule.is_some()));
        let request = site.request(1, JOBS + 7).unwrap();
        assert_eq!(request.job.as_deref(), Some("job_0007"));
        assert_eq!(request.limits.locks, ["lock_07"]);
    }
}
