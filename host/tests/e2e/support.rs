//! A dbt project in a folder of its own, and the binary to run on it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

/// The folder of dbt's executables.
pub fn dbt_bin() -> PathBuf {
    let named = std::env::var_os("TIDEGATE_TEST_DBT");
    PathBuf::from(
        named.expect(
            "set TIDEGATE_TEST_DBT to the folder of a dbt with dbt-duckdb, or run `cargo xtask test`",
        ),
    )
}

/// A project, and what the binary says about it.
pub struct Sandbox {
    pub dir: TempDir,
    pub path: String,
}

/// What a command said.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Asserts the exit code, showing everything where it is another.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Asserts that standard error has a text.
    #[track_caller]
    pub fn err_has(self, text: &str) -> Self {
        assert!(self.err.contains(text), "`{text}` is not in stderr:\n{}", self.err);
        self
    }

    /// Asserts that standard output has a text.
    #[track_caller]
    pub fn out_has(self, text: &str) -> Self {
        assert!(self.out.contains(text), "`{text}` is not in stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}:\n{}\n{}", self.out, self.err))
    }
}

impl Sandbox {
    fn new() -> Self {
        let path = format!("{}:{}", dbt_bin().display(), std::env::var("PATH").unwrap());
        Self { dir: TempDir::new().unwrap(), path }
    }

    /// A copy of the demo project.
    pub fn demo() -> Self {
        let sandbox = Self::new();
        copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../dbt_project")), sandbox.dir.path());
        sandbox
    }

    /// A project of a few models, by name and SQL, with an operation `noop` that takes dbt the least time, and a job `build`.
    pub fn models(models: &[(&str, &str)]) -> Self {
        let sandbox = Self::new();
        sandbox.write("dbt_project.yml", "name: tiny\nversion: '1.0'\nprofile: tiny\n");
        sandbox.write(
            "profiles.yml",
            "tiny: {target: dev, outputs: {dev: {type: duckdb, path: tiny.duckdb, threads: 2}}}\n",
        );
        sandbox.write("macros/noop.sql", "{% macro noop() %}{% endmacro %}");
        for (name, sql) in models {
            sandbox.write(&format!("models/{name}.sql"), sql);
        }
        sandbox.write("tidegate.toml", "[projects.tiny]\n\n[jobs.build]\nsteps = [\"dbt build\"]\n");
        sandbox
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let file = self.file(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Writes a model that keeps its dbt busy until `release`: what has to happen meanwhile can take its time, and so can
    /// dbt. It does not hear that it is cancelled; for that there is `ENDLESS`.
    pub fn hold(&self, model: &str) {
        let released = self.released();
        let _ = fs::remove_file(&released);
        let python = format!(
            "import os, time\n\n\ndef model(dbt, session):\n    while not os.path.exists({released:?}):\n        \
             time.sleep(0.05)\n    return session.sql('select 1 as n')\n"
        );
        self.write(model, &python);
    }

    /// Lets the models end that are held.
    pub fn release(&self) {
        fs::write(self.released(), "").unwrap();
    }

    fn released(&self) -> PathBuf {
        self.file("released")
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    pub fn append(&self, name: &str, text: &str) {
        self.write(name, &(self.read(name) + text));
    }

    pub fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_tidegate")), args)
    }

    /// The same with another binary.
    pub fn command_of(&self, binary: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("PATH", &self.path)
            .env("TZ", "UTC")
            // Many hosts are there at a time, each with a port of its own.
            .env("TIDEGATE_LISTEN", "127.0.0.1:0")
            .env_remove("TIDEGATE_STATE_DIR")
            .env_remove("TIDEGATE_CONFIG")
            .env_remove("NOTIFY_SOCKET")
            // Tests run side by side.
            .env("TIDEGATE_LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().unwrap())
    }

    /// Starts a command and goes on.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What a started command has said in the end.
    pub fn end(&self, child: Child) -> Said {
        Said::of(child.wait_with_output().unwrap())
    }

    /// Starts a service, and waits until it answers.
    pub fn serve(&self, args: &[&str]) -> Service {
        self.serve_by(self.command(&[&["serve"], args].concat()))
    }

    /// The same by a command of one's own, which has to become the service itself.
    pub fn serve_by(&self, command: Command) -> Service {
        let mut service = Self::logged(command, self.new_log());
        self.wait_for("the service", || {
            assert_eq!(service.poll(), None, "the service has ended:\n{}", service.log());
            self.status().is_some_and(|status| status["pid"] == service.pid())
        });
        service
    }

    /// Starts a client, and goes on: what it says can be heard while it is there.
    pub fn client(&self, args: &[&str]) -> Service {
        Self::logged(self.command(args), self.new_log())
    }

    fn new_log(&self) -> PathBuf {
        self.file(&format!("said-{}.log", Timestamp::now().as_nanosecond()))
    }

    fn logged(mut command: Command, log: PathBuf) -> Service {
        let file = fs::File::create(&log).unwrap();
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Service { child, log, ended: None }
    }

    /// The runs that are under way, as the host knows them.
    pub fn running(&self) -> Vec<u64> {
        let status = self.status().unwrap_or_default();
        let runs = status["running"].as_array().into_iter().flatten();
        let mut runs: Vec<_> = runs.map(|run| run["run"].as_u64().unwrap()).collect();
        runs.sort_unstable();
        runs
    }

    /// What the host says of itself; nothing where there is none.
    pub fn status(&self) -> Option<Value> {
        let said = self.run(&["status", "--json"]);
        (said.code == Some(0)).then(|| said.json())
    }

    /// All runs, the oldest first.
    pub fn runs(&self) -> Vec<Value> {
        let said = self.run(&["runs", "--json", "-n", "1000"]);
        // Before the first host there is no database.
        let mut runs =
            if said.code == Some(0) { said.json().as_array().unwrap().clone() } else { Vec::new() };
        runs.reverse();
        runs
    }

    /// The runs of a job, the oldest first.
    pub fn runs_of(&self, job: &str) -> Vec<Value> {
        self.runs().into_iter().filter(|run| run["job"] == job).collect()
    }

    /// Waits until a run has a state.
    #[track_caller]
    pub fn wait_for_run(&self, run: u64, state: &str) {
        self.wait_for(&format!("run {run} {state}"), || {
            self.runs().iter().any(|r| r["id"] == run && r["state"] == state)
        });
    }

    /// Waits until a job has so many runs that have ended.
    #[track_caller]
    pub fn wait_for_ends(&self, job: &str, count: usize) -> Vec<Value> {
        self.wait_for(&format!("{count} ends of {job}"), || {
            self.runs_of(job).iter().filter(|run| !run["finished_at"].is_null()).count() >= count
        });
        self.runs_of(job)
    }

    /// A process of an attempt: `attempt` or `dbt`.
    pub fn process(&self, attempt: &str, which: &str) -> u32 {
        let processes = self.read(&format!(".tidegate/runs/{attempt}/processes.json"));
        let processes: Value = serde_json::from_str(&processes).unwrap();
        u32::try_from(processes[which]["pid"].as_u64().unwrap()).unwrap()
    }

    /// Waits until it is known what the first attempt of a run is to do: without that, all of it is done again.
    #[track_caller]
    pub fn wait_for_plan(&self, run: u64) {
        self.wait_for("the plan", || !self.show(run)["steps"][0]["attempts"][0]["planned"].is_null());
    }

    /// The nodes that an attempt began, or knew of before it was stopped.
    pub fn nodes(&self, run: u64) -> Vec<String> {
        self.states(run).into_keys().collect()
    }

    /// A run as `runs show --json` tells it.
    pub fn show(&self, run: u64) -> Value {
        self.run(&["runs", "show", &run.to_string(), "--json"]).code(0).json()
    }

    /// The states of a run's nodes, over all of its attempts.
    pub fn states(&self, run: u64) -> std::collections::BTreeMap<String, String> {
        let attempts = self.show(run)["nodes"].as_array().unwrap().clone();
        let nodes = attempts.iter().flat_map(|a| a["nodes"].as_array().unwrap().clone());
        nodes.map(|n| (text(&n["unique_id"]), text(&n["state"]))).collect()
    }

    /// The statuses of dbt's own results of an attempt.
    pub fn results(&self, attempt: &str, artifact: &str) -> std::collections::BTreeMap<String, String> {
        let file = format!(".tidegate/runs/{attempt}/target/{artifact}");
        let results: Value = serde_json::from_str(&self.read(&file)).unwrap();
        let rows = results["results"].as_array().unwrap().clone();
        rows.iter().map(|r| (text(&r["unique_id"]), text(&r["status"]))).collect()
    }

    /// Waits until something holds.
    #[track_caller]
    pub fn wait_for(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < WAIT, "waited in vain for: {what}");
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until a node of a run has a state.
    #[track_caller]
    pub fn wait_for_node(&self, run: u64, node: &str, state: &str) {
        let id = run.to_string();
        self.wait_for(&format!("{node} {state}"), || {
            let said = self.run(&["runs", "show", &id, "--json"]);
            if said.code != Some(0) {
                return false;
            }
            let attempts = said.json()["nodes"].as_array().unwrap().clone();
            attempts
                .iter()
                .flat_map(|a| a["nodes"].as_array().unwrap().clone())
                .any(|n| text(&n["unique_id"]) == node && text(&n["state"]) == state)
        });
    }
}

/// What a test leaves running is ended, and the test has failed.
impl Drop for Sandbox {
    fn drop(&mut self) {
        let begun = Instant::now();
        let left = loop {
            let left = processes_of(self.dir.path());
            // What finds out a plan may end a little later than the run that it was for.
            if left.is_empty() || begun.elapsed() > WAIT || std::thread::panicking() {
                break left;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        for (pid, command) in &left {
            eprintln!("left behind: {pid} {command}");
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
        assert!(left.is_empty() || std::thread::panicking(), "processes were left behind");
    }
}

/// The processes that were started in a folder, or for it.
fn processes_of(folder: &Path) -> Vec<(u32, String)> {
    let own = folder.to_str().unwrap().as_bytes();
    let has = |bytes: &[u8]| bytes.windows(own.len()).any(|window| window == own);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != std::process::id())
        .filter_map(|pid| {
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let command = read("cmdline");
            let there = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
            (there || has(&command) || has(&read("environ")))
                .then(|| (pid, String::from_utf8_lossy(&command).replace('\0', " ")))
        })
        .filter(|(_, command)| !command.is_empty())
        .collect()
}

/// A host that stays, until it is ended or no longer needed; or a client that is listened to.
pub struct Service {
    child: Child,
    log: PathBuf,
    ended: Option<Option<i32>>,
}

impl Service {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it says something.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let begun = Instant::now();
        while !self.log().contains(text) {
            assert!(begun.elapsed() < WAIT, "`{text}` is not in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Its exit code, where it has ended.
    fn poll(&mut self) -> Option<Option<i32>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap().map(|status| status.code());
        }
        self.ended
    }

    /// Waits for its end; the exit code is none where a signal ended it.
    #[track_caller]
    pub fn end(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(code) = self.poll() {
                return code;
            }
            assert!(begun.elapsed() < WAIT, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.poll().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log of process {}\n{}", self.pid(), self.log());
        }
    }
}

pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

pub fn is_there(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// From the start of a run's first attempt to the end of its last one.
pub fn span(run: &Value) -> (Timestamp, Timestamp) {
    let attempts =
        run["steps"].as_array().unwrap().iter().flat_map(|step| step["attempts"].as_array().unwrap());
    let attempts: Vec<_> = attempts.collect();
    let at = |value: &Value| text(value).parse::<Timestamp>().unwrap();
    (at(&attempts[0]["started_at"]), at(&attempts.last().unwrap()["exit"]["at"]))
}

pub fn overlap(a: (Timestamp, Timestamp), b: (Timestamp, Timestamp)) -> bool {
    a.0 < b.1 && b.0 < a.1
}

/// A manifest without nodes, for a project that is there to keep dbt busy: nothing has to be parsed for it.
pub const NO_NODES: &str = r#"{"metadata": {
    "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
    "dbt_version": "1.11.0", "adapter_type": "duckdb"}, "nodes": {}, "sources": {}}"#;

/// Nothing takes as long, on however busy a machine.
pub const WAIT: Duration = Duration::from_secs(300);

/// How often it is looked whether something holds: each look is a process.
const LOOK: Duration = Duration::from_millis(150);

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// A model that keeps DuckDB busy for hours, and can be interrupted.
pub const ENDLESS: &str = "{{ config(materialized='table') }} \
    select count(*) as n, sum(a.i * b.i) as s from range(200000) a(i), range(20000000) b(i)";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let name = entry.file_name();
        let skip = ["target", "logs", ".tidegate", "dbt_packages", ".user.yml"];
        if skip.iter().any(|s| name == *s) || name.to_string_lossy().contains(".duckdb") {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Runs a script with the Python of dbt, in the project's folder.
pub fn python(shop: &Sandbox, script: &str) {
    let status =
        Command::new(dbt_bin().join("python")).args(["-c", script]).current_dir(shop.dir.path()).status();
    assert!(status.unwrap().success());
}
