//! Plugins as tool chains build them: the one in the repository, and those that import WASI.

use std::time::Instant;

use tidegate::plugins::{CallError, Sandbox, Translator};

use crate::{built, guest::Guest, load, node, sandbox, small};

#[test]
fn source_prefix_imports_nothing_and_does_its_one_thing() {
    let sandbox = Sandbox::new(Default::default(), None).unwrap();
    let translator = Translator::load(&sandbox, &built("source-prefix")).unwrap();
    assert_eq!(translator.plugin().imports(), [] as [&str; 0]);
    assert_eq!(translator.contract(), "tidegate:translator/translation@0.1.0");
    assert_eq!(translator.describe().unwrap().name, "source-prefix");

    let nodes = [node("source", "raw_orders"), node("model", "orders")];
    let answers = translator.translate("{}", &nodes).unwrap();
    let asset = answers[0].as_ref().unwrap();
    assert_eq!(asset.key.0, ["source", "raw", "raw_orders"]);
    assert_eq!((&asset.tags, &asset.metadata), (&nodes[0].default.tags, &nodes[0].default.metadata));
    assert_eq!(answers[1].as_ref().unwrap(), &nodes[1].default);

    let config = r#"{"prefix": ["lake", "in"]}"#;
    assert_eq!(translator.check_config(config).unwrap(), Ok(()));
    let answers = translator.translate(config, &nodes).unwrap();
    assert_eq!(answers[0].as_ref().unwrap().key.0, ["lake", "in", "raw", "raw_orders"]);
    assert!(translator.check_config(r#"{"prefx": 1}"#).unwrap().unwrap_err().contains("prefx"));
}

#[test]
fn calls_are_cheap_enough_for_thousands_of_nodes() {
    // With the limits that everyone has, by which a call of 250 nodes that took a multiple of this would not be heard.
    let state = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let sandbox = Sandbox::new(Default::default(), Some(state.path())).unwrap();
    println!("sandbox in {:?}", begun.elapsed());
    let load = || {
        let begun = Instant::now();
        let translator = Translator::load(&sandbox, &built("source-prefix")).unwrap();
        (translator, begun.elapsed())
    };
    let (translator, compiled) = load();
    let (_, cached) = load();
    let nodes: Vec<_> = (0..250).map(|i| node("source", &format!("table_{i}"))).collect();
    let begun = Instant::now();
    for _ in 0..20 {
        translator.translate("{}", &nodes).unwrap();
    }
    let chunk = begun.elapsed() / 20;
    let begun = Instant::now();
    for _ in 0..200 {
        translator.describe().unwrap();
    }
    println!(
        "compiled in {compiled:?}, cached {cached:?}; 250 nodes {chunk:?}, describe {:?}",
        begun.elapsed() / 200
    );
}

/// A guest with all of WASI that it takes to write, sleep and draw lots.
fn with_wasi(describe: &'static str) -> Guest {
    let imports = r#"
      (import "wasi:io/poll@0.2.0" (instance $poll
        (export "pollable" (type $p (sub resource)))
        (export "[method]pollable.block" (func (param "self" (borrow $p))))))
      (alias export $poll "pollable" (type $pollable))
      (import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
      (alias export $errors "error" (type $error))
      (import "wasi:io/streams@0.2.0" (instance $streams
        (export "output-stream" (type $o (sub resource)))
        (alias outer 1 $error (type $error-outer))
        (export "error" (type $e (eq $error-outer)))
        (type $stream-error' (variant (case "last-operation-failed" (own $e)) (case "closed")))
        (export "stream-error" (type $stream-error (eq $stream-error')))
        (export "[method]output-stream.blocking-write-and-flush" (func
          (param "self" (borrow $o)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
      (alias export $streams "output-stream" (type $output-stream))
      (import "wasi:cli/stderr@0.2.0" (instance $stderr
        (alias outer 1 $output-stream (type $outer))
        (export "output-stream" (type $o (eq $outer)))
        (export "get-stderr" (func (result (own $o))))))
      (import "wasi:cli/exit@0.2.0" (instance $exit
        (export "exit" (func (param "status" (result))))))
      (import "wasi:random/random@0.2.0" (instance $random
        (export "get-random-u64" (func (result u64)))))
      (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
        (alias outer 1 $pollable (type $outer))
        (export "pollable" (type $p (eq $outer)))
        (export "now" (func (result u64)))
        (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
      (core module $memory (memory (export "memory") 1))
      (core instance $shared (instantiate $memory))
      (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
        (memory (core memory $shared "memory"))))
      (core func $stderr (canon lower (func $stderr "get-stderr")))
      (core func $exit (canon lower (func $exit "exit")))
      (core func $random (canon lower (func $random "get-random-u64")))
      (core func $now (canon lower (func $clock "now")))
      (core func $wait (canon lower (func $clock "subscribe-duration")))
      (core func $block (canon lower (func $poll "[method]pollable.block")))
    "#;
    Guest {
        imports: imports.to_owned(),
        core_imports: r#"
          (import "host" "memory" (memory 1))
          (import "host" "write" (func $write (param i32 i32 i32 i32)))
          (import "host" "stderr" (func $stderr (result i32)))
          (import "host" "exit" (func $exit (param i32)))
          (import "host" "random" (func $random (result i64)))
          (import "host" "now" (func $now (result i64)))
          (import "host" "wait" (func $wait (param i64) (result i32)))
          (import "host" "block" (func $block (param i32)))"#,
        with: r#"(with "host" (instance
          (export "memory" (memory $shared "memory"))
          (export "write" (func $write)) (export "stderr" (func $stderr)) (export "exit" (func $exit))
          (export "random" (func $random)) (export "now" (func $now))
          (export "wait" (func $wait)) (export "block" (func $block))))"#,
        memory: r#"(export "memory" (memory 0))"#,
        more: r#"(data (i32.const 320) "I give up\n")"#.to_owned(),
        describe,
        ..Guest::default()
    }
}

#[test]
fn what_a_plugin_wrote_before_it_broke_off_is_shown() {
    let breaks =
        with_wasi("(call $write (call $stderr) (i32.const 320) (i32.const 10) (i32.const 400)) unreachable");
    let translator = load(&sandbox(), breaks.build()).unwrap();
    assert_eq!(translator.plugin().imports().len(), 6);
    assert_eq!(
        translator.describe().unwrap_err().to_string(),
        "broke off: it panicked or aborted; the last that it wrote was:\nI give up"
    );
    let floods = with_wasi(
        "(local $i i32) (loop $l
          (call $write (call $stderr) (i32.const 0) (i32.const 4096) (i32.const 8192))
          (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 200)))) unreachable",
    );
    let error = load(&sandbox(), floods.build()).unwrap().describe().unwrap_err();
    assert!(matches!(&error, CallError::Trapped { log, .. } if log.len() <= small().log), "{error}");
    let exits = with_wasi("(call $exit (i32.const 1)) unreachable");
    let error = load(&sandbox(), exits.build()).unwrap().describe().unwrap_err();
    assert_eq!(error.to_string(), "broke off: it exited with code 1");
}

#[test]
fn clocks_and_chance_are_the_same_in_every_call() {
    // The bits of the answer are put where the version's text is.
    let guest = with_wasi(
        "(local $bits i64) (local $at i32)
         (local.set $bits (i64.xor (call $random) (i64.mul (call $now) (i64.const 0x9e3779b97f4a7c15))))
         (loop $l
           (i32.store8 (i32.add (i32.const 256) (local.get $at))
             (i32.add (i32.const 97) (i32.and (i32.wrap_i64 (local.get $bits)) (i32.const 15))))
           (local.set $bits (i64.shr_u (local.get $bits) (i64.const 4)))
           (br_if $l (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 6))))
         (i32.const 16)",
    );
    let translator = load(&sandbox(), guest.build()).unwrap();
    let first = translator.describe().unwrap();
    assert_ne!(first.name, "corpus");
    assert_eq!(translator.describe().unwrap(), first);
    assert_eq!(load(&sandbox(), guest.build()).unwrap().describe().unwrap(), first);
}

#[test]
fn sleeping_takes_no_time() {
    let guest = with_wasi("(call $block (call $wait (i64.const 3600000000000))) (i32.const 16)");
    let translator = load(&sandbox(), guest.build()).unwrap();
    // It would have to be an hour, and is not even the time of a call.
    assert_eq!(translator.describe().unwrap().name, "corpus");
}
