//! Retry policies and notifiers in WebAssembly's text format: what they answer stands in their memory, byte for byte.

use crate::guest::component;

/// A component of one of the two kinds. Its answer is what a test puts at 64.
pub struct Pieces {
    /// The exported interface.
    pub interface: &'static str,
    /// The body of `describe`.
    pub describe: &'static str,
    /// The body of the kind's own function: a pointer to its answer. Its parameters are one pointer.
    pub answer: &'static str,
    /// Goes into the core module: data of the answer, more functions.
    pub more: String,
    /// Goes into the core module: its memory.
    pub memory: &'static str,
    /// The kind's types, up to `$t-call`, and what the interface exports of them.
    pub types: &'static str,
    pub exports: &'static str,
    /// The name of the kind's own function.
    pub function: &'static str,
    /// The parameters of it as the core module has them.
    pub flat: &'static str,
    /// The body of `check-config`.
    pub check_config: &'static str,
}

const RETRY_TYPES: &str = r#"
  (type $failed-node (record
    (field "unique-id" string) (field "resource-type" string) (field "name" string) (field "state" string)
    (field "message" (option string)) (field "failures" (option u64)) (field "started-at" (option u64))
    (field "took" (option u64)) (field "tags" (list string)) (field "meta" string) (field "failed-attempts" u32)
    (field "extra" (list $pair))))
  (type $earlier-attempt (record
    (field "attempt" u32) (field "kind" string) (field "message" (option string)) (field "failed" (list string))
    (field "started-at" u64) (field "finished-at" u64) (field "waited" u64) (field "reason" string)))
  (type $failure (record
    (field "project" string) (field "job" (option string)) (field "run" u64) (field "step" u32)
    (field "command" (list string)) (field "attempt" u32) (field "kind" string) (field "exit-code" (option s32))
    (field "signal" (option s32)) (field "message" (option string)) (field "failed" (list $failed-node))
    (field "failed-total" u32) (field "unfinished" (list string)) (field "unfinished-total" u32)
    (field "earlier" (list $earlier-attempt)) (field "threads" (option u32)) (field "started-at" u64)
    (field "finished-at" u64) (field "now" u64) (field "seed" u64) (field "extra" (list $pair))))
  (type $scope (enum "all" "unfinished"))
  (type $retry (record (field "after" u64) (field "scope" $scope) (field "threads" (option u32))))
  (type $decision (variant (case "give-up") (case "retry" $retry)))
  (type $answer (record (field "decision" $decision) (field "reason" string)))
  (type $t-call (func (param "config" string) (param "failure" $failure) (result (result $answer (error string)))))
"#;

const RETRY_EXPORTS: &str = r#"
    (export "failed-node" (type $failed-node)) (export "earlier-attempt" (type $earlier-attempt))
    (export "failure" (type $failure)) (export "scope" (type $scope)) (export "retry" (type $retry))
    (export "decision" (type $decision)) (export "answer" (type $answer))
"#;

const NOTIFIER_TYPES: &str = r#"
  (type $destination (record (field "name" string) (field "kind" string)))
  (type $node (record
    (field "unique-id" string) (field "asset-key" (option string)) (field "resource-type" string) (field "name" string)
    (field "state" string) (field "message" (option string)) (field "detail" (option string))
    (field "failures" (option u64)) (field "query" (option string)) (field "path" (option string))
    (field "owners" (list string)) (field "took" (option u64)) (field "link" (option string))
    (field "extra" (list $pair))))
  (type $attempt (record
    (field "step" u32) (field "attempt" u32) (field "command" string) (field "state" string)
    (field "reason" (option string)) (field "decision" (option string)) (field "took" (option u64))))
  (type $count (tuple string u32))
  (type $run (record
    (field "id" u64) (field "state" string) (field "reason" (option string)) (field "user" string) (field "via" string)
    (field "target" (option string)) (field "requested-at" string) (field "started-at" (option string))
    (field "finished-at" (option string)) (field "took" (option u64)) (field "usually-took" (option u64))
    (field "counts" (list $count)) (field "attempts" (list $attempt)) (field "link" (option string))))
  (type $notification (record
    (field "id" string) (field "kind" string) (field "severity" string) (field "at" string) (field "title" string)
    (field "text" (option string)) (field "alert" string) (field "project" (option string)) (field "job" (option string))
    (field "run" (option $run)) (field "nodes" (list $node)) (field "nodes-total" u32) (field "skipped" (list string))
    (field "skipped-total" u32) (field "owners" (list string)) (field "link" (option string))
    (field "extra" (list $pair))))
  (type $request (record
    (field "destination" string) (field "method" string) (field "path" string) (field "headers" (list $pair))
    (field "body" (list u8))))
  (type $t-call (func (param "config" string) (param "destinations" (list $destination))
    (param "notification" $notification) (result (result (list $request) (error string)))))
"#;

const NOTIFIER_EXPORTS: &str = r#"
    (export "destination" (type $destination)) (export "node" (type $node)) (export "attempt" (type $attempt))
    (export "run" (type $run)) (export "notification" (type $notification)) (export "request" (type $request))
"#;

/// Bytes as data of a module.
pub fn data(at: usize, bytes: &[u8]) -> String {
    let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {at}) \"{bytes}\")")
}

/// A list or a text as it lies in memory: where it is, and how long.
pub fn fat(at: u32, len: usize) -> Vec<u8> {
    let len = u32::try_from(len).unwrap();
    [at.to_le_bytes(), len.to_le_bytes()].concat()
}

impl Pieces {
    /// A retry policy whose answer is this. `None` gives up.
    pub fn retry_policy(retry: Option<(u64, u8, Option<u32>)>, reason: &str) -> Self {
        let (after, scope, threads) = retry.unwrap_or_default();
        // result: tag, 8-aligned; decision: tag, 8-aligned; retry: after, scope, option; then the reason.
        let mut answer = vec![0; 8];
        answer.extend([u64::from(retry.is_some()).to_le_bytes(), after.to_le_bytes()].concat());
        answer.extend([scope, 0, 0, 0, u8::from(threads.is_some()), 0, 0, 0]);
        answer.extend(threads.unwrap_or_default().to_le_bytes());
        answer.extend([0; 4]);
        answer.extend(fat(512, reason.len()));
        Self {
            more: data(64, &answer) + &data(512, reason.as_bytes()),
            ..Self::of(
                "tidegate:retry-policy/retrying@0.1.0",
                RETRY_TYPES,
                RETRY_EXPORTS,
                "decide",
                "(param i32)",
            )
        }
    }

    /// A notifier that sends this body to a destination, with one header.
    pub fn notifier(destination: &str, path: &str, header: (&str, &str), body: &[u8]) -> Self {
        let (name, value) = header;
        let mut request = fat(512, destination.len());
        request.extend(fat(600, 4));
        request.extend(fat(620, path.len()));
        request.extend(fat(300, 1));
        request.extend(fat(2048, body.len()));
        let mut answer = vec![0; 4];
        answer.extend(fat(128, 1));
        let pieces = [
            data(64, &answer),
            data(128, &request),
            data(300, &[fat(700, name.len()), fat(800, value.len())].concat()),
            data(512, destination.as_bytes()),
            data(600, b"POST"),
            data(620, path.as_bytes()),
            data(700, name.as_bytes()),
            data(800, value.as_bytes()),
            data(2048, body),
        ];
        Self {
            more: pieces.concat(),
            ..Self::of(
                "tidegate:notifier/notifying@0.1.0",
                NOTIFIER_TYPES,
                NOTIFIER_EXPORTS,
                "render",
                "(param i32)",
            )
        }
    }

    fn of(
        interface: &'static str,
        types: &'static str,
        exports: &'static str,
        function: &'static str,
        flat: &'static str,
    ) -> Self {
        Self {
            interface,
            describe: "(i32.const 16)",
            answer: "(i32.const 64)",
            more: String::new(),
            memory: r#"(memory (export "memory") 1)"#,
            types,
            exports,
            function,
            flat,
            check_config: "(i32.const 48)",
        }
    }

    /// The component's bytes.
    pub fn build(&self) -> Vec<u8> {
        let Self { interface, describe, answer, more, memory, types, exports, function, flat, check_config } =
            self;
        component(&format!(
            r#"
(component
  (core module $m
    {memory}
    (global $next (mut i32) (i32.const 8192))
    (data (i32.const 16) "\00\04\00\00\06\00\00\00" "\10\04\00\00\05\00\00\00" "\20\04\00\00\05\00\00\00")
    (data (i32.const 48) "\00\00\00\00")
    (data (i32.const 1024) "pieces")
    (data (i32.const 1040) "1.2.3")
    (data (i32.const 1056) "Does.")
    {more}
    (func $realloc (export "realloc") (param i32 i32 i32) (param $size i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (block $fits (loop $again
        (br_if $fits (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (br $again)))
      (local.get $at))
    (func $loop (loop $again (br $again)))
    (func (export "describe") (result i32) {describe})
    (func (export "check-config") (param $ptr i32) (param $len i32) (result i32) {check_config})
    (func (export "call") {flat} (result i32) {answer})
  )
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (type $pair (tuple string string))
  (type $description (record (field "name" string) (field "version" string) (field "summary" string)))
  (type $t-describe (func (result $description)))
  (type $t-check (func (param "config" string) (result (result (error string)))))
  {types}
  (func $describe (type $t-describe) (canon lift (core func $i "describe") (memory $memory)))
  (func $check (type $t-check) (canon lift (core func $i "check-config")
    (memory $memory) (realloc (core func $i "realloc"))))
  (func $call (type $t-call) (canon lift (core func $i "call")
    (memory $memory) (realloc (core func $i "realloc"))))
  (instance $contract
    (export "description" (type $description))
    {exports}
    (export "describe" (func $describe))
    (export "check-config" (func $check))
    (export "{function}" (func $call)))
  (export "{interface}" (instance $contract))
)"#
        ))
    }
}
