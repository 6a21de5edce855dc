//! A host is replaced while dbt runs: by a newer binary, by a restart, by a crash.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{ENDLESS, Sandbox, Service, is_there};

/// A binary of this build at another place, or an older one.
fn copy(shop: &Sandbox, name: &str, binary: Option<PathBuf>) -> PathBuf {
    let to = shop.file(name);
    fs::copy(binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_tidegate").into()), &to).unwrap();
    to
}

fn serve(shop: &Sandbox, binary: &Path) -> Service {
    shop.serve_by(shop.command_of(binary, &["serve"]))
}

fn chain() -> Sandbox {
    let shop = Sandbox::models(&[("quick", "select 1 as id"), ("last", "select n from {{ ref('slow') }}")]);
    shop.hold("models/slow.py");
    shop
}

#[test]
fn a_run_outlives_every_end_of_its_host() {
    let shop = chain();
    let old = copy(&shop, "tidegate-old", std::env::var_os("TIDEGATE_TEST_OLD_BINARY").map(PathBuf::from));
    let new = copy(&shop, "tidegate-new", None);
    let mut first = serve(&shop, &old);
    let client = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.slow", "running");
    let dbt = shop.process("1/1.1", "dbt");

    // An upgrade: the newer one asks the older one to leave.
    let mut second = serve(&shop, &new);
    assert_eq!(first.end(), Some(0));
    assert!(first.log().contains("another tidegate takes over"), "{}", first.log());
    assert!(second.log().contains("asking the host that is there to hand over"), "{}", second.log());
    assert_eq!(shop.process("1/1.1", "dbt"), dbt);
    assert!(is_there(dbt));

    // A restart. In between the client takes the run up, and hands it over again.
    second.signal("-TERM");
    assert_eq!(second.end(), Some(0));
    assert!(is_there(dbt));
    let mut third = serve(&shop, &new);

    // A crash.
    third.signal("-KILL");
    assert_eq!(third.end(), None);
    let fourth = serve(&shop, &new);
    let status = shop.status().unwrap();
    assert_eq!((&status["automatic"], &status["running"][0]["run"]), (&true.into(), &1.into()), "{status}");
    assert!(is_there(dbt), "it goes on all the time");

    shop.release();
    let said = shop.end(client).code(0);
    assert!(said.out.contains("run 1 of build succeeded"), "{}\n{}", said.out, said.err);
    let run = shop.show(1);
    assert_eq!(run["state"], "succeeded");
    assert_eq!(run["steps"][0]["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(shop.states(1), shop.results("1/1.1", "run_results.json"));
    assert_eq!(shop.runs().len(), 1, "nothing was started for it a second time");
    let log = shop.run(&["logs", "1", "--raw"]).code(0).out;
    for line in ["MainReportVersion", "CommandCompleted"] {
        assert_eq!(log.matches(&format!("\"{line}\"")).count(), 1, "{line}");
    }
    for node in ["quick", "slow", "last"] {
        let shown = shop.run(&["runs", "show", "1", "--all"]).code(0).out;
        assert_eq!(shown.matches(&format!("model.tiny.{node}")).count(), 1, "{shown}");
    }
    drop(fourth);
}

#[test]
fn a_host_that_drains_or_interrupts_leaves_the_rest_to_the_next() {
    let shop = chain();
    let mut first = shop.serve(&["--on-stop", "drain"]);
    let one = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.slow", "running");
    let mut two = shop.start(&["materialize", "quick"]);
    shop.wait_for_run(2, "queued");
    // Nobody waits for it any more, and it is not forgotten.
    two.kill().unwrap();
    two.wait().unwrap();
    first.signal("-TERM");
    first.wait_for("waiting for what is under way");
    let status = shop.status().unwrap();
    assert_eq!(status["ending"], true);
    let waits = status["waiting"][0]["waits_for"].as_str().unwrap().to_owned();
    assert!(waits.contains("about to end"), "{waits}");
    shop.release();
    assert_eq!(first.end(), Some(0));
    shop.end(one).code(0);
    assert_eq!((&shop.show(1)["state"], &shop.show(2)["state"]), (&"succeeded".into(), &"queued".into()));

    fs::remove_file(shop.file("models/slow.py")).unwrap();
    shop.write("models/slow.sql", ENDLESS);
    let mut second = shop.serve(&["--on-stop", "interrupt"]);
    shop.wait_for_run(2, "succeeded");
    let client = shop.start(&["run", "build"]);
    shop.wait_for_node(3, "model.tiny.slow", "running");
    shop.wait_for_node(3, "model.tiny.quick", "success");
    shop.wait_for_plan(3);
    second.signal("-TERM");
    assert_eq!(second.end(), Some(0));
    let run = shop.show(3);
    assert_eq!(run["state"], "interrupted");
    let exit = &run["steps"][0]["attempts"][0]["exit"];
    assert_eq!(
        (&exit["cancelled"], &exit["signal"]),
        (&true.into(), &().into()),
        "dbt ended when it was asked to"
    );
    let said = shop.end(client).code(1);
    assert!(said.out.contains("interrupted"), "{}\n{}", said.out, said.err);
    let left = &shop.runs()[3..];
    assert_eq!((&left[0]["state"], &left[0]["via"]), (&"queued".into(), &"resume".into()), "{left:?}");

    shop.write("models/slow.sql", "{{ config(materialized='table') }} select 1 as n");
    let third = shop.serve(&[]);
    shop.wait_for_ends("build", 3);
    let run = shop.show(4);
    assert_eq!((&run["state"], &run["request"]["resumes"]), (&"succeeded".into(), &3.into()));
    assert_eq!(shop.nodes(4), ["model.tiny.last", "model.tiny.slow"]);
    third.wait_for("run finished run=4");
    shop.run(&["runs", "show", "4"]).code(0).out_has("run 3");
}
