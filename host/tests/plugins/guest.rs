//! Translators in WebAssembly's text format, for what no honest tool chain would build.

/// A translator whose functions a test replaces. As it stands it answers each node with the error `no`.
pub struct Guest {
    /// Goes into the component before the core module: imports.
    pub imports: String,
    /// Goes into the core module first: imports.
    pub core_imports: &'static str,
    /// What the core module is instantiated with.
    pub with: &'static str,
    /// The core module's memory.
    pub memory: &'static str,
    /// Goes into the core module: more functions, data, a start function.
    pub more: String,
    /// The body of `describe`.
    pub describe: &'static str,
    /// The body of `check-config`; its parameters are `$ptr` and `$len`.
    pub check_config: &'static str,
    /// The body of `translate`; its parameters are `$ptr`, `$len`, `$nodes` and `$count`.
    pub translate: &'static str,
    /// Runs at the beginning of `realloc`.
    pub realloc: &'static str,
    /// The body of the function that cleans up after `describe`.
    pub post_return: &'static str,
    /// The exported interface.
    pub interface: &'static str,
    /// The type of an asset's group.
    pub group: &'static str,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            imports: String::new(),
            core_imports: "",
            with: "",
            memory: r#"(memory (export "memory") 1)"#,
            more: String::new(),
            describe: "(i32.const 16)",
            check_config: "(i32.const 48)",
            translate: "(call $refuse (local.get $count))",
            realloc: "",
            post_return: "",
            interface: "tidegate:translator/translation@0.1.0",
            group: "(option string)",
        }
    }
}

impl Guest {
    /// The component's bytes.
    pub fn build(&self) -> Vec<u8> {
        component(&self.text())
    }

    fn text(&self) -> String {
        let Self { imports, core_imports, with, memory, more, describe, check_config, translate, .. } = self;
        let Self { realloc, post_return, interface, group, .. } = self;
        format!(
            r#"
(component
  {imports}
  (core module $m
    {core_imports}
    {memory}
    (global $next (mut i32) (i32.const 1024))
    ;; describe: three strings, each a pointer and a length
    (data (i32.const 16) "\00\01\00\00\06\00\00\00" "\10\01\00\00\05\00\00\00" "\20\01\00\00\08\00\00\00")
    ;; check-config: a result without error
    (data (i32.const 48) "\00\00\00\00")
    (data (i32.const 256) "corpus")
    (data (i32.const 272) "1.2.3")
    (data (i32.const 288) "Refuses.")
    (data (i32.const 304) "no")
    {more}
    (func $realloc (export "realloc") (param i32 i32 i32) (param $size i32) (result i32) (local $at i32)
      {realloc}
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (block $fits (loop $again
        (br_if $fits (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (br $again)))
      (local.get $at))
    ;; A list of so many errors: 60 bytes each, a case and a string.
    (func $refuse (param $count i32) (result i32) (local $list i32) (local $at i32) (local $end i32)
      (local.set $list (call $realloc (i32.const 0) (i32.const 0) (i32.const 4)
        (i32.mul (local.get $count) (i32.const 60))))
      (local.set $at (local.get $list))
      (local.set $end (i32.add (local.get $list) (i32.mul (local.get $count) (i32.const 60))))
      (block $done (loop $again
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (i32.store8 (local.get $at) (i32.const 1))
        (i32.store offset=4 (local.get $at) (i32.const 304))
        (i32.store offset=8 (local.get $at) (i32.const 2))
        (local.set $at (i32.add (local.get $at) (i32.const 60)))
        (br $again)))
      (call $list (local.get $list) (local.get $count)))
    (func $list (param $at i32) (param $count i32) (result i32)
      (i32.store (i32.const 64) (local.get $at))
      (i32.store (i32.const 68) (local.get $count))
      (i32.const 64))
    (func $loop (loop $again (br $again)))
    (func (export "describe") (result i32) {describe})
    (func (export "check-config") (param $ptr i32) (param $len i32) (result i32) {check_config})
    (func (export "translate") (param $ptr i32) (param $len i32) (param $nodes i32) (param $count i32) (result i32)
      {translate})
    (func (export "post-return") (param i32) {post_return})
  )
  (core instance $i (instantiate $m {with}))
  (alias core export $i "memory" (core memory $memory))
  (type $description (record (field "name" string) (field "version" string) (field "summary" string)))
  (type $pair (tuple string string))
  (type $asset (record
    (field "key" (list string)) (field "group" {group}) (field "owners" (list string))
    (field "tags" (list $pair)) (field "description" (option string)) (field "metadata" (list $pair))))
  (type $node (record
    (field "unique-id" string) (field "resource-type" string) (field "name" string)
    (field "source-name" (option string)) (field "package-name" string) (field "original-file-path" string)
    (field "fqn" (list string)) (field "database" (option string)) (field "schema" (option string))
    (field "alias" (option string)) (field "materialized" (option string)) (field "tags" (list string))
    (field "description" string) (field "meta" string) (field "entry" string)
    (field "extra" (list $pair)) (field "default-asset" $asset)))
  (type $answer (result $asset (error string)))
  (type $t-describe (func (result $description)))
  (type $t-check (func (param "config" string) (result (result (error string)))))
  (type $t-translate (func (param "config" string) (param "nodes" (list $node)) (result (list $answer))))
  (func $describe (type $t-describe)
    (canon lift (core func $i "describe") (memory $memory) (post-return (core func $i "post-return"))))
  (func $check (type $t-check) (canon lift (core func $i "check-config")
    (memory $memory) (realloc (core func $i "realloc"))))
  (func $translate (type $t-translate) (canon lift (core func $i "translate")
    (memory $memory) (realloc (core func $i "realloc"))))
  (instance $translation
    (export "description" (type $description))
    (export "asset" (type $asset))
    (export "node" (type $node))
    (export "describe" (func $describe))
    (export "check-config" (func $check))
    (export "translate" (func $translate)))
  (export "{interface}" (instance $translation))
)"#
        )
    }
}

/// The binary of a component in the text format.
pub fn component(text: &str) -> Vec<u8> {
    match wat::parse_str(text) {
        Ok(bytes) => bytes,
        Err(error) => panic!("{error}"),
    }
}
