//! What survives: the host's death, a cancelled run, a killed dbt.

use crate::support::{ENDLESS, Sandbox, signal};

#[test]
fn kill_9_of_the_host_loses_no_line() {
    let shop = Sandbox::models(&[("after", "select n from {{ ref('slow') }}")]);
    shop.hold("models/slow.py");
    let mut child = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.slow", "running");
    signal(child.id(), "-KILL");
    child.wait().unwrap();
    // dbt goes on without the host, to its end.
    shop.release();
    shop.wait_for("the end of dbt", || shop.file(".tidegate/runs/1/1.1/exit.json").exists());
    shop.run(&["runs"]).code(0).out_has("running");
    // Whoever comes next takes the run up before it does its own.
    shop.run(&["materialize", "after"]).code(0);
    assert_eq!(shop.show(1)["state"], "succeeded");
    assert_eq!(shop.states(1), shop.results("1/1.1", "run_results.json"));
    let log = shop.run(&["logs", "1", "--raw"]).code(0).out;
    assert!(log.contains("\"MainReportVersion\"") && log.contains("\"CommandCompleted\""));
    // No event twice: each node began and ended once.
    let log = shop.run(&["runs", "show", "1", "--all"]).code(0).out;
    assert_eq!(log.matches("model.tiny.slow").count(), 1, "{log}");
}

#[test]
fn a_run_that_is_under_way_is_taken_over_live() {
    let shop = Sandbox::models(&[("after", "select n from {{ ref('slow') }}")]);
    shop.hold("models/slow.py");
    let mut child = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.slow", "running");
    let mut client = shop.client(&["materialize", "after"]);
    shop.wait_for("the second run", || shop.run(&["runs", "show", "2"]).code == Some(0));
    signal(child.id(), "-KILL");
    child.wait().unwrap();
    // The client becomes the host, sees the first run through, and then its own.
    client.wait_for("taking the run up again");
    shop.wait_for("another host", || shop.status().is_some_and(|status| status["pid"] == client.pid()));
    shop.release();
    assert_eq!(client.end(), Some(0), "{}", client.log());
    assert_eq!(shop.show(1)["state"], "succeeded");
    assert_eq!(shop.show(2)["state"], "succeeded");
}

#[test]
fn ctrl_c_cancels_and_records_it() {
    let shop = Sandbox::models(&[
        ("quick", "select 1 as id"),
        ("slow", ENDLESS),
        ("after", "select n from {{ ref('slow') }}"),
    ]);
    let child = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.slow", "running");
    shop.wait_for_node(1, "model.tiny.quick", "success");
    signal(child.id(), "-INT");
    let said = shop.end(child).code(130);
    assert!(said.out.contains("cancelled"), "{}", said.out);
    let run = shop.show(1);
    assert_eq!(run["state"], "cancelled");
    assert!(run["cancelled_by"].is_string());
    let states = shop.states(1);
    assert_eq!(states["model.tiny.quick"], "success");
    assert_eq!(states["model.tiny.slow"], "cancelled");
    assert_eq!(states.get("model.tiny.after").map(String::as_str).unwrap_or("cancelled"), "cancelled");
}

#[test]
fn a_killed_dbt_is_interrupted_and_never_green() {
    let shop = Sandbox::models(&[("slow", ENDLESS)]);
    let child = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.slow", "running");
    let processes = shop.read(".tidegate/runs/1/1.1/processes.json");
    let processes: serde_json::Value = serde_json::from_str(&processes).unwrap();
    signal(u32::try_from(processes["dbt"]["pid"].as_u64().unwrap()).unwrap(), "-KILL");
    let said = shop.end(child).code(1);
    assert!(said.out.contains("interrupted") && said.out.contains("SIGKILL"), "{}", said.out);
    assert_eq!(shop.states(1)["model.tiny.slow"], "cancelled");
}

#[test]
fn a_killed_attempt_process_takes_its_dbt_along() {
    let shop = Sandbox::models(&[("slow", ENDLESS)]);
    let child = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.slow", "running");
    let processes = shop.read(".tidegate/runs/1/1.1/processes.json");
    let processes: serde_json::Value = serde_json::from_str(&processes).unwrap();
    signal(u32::try_from(processes["attempt"]["pid"].as_u64().unwrap()).unwrap(), "-KILL");
    shop.end(child).code(1);
    assert_eq!(shop.show(1)["state"], "interrupted");
    let dbt = format!("/proc/{}", processes["dbt"]["pid"]);
    shop.wait_for("the end of dbt", || {
        std::fs::read_to_string(format!("{dbt}/stat")).map_or(true, |stat| stat.contains(") Z "))
    });
}
