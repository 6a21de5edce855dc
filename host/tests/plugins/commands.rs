//! `tidegate plugin …`, as people run it.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use tidegate::{
    cli::plugin::{Output, PluginCommand, hint},
    plugins::{Catalogue, PluginKind, PluginSource},
};

use crate::{File, built, guest::Guest, pieces::Pieces};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: PluginCommand,
}

struct Said {
    success: bool,
    data: String,
    notes: String,
}

fn plugin(arguments: &[&str]) -> Said {
    let arguments = ["plugin"].iter().chain(arguments).map(OsString::from);
    let (mut data, mut notes) = (Vec::new(), Vec::new());
    let command = Cli::try_parse_from(arguments).unwrap().command;
    let result = command.run_with(&mut Output { data: &mut data, notes: &mut notes });
    let (data, mut notes) = (String::from_utf8(data).unwrap(), String::from_utf8(notes).unwrap());
    let success = match result {
        Ok(code) => code == ExitCode::SUCCESS,
        Err(error) => {
            notes.push_str(&format!("error: {error:#}\n"));
            notes.extend(hint(&error).map(|hint| format!("hint: {hint}\n")));
            false
        }
    };
    Said { success, data, notes }
}

fn cases() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins/source-prefix/cases")
}

fn path(source: &PluginSource) -> String {
    source.to_string()
}

const NODE: &str = "[node]\nresource_type = \"model\"\nname = \"orders\"\n";

/// A folder with cases in it.
fn folder(cases: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in cases {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn inspect_shows_that_a_pure_plugin_can_do_nothing() {
    let said = plugin(&["inspect", "builtin:source-prefix"]);
    assert!(said.success, "{}", said.notes);
    assert!(said.data.contains("name      source-prefix\n"), "{}", said.data);
    assert!(said.data.contains("kind      translator (tidegate:translator/translation@0.1.0)\n"));
    assert!(said.data.contains("imports   nothing: it can compute, and nothing else\n"));
    assert!(
        said.data.contains("limits    7 s, 71 MiB of memory, 19 MiB of answer for 250 nodes of 4 KiB\n"),
        "{}",
        said.data
    );
    assert_eq!(said.notes, "");
}

#[test]
fn inspect_as_json_keeps_its_shape() {
    let said = plugin(&["inspect", "--json", "builtin:source-prefix"]);
    let mut report: serde_json::Value = serde_json::from_str(&said.data).unwrap();
    for (field, placeholder) in
        [("sha256", "(64 digits)"), ("size", "(a number)"), ("version", "(a version)")]
    {
        report[field] = placeholder.into();
    }
    insta::assert_json_snapshot!(report, @r#"
    {
      "contract": "tidegate:translator/translation@0.1.0",
      "exports": [
        "tidegate:translator/translation@0.1.0"
      ],
      "imports": [],
      "kind": "translator",
      "limits": {
        "answer": 20873216,
        "memory": 75300864,
        "milliseconds": 7000
      },
      "name": "source-prefix",
      "problem": null,
      "sha256": "(64 digits)",
      "size": "(a number)",
      "source": "builtin:source-prefix",
      "summary": "Puts a prefix in front of the keys of sources.",
      "version": "(a version)"
    }
    "#);
}

#[test]
fn inspect_tells_what_it_can_of_a_plugin_that_cannot_be_used() {
    let file = File::new(Guest { interface: "acme:other/world@1.0.0", ..Guest::default() }.build());
    let said = plugin(&["inspect", &path(&file.source())]);
    assert!(!said.success);
    assert!(
        said.data.contains("kind      unknown\n") && said.data.contains("exports   acme:other/world@1.0.0\n"),
        "{}",
        said.data
    );
    assert!(said.notes.contains("cannot be used: it exports nothing that Tidegate calls"), "{}", said.notes);
    for kind in PluginKind::ALL {
        let exports = format!("a {} exports `{}`", kind.noun(), kind.interface());
        assert!(said.notes.contains(&exports), "{}", said.notes);
    }

    let said = plugin(&["inspect", "builtin:source-prefx"]);
    assert!(said.notes.ends_with("hint: did you mean `builtin:source-prefix`?\n"), "{}", said.notes);
}

#[test]
fn test_runs_the_cases_of_source_prefix() {
    let said = plugin(&["test", &path(&built("source-prefix")), "--cases", cases().to_str().unwrap()]);
    assert!(said.success, "{}\n{}", said.data, said.notes);
    assert!(said.data.contains("\nok     source.toml\n"), "{}", said.data);
    let count = cases().read_dir().unwrap().count();
    assert!(said.data.ends_with(&format!("\n{count} passed\n")), "{}", said.data);
}

#[test]
fn every_plugin_that_tidegate_carries_passes_its_cases() {
    for reference in Catalogue::builtins() {
        let name = reference.trim_start_matches("builtin:");
        let cases = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../plugins/{name}/cases"));
        let said = plugin(&["test", &path(&built(name)), "--cases", cases.to_str().unwrap()]);
        assert!(said.success, "{name}\n{}\n{}", said.data, said.notes);
        let said = plugin(&["inspect", &reference]);
        assert!(said.data.contains("imports   nothing: it can compute, and nothing else\n"), "{}", said.data);
    }
}

#[test]
fn test_shows_what_was_expected_and_what_came() {
    let cases = folder(&[
        ("a-right.toml", &format!("{NODE}[expect]\nkey = [\"orders\"]\n")),
        ("b-wrong.toml", &format!("{NODE}[expect]\nkey = [\"other\"]\n")),
    ]);
    let said = plugin(&["test", &path(&built("source-prefix")), "--cases", cases.path().to_str().unwrap()]);
    assert!(!said.success);
    let expected = "\nok     a-right.toml\n\
         FAILED b-wrong.toml\n       \
         key         expected [\"other\"]\n       \
         \x20            but got [\"orders\"]\n\
         1 passed, 1 failed\n";
    assert!(said.data.ends_with(expected), "{}", said.data);

    fs::write(cases.path().join("c.toml"), "[node]\nnaem = 1").unwrap();
    let said = plugin(&["test", &path(&built("source-prefix")), "--cases", cases.path().to_str().unwrap()]);
    assert!(said.notes.contains("c.toml") && said.notes.contains("unknown field `naem`"), "{}", said.notes);
}

#[test]
fn test_finds_answers_that_depend_on_more_than_their_node() {
    let cases = folder(&[("a.toml", &format!("{NODE}[expect]\nerror = \"no\"\n"))]);
    let test = |guest: Guest| {
        let file = File::new(guest.build());
        plugin(&["test", &path(&file.source()), "--cases", cases.path().to_str().unwrap()])
    };
    let said = test(Guest::default());
    assert!(said.success, "{}", said.data);
    // It shortens its sentence where there is more than one node.
    let said = test(Guest {
        translate: "(i32.store8 (i32.const 304) (i32.add (i32.const 109) (local.get $count)))
            (call $refuse (local.get $count))",
        ..Guest::default()
    });
    assert!(!said.success);
    assert!(said.data.contains("between other nodes, it answers something else"), "{}", said.data);
    let said = test(Guest { translate: "unreachable", ..Guest::default() });
    assert!(said.data.contains("the plugin broke off: it panicked or aborted"), "{}", said.data);
}

#[test]
fn test_knows_what_is_no_plugin() {
    let empty = tempfile::tempdir().unwrap();
    let said = plugin(&["test", empty.path().to_str().unwrap()]);
    assert!(said.notes.contains("has no Cargo.toml") && said.notes.contains("hint: "), "{}", said.notes);
    let said = plugin(&["test", "/nowhere.wasm"]);
    assert!(said.notes.contains("plugin `/nowhere.wasm`: there is no such file"), "{}", said.notes);
}

/// Needs a compiler for wasm32-unknown-unknown: `TIDEGATE_TEST_WASM_RUSTC` is the one to use, or `rustc`.
#[test]
fn a_new_plugin_passes_its_own_test() {
    let Some(rustc) = std::env::var_os("TIDEGATE_TEST_WASM_RUSTC") else {
        println!("skipped: TIDEGATE_TEST_WASM_RUSTC names no compiler");
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("team-owners");
    let said = plugin(&["new", "team-owners", "--dir", folder.to_str().unwrap()]);
    assert!(said.success, "{}", said.notes);
    // In a process of its own, whose cargo finds that compiler.
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "commands::child_that_tests_a_plugin", "--ignored", "--nocapture"])
        .env("RUSTC", rustc)
        .env(FOLDER, &folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}\n{}", String::from_utf8_lossy(&child.stderr));
    assert!(said.contains("name      team-owners\n") && said.contains("imports   nothing"), "{said}");
    assert!(said.contains("ok     example.toml\n1 passed\n"), "{said}");
}

const FOLDER: &str = "TIDEGATE_TEST_CHILD_FOLDER";

#[test]
#[ignore = "a part of `a_new_plugin_passes_its_own_test`"]
fn child_that_tests_a_plugin() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let said = plugin(&["test", Path::new(&folder).to_str().unwrap()]);
    println!("{}{}", said.data, said.notes);
    assert!(said.success);
}

#[test]
fn retry_policies_and_notifiers_have_cases_too() {
    let test = |pieces: Pieces, case: &str| {
        let cases = folder(&[("a.toml", case)]);
        let file = File::new(pieces.build());
        plugin(&["test", &path(&file.source()), "--cases", cases.path().to_str().unwrap()])
    };
    let waits = || Pieces::retry_policy(Some((60_000, 1, None)), "it is locked");
    let case = "[failure]\nkind = \"node\"\n[[failure.failed]]\nname = \"orders\"\n\
        [expect]\ndecision = \"retry\"\nafter = \"1m\"\nscope = \"unfinished\"\nreason = \"locked\"\n";
    let said = test(waits(), case);
    assert!(said.success, "{}{}", said.data, said.notes);
    assert!(
        said.data.contains("kind      retry-policy (tidegate:retry-policy/retrying@0.1.0)\n"),
        "{}",
        said.data
    );
    assert!(said.data.ends_with("ok     a.toml\n1 passed\n"), "{}", said.data);
    let said = test(waits(), "[failure]\n[expect]\ndecision = \"give-up\"\n");
    assert!(!said.success);
    assert!(said.data.contains("decision    expected \"give-up\"\n"), "{}", said.data);
    let said = test(Pieces { answer: "unreachable", ..waits() }, case);
    assert!(said.data.contains("the plugin broke off: it panicked or aborted"), "{}", said.data);

    let hook = || Pieces::notifier("ops", "", ("Content-Type", "application/json"), br#"{"text": "hello"}"#);
    let case = "[notification]\nkind = \"run_failed\"\n[[expect.requests]]\ndestination = \"ops\"\n\
        json = { text = \"hello\" }\n";
    let said = test(hook(), case);
    assert!(said.success, "{}{}", said.data, said.notes);
    assert!(said.data.contains("kind      notifier (tidegate:notifier/notifying@0.1.0)\n"), "{}", said.data);
    // Where that destination does not exist, the request is an error of the plugin's.
    let said = test(hook(), &format!("destinations = [{{ name = \"mail\", kind = \"smtp\" }}]\n{case}"));
    assert!(said.data.contains("which is none of the destinations that it may send to"), "{}", said.data);
    // A case of another kind is none of this one.
    let said = test(hook(), &format!("{NODE}[expect]\nkey = [\"orders\"]\n"));
    assert!(said.notes.contains("a.toml") && said.notes.contains("unknown field"), "{}", said.notes);
}
