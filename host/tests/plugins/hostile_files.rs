//! Files that are no plugins, or broken ones: each is refused with the fault that it has.

use std::{collections::BTreeSet, path::Path, time::Duration};

use tidegate::plugins::{Limits, LoadFault, Origin, PluginSource, Sandbox, Translator};

use crate::{
    File, built,
    guest::{Guest, component},
    load, node, sandbox, small,
};

fn fault(bytes: impl AsRef<[u8]>) -> LoadFault {
    let error = load(&sandbox(), bytes).map(|_| ()).unwrap_err();
    // A person reads the file's name first.
    assert!(error.to_string().starts_with("plugin `/"), "{error}");
    error.fault
}

/// The name of a fault. A new one does not compile until it is named here, and fails the test until the corpus has it.
fn name(fault: &LoadFault) -> &'static str {
    match fault {
        LoadFault::NotFound(_) => "not found",
        LoadFault::Unreadable(..) => "unreadable",
        LoadFault::NotLocal(_) => "not local",
        LoadFault::UnknownBuiltin { .. } => "unknown builtin",
        LoadFault::Empty => "empty",
        LoadFault::TooLarge { .. } => "too large",
        LoadFault::TextFormat => "text format",
        LoadFault::NativeCode => "native code",
        LoadFault::CoreModule => "core module",
        LoadFault::NotWasm => "not wasm",
        LoadFault::Truncated { .. } => "truncated",
        LoadFault::Invalid { .. } => "invalid",
        LoadFault::NeedsFeature { .. } => "needs feature",
        LoadFault::CompileTimeout(_) => "compile timeout",
        LoadFault::Compiler(_) => "compiler",
        LoadFault::AnotherWorld { .. } => "another world",
        LoadFault::AnotherVersion { .. } => "another version",
        LoadFault::NotGranted { .. } => "not granted",
        LoadFault::WrongTypes { .. } => "wrong types",
        // Those have their tests beside the other kinds and the catalogue.
        LoadFault::AnotherKind { .. } => "another kind",
        LoadFault::Silent(_) => "silent",
        LoadFault::Settings { .. } => "settings",
        LoadFault::Config { .. } => "config",
        LoadFault::Name(_) => "name",
        LoadFault::NotInFolder { .. } => "not in folder",
    }
}

fn prebuilt() -> Vec<u8> {
    let PluginSource::File(path) = built("source-prefix") else { unreachable!() };
    std::fs::read(path).unwrap()
}

fn guest(change: impl FnOnce(&mut Guest)) -> Vec<u8> {
    let mut guest = Guest::default();
    change(&mut guest);
    guest.build()
}

/// A component around a core module.
fn around(core: &str) -> Vec<u8> {
    component(&format!("(component (core module {core}))"))
}

/// Many functions, each with work for the compiler.
fn large(functions: usize) -> Vec<u8> {
    let function = "(func (param i32 i64) (result i32) (i32.add (local.get 0) (i32.wrap_i64 (local.get 1))))";
    around(&function.repeat(functions))
}

#[test]
fn each_broken_file_gets_its_fault() {
    let good = Guest::default().build();
    let mut garbled = good.clone();
    garbled[8..16].fill(0xff);
    let cases: Vec<(LoadFault, &str)> = vec![
        (fault(b""), "the file is empty"),
        (fault(b"<!doctype html>"), "the file holds no WebAssembly"),
        (fault("(component)"), "the file holds WebAssembly as text"),
        (fault(b"\x7fELF\x02\x01\x01"), "the file holds native code, which is never loaded"),
        (fault(wat::parse_str("(module)").unwrap()), "the file holds a core module, not a component"),
        (fault(&good[..5]), "the component ends early, at byte 5: the file is truncated"),
        (fault(&good[..good.len() - 7]), "the component ends early, at byte "),
        // In the middle of its core module, as most copies are cut that do not end.
        (fault(&prebuilt()[..30_000]), "the component ends early, at byte 30000: the file is truncated"),
        (fault(garbled), "the component is not valid at byte 8: "),
        (fault(around("(func (result i32))")), "the component is not valid at byte "),
        (
            fault(component("(component)")),
            "it exports nothing that Tidegate calls: it exports nothing at all",
        ),
        (
            fault(guest(|g| g.interface = "acme:other/world@1.0.0")),
            "it exports nothing that Tidegate calls: it exports `acme:other/world@1.0.0`",
        ),
        (
            fault(guest(|g| g.interface = "tidegate:translator/translation@0.2.0")),
            "it implements `tidegate:translator/translation@0.2.0`, and this Tidegate reads \
             `tidegate:translator/translation@0.1.0`",
        ),
        (
            fault(guest(|g| g.imports = import("wasi:http/outgoing-handler@0.2.0"))),
            "it imports `wasi:http/outgoing-handler@0.2.0`, which plugins do not get",
        ),
        (
            fault(guest(|g| g.imports = import("tidegate:host/runs@0.1.0"))),
            "it imports `tidegate:host/runs@0.1.0`, which plugins do not get",
        ),
        (
            fault(guest(|g| g.imports = import("wasi:random/random@0.2.0"))),
            "it does not fit the contract that it names: component imports instance `wasi:random/random@0.2.0`",
        ),
        (fault(guest(|g| g.group = "string")), "it does not fit the contract that it names: "),
    ];
    let mut seen = BTreeSet::new();
    for (fault, expected) in &cases {
        assert!(fault.to_string().starts_with(expected), "{fault}\n{expected}");
        assert!(fault.hint().is_some(), "{fault}");
        seen.insert(name(fault));
    }
    let features = [
        ("memory64", "(memory i64 1)"),
        ("threads", "(memory 1 1 shared)"),
        ("several memories", "(memory 1) (memory 1)"),
        ("tail calls", "(func $f return_call $f)"),
        (
            "relaxed SIMD",
            "(func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))",
        ),
        ("garbage collection", "(type (struct (field i32)))"),
        ("exceptions", "(tag (param i32))"),
    ];
    for (feature, core) in features {
        let fault = fault(around(core));
        assert_eq!(name(&fault), "needs feature", "{feature}: {fault}");
        seen.insert(name(&fault));
    }
    let parse = |text| PluginSource::parse(text, Path::new("/nowhere"));
    let open = |text| sandbox().open(&parse(text).unwrap()).map(|_| ()).unwrap_err().fault;
    let tiny = |limits: Limits, bytes: Vec<u8>| load(&Sandbox::new(limits, None).unwrap(), bytes).map(|_| ());
    let others = [
        open("plugin.wasm"),
        open("/"),
        parse("oci://registry/plugin").unwrap_err().fault,
        parse("builtin:sorcery").unwrap_err().fault,
        tiny(Limits { component_size: 100, ..small() }, good).unwrap_err().fault,
        tiny(Limits { compile_time: Duration::from_millis(1), ..small() }, large(20_000)).unwrap_err().fault,
        // Its test is beside the code: we know of no component that makes the compiler panic.
        LoadFault::Compiler(String::new()),
    ];
    seen.extend(others.iter().map(name));
    assert_eq!(seen.len(), 19, "{seen:?}");
}

fn import(interface: &str) -> String {
    format!(r#"(import "{interface}" (instance (export "get" (func (param "a" u8) (result u8)))))"#)
}

#[test]
fn a_component_of_fifty_thousand_functions_is_refused_in_time() {
    let sandbox = Sandbox::new(Limits { compile_time: Duration::from_millis(50), ..small() }, None).unwrap();
    let bytes = large(50_000);
    let begun = std::time::Instant::now();
    let error = load(&sandbox, bytes).map(|_| ()).unwrap_err();
    assert!(matches!(error.fault, LoadFault::CompileTimeout(_)), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_truncated_plugin_is_refused_wherever_it_ends() {
    let sandbox = sandbox();
    let whole = prebuilt();
    for end in (0..whole.len()).step_by(1024) {
        assert!(load(&sandbox, &whole[..end]).is_err(), "cut at {end}");
    }
    let whole = Guest::default().build();
    for end in 0..whole.len() {
        // What comes last are the names of functions: without them it is the same plugin.
        if let Ok(translator) = load(&sandbox, &whole[..end]) {
            assert!(end + 500 > whole.len(), "cut at {end} of {}", whole.len());
            assert_eq!(translator.describe().unwrap().name, "corpus");
        }
    }
}

#[test]
fn random_flips_never_take_the_host_with_them() {
    let sandbox = Sandbox::new(Limits { call_time: Duration::from_millis(30), ..small() }, None).unwrap();
    let whole = Guest::default().build();
    let nodes = [node("model", "orders")];
    // xorshift with a fixed seed: the same flips each time.
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    let (mut refused, mut failed, mut fine) = (0, 0, 0);
    for _ in 0..500 {
        let mut bytes = whole.clone();
        bytes[8 + next(whole.len() - 8)] ^= 1 << next(8);
        let Ok(translator) = load(&sandbox, &bytes) else {
            refused += 1;
            continue;
        };
        let said = (translator.describe(), translator.check_config("{}"), translator.translate("{}", &nodes));
        match said {
            (Ok(_), Ok(_), Ok(_)) => fine += 1,
            _ => failed += 1,
        }
    }
    println!("{refused} refused, {failed} failed in a call, {fine} as if nothing had happened");
    assert!(refused > 100 && fine > 0);
}

#[test]
fn a_cached_artifact_that_was_changed_is_compiled_again() {
    let state = tempfile::tempdir().unwrap();
    let plugin = File::new(Guest::default().build());
    let origin = || {
        // A new sandbox each time, as after a restart.
        let sandbox = Sandbox::new(small(), Some(state.path())).unwrap();
        assert_eq!(sandbox.cache_trouble(), None);
        let translator = Translator::load(&sandbox, &plugin.source()).unwrap();
        assert!(translator.describe().is_ok());
        translator.plugin().origin().clone()
    };
    assert_eq!(origin(), Origin::Compiled);
    assert_eq!(origin(), Origin::Cached);

    let artifacts: Vec<_> = std::fs::read_dir(state.path().join("cwasm")).unwrap().collect();
    assert_eq!(artifacts.len(), 1);
    let path = artifacts[0].as_ref().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let Origin::CacheUnusable(why) = origin() else { panic!("the changed artifact was taken") };
    assert!(why.ends_with("is not what Tidegate wrote"), "{why}");
    assert_eq!(origin(), Origin::Cached, "the new artifact replaces the changed one");

    // The artifact itself is never taken for a plugin, whether with the seal or without it.
    let artifact = std::fs::read(&path).unwrap();
    assert_eq!(name(&fault(&artifact[32..])), "native code");
    assert_eq!(name(&fault(&artifact)), "not wasm");
}

#[test]
fn without_a_place_for_the_cache_plugins_still_load() {
    let state = File::new("a file where the state directory should be");
    let sandbox = Sandbox::new(small(), Some(Path::new(&state.source().to_string()))).unwrap();
    assert!(sandbox.cache_trouble().is_some());
    assert!(load(&sandbox, Guest::default().build()).is_ok());
}
