//! Several commands on one state directory: one is the host, the others are its clients.

use crate::support::{ENDLESS, Sandbox};

#[test]
fn a_second_run_waits_its_turn_and_nothing_collides() {
    let shop = Sandbox::models(&[]);
    shop.hold("models/slow.py");
    let first = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.slow", "running");
    let mut second = shop.client(&["run", "build"]);
    second.wait_for("waiting for run 1");
    shop.release();
    assert_eq!(second.end(), Some(0), "{}", second.log());
    shop.end(first).code(0);
    let (one, two) = (shop.show(1), shop.show(2));
    assert!(
        one["finished_at"].as_str().unwrap()
            <= two["steps"][0]["attempts"][0]["started_at"].as_str().unwrap()
    );
}

#[test]
fn a_run_can_be_cancelled_from_elsewhere() {
    let shop = Sandbox::models(&[("slow", ENDLESS)]);
    let first = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.slow", "running");
    shop.run(&["runs", "cancel", "1"]).code(0);
    shop.end(first).code(130);
    shop.run(&["runs", "cancel", "1"]).code(2).err_has("has ended already");
}

#[test]
fn a_request_that_is_made_twice_is_one_run() {
    let shop = Sandbox::models(&[("quick", "select 1 as id")]);
    let first = shop.run(&["run", "build", "--request-key", "monday"]).code(0);
    let again = shop.run(&["run", "build", "--request-key", "monday"]).code(0);
    assert!(first.out.contains("run 1 of build succeeded"), "{}", first.out);
    assert_eq!(first.out, again.out);
    shop.run(&["runs", "show", "2"]).code(2);
    shop.run(&["run", "build", "--request-key", ""]).code(2);
}

#[test]
fn logs_follow_a_run_to_its_end() {
    let shop = Sandbox::models(&[]);
    shop.hold("models/slow.py");
    let first = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.slow", "running");
    let mut logs = shop.client(&["logs", "1", "-f"]);
    logs.wait_for("Running with dbt");
    shop.release();
    assert_eq!(logs.end(), Some(0), "{}", logs.log());
    assert!(logs.log().contains("Done. PASS=1"), "{}", logs.log());
    shop.end(first).code(0);
}

#[test]
fn a_state_directory_with_a_long_path_works() {
    let shop = Sandbox::models(&[("quick", "select 1 as id")]);
    let long = shop.file(&"d".repeat(60)).join("e".repeat(60));
    let long = long.to_str().unwrap();
    shop.run(&["run", "build", "--state-dir", long]).code(0);
    shop.run(&["runs", "--state-dir", long]).code(0).out_has("succeeded");
}
