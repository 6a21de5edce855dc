//! A dbt project in a folder of its own, and the binary to run on it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

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

    /// A project of a few models, by name and SQL, with a job `build`.
    pub fn models(models: &[(&str, &str)]) -> Self {
        let sandbox = Self::new();
        sandbox.write("dbt_project.yml", "name: tiny\nversion: '1.0'\nprofile: tiny\n");
        sandbox.write(
            "profiles.yml",
            "tiny: {target: dev, outputs: {dev: {type: duckdb, path: tiny.duckdb, threads: 2}}}\n",
        );
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

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    pub fn append(&self, name: &str, text: &str) {
        self.write(name, &(self.read(name) + text));
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("PATH", &self.path)
            .env("TZ", "UTC")
            .env_remove("TIDEGATE_STATE_DIR")
            .env_remove("TIDEGATE_CONFIG")
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
            assert!(begun.elapsed() < Duration::from_secs(120), "waited in vain for: {what}");
            std::thread::sleep(Duration::from_millis(50));
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

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// A model that keeps DuckDB busy for some seconds, and can be interrupted.
pub const SLOW: &str = "{{ config(materialized='table') }} \
    select count(*) as n, sum(a.i * b.i) as s from range(200000) a(i), range(12000) b(i)";

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
