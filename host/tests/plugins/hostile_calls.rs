//! Components that load and misbehave: each ends in the verdict that it deserves, in time, and takes nothing with it.

use std::time::Duration;

use tidegate::plugins::{CallError, Limits, Sandbox, Shortage};

use crate::{guest::Guest, hasty, load, node, sandbox, small};

/// What came of loading a guest and calling each of its functions: the first error.
fn first_error(sandbox: &Sandbox, guest: &Guest) -> CallError {
    let translator = load(sandbox, guest.build()).unwrap();
    translator
        .describe()
        .err()
        .or_else(|| translator.check_config("{}").err())
        .or_else(|| translator.translate("{}", &[node("model", "orders")]).err())
        .expect("the guest misbehaves")
}

#[test]
fn a_guest_that_behaves_is_heard() {
    let translator = load(&sandbox(), Guest::default().build()).unwrap();
    let said = translator.describe().unwrap();
    assert_eq!((said.name.as_str(), said.version.as_str()), ("corpus", "1.2.3"));
    assert_eq!(translator.check_config("{}").unwrap(), Ok(()));
    let nodes = [node("model", "a"), node("source", "b")];
    assert_eq!(translator.translate("{}", &nodes).unwrap(), vec![Err("no".to_owned()); 2]);
    assert_eq!(translator.translate("{}", &[]).unwrap(), vec![]);
}

#[test]
fn each_misdeed_gets_its_verdict() {
    use CallError as E;
    let call = |describe| Guest { describe, ..Guest::default() };
    let translate = |translate| Guest { translate, ..Guest::default() };
    let late = E::TimedOut(hasty().call_time);
    let memory = E::OutOfMemory(Shortage::Memory(8 << 20));
    let table = |elements: u32| format!("(table $t {elements} funcref)");
    let cases: Vec<(&str, Guest, E)> = vec![
        ("endless loop", call("(call $loop) (i32.const 16)"), late.clone()),
        ("endless start", Guest { more: "(start $loop)".to_owned(), ..Guest::default() }, late.clone()),
        ("endless realloc", Guest { realloc: "(call $loop)", ..Guest::default() }, late.clone()),
        ("endless post-return", Guest { post_return: "(call $loop)", ..Guest::default() }, late.clone()),
        (
            "grows until it is refused, and aborts",
            call("(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable"),
            memory.clone(),
        ),
        (
            "grows for ever",
            call("(loop $l (drop (memory.grow (i32.const 1))) (br $l)) unreachable"),
            late.clone(),
        ),
        (
            "begins with 4 GiB",
            Guest { memory: r#"(memory (export "memory") 65536)"#, ..Guest::default() },
            memory.clone(),
        ),
        (
            "begins with a great table",
            Guest { more: table(1_000_000), ..Guest::default() },
            E::OutOfMemory(Shortage::TableElements(10_000)),
        ),
        (
            "lets a table grow",
            Guest {
                more: table(1),
                describe: "(loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 999)) (i32.const -1))))
                    unreachable",
                ..Guest::default()
            },
            E::OutOfMemory(Shortage::TableElements(10_000)),
        ),
        (
            "recurses",
            Guest {
                more: "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))".to_owned(),
                describe: "(call $deep)",
                ..Guest::default()
            },
            E::StackOverflow,
        ),
        ("answers with 1 GiB of list", translate("(call $list (i32.const 1024) (i32.const 17895697))"), {
            // The list would lie outside of the guest's memory.
            E::BadAnswer("list pointer/length out of bounds of memory".to_owned())
        }),
        (
            "answers with more than the host would hold",
            // 120,000 answers of 60 bytes fit into the guest, and are 7 MB.
            translate("(call $refuse (i32.const 120000))"),
            E::TooMuchData(1 << 20),
        ),
        (
            "answers with too few",
            translate("(call $refuse (i32.const 0))"),
            E::BadAnswer("0 answers for 1 nodes".to_owned()),
        ),
        (
            "answers with what is not UTF-8",
            Guest { more: r#"(data (i32.const 256) "\ff\fe")"#.to_owned(), ..Guest::default() },
            E::BadAnswer("invalid utf-8 sequence of 1 bytes from index 0".to_owned()),
        ),
        (
            "answers with a case that does not exist",
            Guest { more: r#"(data (i32.const 48) "\07")"#.to_owned(), ..Guest::default() },
            E::BadAnswer("invalid expected discriminant".to_owned()),
        ),
        (
            "answers with a pointer into nothing",
            call("(i32.const -4)"),
            E::BadAnswer("pointer out of bounds of memory".to_owned()),
        ),
    ];
    let (patient, hasty) = (sandbox(), Sandbox::new(hasty(), None).unwrap());
    for (name, guest, expected) in cases {
        let sandbox = if expected == late { &hasty } else { &patient };
        let error = match first_error(sandbox, &guest) {
            // The limit has grown with the input.
            E::TooMuchData(limit) => E::TooMuchData(limit >> 20 << 20),
            error => error,
        };
        assert_eq!(error, expected, "{name}");
    }
}

#[test]
fn traps_are_told_with_their_reason_and_place() {
    let error = first_error(&sandbox(), &Guest { describe: "unreachable", ..Guest::default() });
    assert_eq!(error.to_string(), "broke off: it panicked or aborted");
    let divides = Guest {
        more: "(func $average (result i32) (i32.div_u (i32.const 1) (i32.const 0)))".to_owned(),
        describe: "(call $average)",
        ..Guest::default()
    };
    assert_eq!(
        first_error(&sandbox(), &divides).to_string(),
        "broke off: integer divide by zero, in average"
    );
}

#[test]
fn many_instances_are_refused() {
    let instances: String = (0..200).map(|_| "(core instance (instantiate $empty))").collect();
    let guest = Guest { imports: format!("(core module $empty) {instances}"), ..Guest::default() };
    assert_eq!(first_error(&sandbox(), &guest), CallError::OutOfMemory(Shortage::Parts));
}

#[test]
fn a_spinning_plugin_takes_nothing_from_its_neighbour() {
    let sandbox = Sandbox::new(Limits { call_time: Duration::from_secs(3), ..small() }, None).unwrap();
    let spins = Guest { describe: "(call $loop) (i32.const 16)", ..Guest::default() };
    let spins = load(&sandbox, spins.build()).unwrap();
    let works = load(&sandbox, Guest::default().build()).unwrap();
    std::thread::scope(|scope| {
        let spinning = scope.spawn(|| spins.describe());
        let mut answers = 0;
        while !spinning.is_finished() {
            works.describe().unwrap();
            answers += 1;
        }
        assert!(matches!(spinning.join().unwrap(), Err(CallError::TimedOut(_))));
        assert!(answers > 3, "only {answers} answers while it was spinning");
    });
    assert!(works.describe().is_ok());
}

#[test]
fn a_fault_leaves_no_trace_in_the_next_call() {
    // It traps where it finds what an earlier call has left.
    let guest = Guest {
        describe:
            "(if (i32.load (i32.const 512)) (then unreachable)) (i32.store (i32.const 512) (i32.const 1))
            (i32.const 16)",
        check_config: "unreachable",
        ..Guest::default()
    };
    let translator = load(&sandbox(), guest.build()).unwrap();
    for _ in 0..3 {
        assert!(translator.describe().is_ok());
        assert!(translator.check_config("{}").is_err());
    }
}
