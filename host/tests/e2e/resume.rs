//! What was left to do of a run is done by another one, and nothing else is.

use crate::support::{ENDLESS, Sandbox, signal};

#[test]
fn what_was_killed_or_cancelled_goes_on_where_it_was() {
    let shop = Sandbox::models(&[
        ("quick", "select 1 as id"),
        ("slow", ENDLESS),
        ("last", "select n from {{ ref('slow') }}"),
    ]);
    let child = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.slow", "running");
    shop.wait_for_node(1, "model.tiny.quick", "success");
    shop.wait_for_plan(1);
    shop.run(&["runs", "resume", "1"]).code(2).err_has("run 1 has not ended yet").err_has("runs cancel");
    signal(shop.process("1/1.1", "dbt"), "-KILL");
    shop.end(child).code(1);
    assert_eq!(shop.show(1)["state"], "interrupted");

    let child = shop.start(&["runs", "resume", "1"]);
    shop.wait_for_node(2, "model.tiny.slow", "running");
    shop.wait_for_plan(2);
    signal(child.id(), "-INT");
    shop.end(child).code(130);
    let run = shop.show(2);
    assert_eq!((&run["state"], &run["request"]["resumes"]), (&"cancelled".into(), &1.into()));
    assert_eq!(shop.nodes(2), ["model.tiny.last", "model.tiny.slow"]);

    // What is resumed once is not resumed again: whoever asks is told of the run that has done it.
    let said = shop.run(&["runs", "resume", "1"]).code(130);
    assert!(said.out.contains("run 2 of build cancelled"), "{}\n{}", said.out, said.err);
    assert_eq!(shop.runs().len(), 2);

    shop.write("models/slow.sql", "select 1 as n");
    shop.run(&["runs", "resume", "2"]).code(0).out_has("run 3 of build succeeded");
    assert_eq!(shop.nodes(3), ["model.tiny.last", "model.tiny.slow"]);
    let said = shop.run(&["runs", "resume", "3"]).code(2).err_has("nothing is left to do of run 3");
    assert!(said.err.contains("tidegate run build"), "{}", said.err);
    shop.run(&["runs", "resume", "99"]).code(2).err_has("there is no run 99");
}

#[test]
fn what_failed_and_what_was_skipped_for_it_is_run_again() {
    let shop = Sandbox::models(&[
        ("good", "select 1 as id"),
        ("bad", "select id / {{ var('by', 'no_number') }} as id from {{ ref('good') }}"),
        ("child", "select * from {{ ref('bad') }}"),
        ("doubtful", "select {{ var('id', 'null') }} as id"),
        ("behind", "select * from {{ ref('doubtful') }}"),
    ]);
    shop.write(
        "models/tests.yml",
        "models:
  - name: good
    columns: [{name: id, data_tests: [not_null]}]
  - name: doubtful
    columns: [{name: id, data_tests: [not_null, unique]}]
",
    );
    shop.run(&["run", "build"]).code(1);
    assert_eq!(shop.show(1)["state"], "failed");
    let states = shop.states(1);
    assert_eq!(states["model.tiny.bad"], "error");
    assert_eq!(states["model.tiny.child"], "skipped");
    assert_eq!(states["model.tiny.behind"], "skipped");

    // Mended meanwhile: the resumption takes the project as it is now.
    shop.write("models/bad.sql", "select id from {{ ref('good') }}");
    shop.write("models/doubtful.sql", "select 1 as id");
    shop.run(&["runs", "resume", "1"]).code(0);
    let done: Vec<_> = shop.nodes(2).into_iter().map(|id| id.split('.').nth(2).unwrap().to_owned()).collect();
    // The test that failed is run with the model that it looks at, and with that one's other tests.
    let expected = ["bad", "behind", "child", "doubtful", "not_null_doubtful_id", "unique_doubtful_id"];
    assert_eq!(done, expected);
    assert!(shop.states(2).values().all(|state| ["success", "pass"].contains(&state.as_str())));
}
