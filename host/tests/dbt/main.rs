//! What we say of a dbt project without asking dbt, against what a real dbt says.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod profiles;
mod selection;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

fn tests_path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

/// Runs a script with dbt's own Python, and takes the last line that it writes for its answer.
fn ask(script: &str, question: &Value) -> Value {
    let bin = std::env::var_os("TIDEGATE_TEST_DBT").expect(
        "TIDEGATE_TEST_DBT is not set: set it to the bin directory of an environment with dbt-core and dbt-duckdb, or \
         run the tests by `cargo xtask test`",
    );
    let mut child = Command::new(Path::new(&bin).join("python"))
        .args(["-W", "ignore"])
        .arg(tests_path(script))
        .env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script} failed");
    serde_json::from_slice(output.stdout.rsplit(|byte| *byte == b'\n').next().unwrap()).unwrap()
}
