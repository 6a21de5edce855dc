//! The catalogue over a folder that changes: what is used, what is refused, and what stays.

use std::{fs, path::PathBuf, sync::Arc};

use tempfile::TempDir;
use tidegate::plugins::{Catalogue, FolderPlugin, LoadFault};

use crate::{guest::Guest, kinds::failure, pieces::Pieces, sandbox};

struct Folder {
    root: TempDir,
    catalogue: Catalogue,
}

impl Folder {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::new(sandbox(), Some(root.path().join("plugins")));
        Self { root, catalogue }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("plugins").join(name)
    }

    /// Puts a file into the folder as a copy would: a new file in the place of the old one.
    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path("")).unwrap();
        let new = self.root.path().join("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    fn one(&self, name: &str) -> FolderPlugin {
        self.catalogue.in_folder().into_iter().find(|plugin| plugin.name == name).unwrap()
    }

    fn refusal(&self, name: &str) -> String {
        self.one(name).refused.unwrap().0
    }
}

fn gives_up(reason: &str) -> Vec<u8> {
    Pieces::retry_policy(None, reason).build()
}

fn reason(catalogue: &Catalogue, reference: &str) -> String {
    let policy = catalogue.retry_policy(reference).unwrap();
    policy.decide("{}", &failure(0)).outcome.unwrap().unwrap().reason
}

#[test]
fn a_plugin_comes_changes_and_goes() {
    let folder = Folder::new();
    let catalogue = &folder.catalogue;
    assert!(!catalogue.scan(false).changed, "a folder that does not exist is an empty one");
    folder.put("calm.wasm", gives_up("one"));
    assert!(catalogue.scan(false).changed);
    assert!(!catalogue.scan(false).changed, "what has not changed is not loaded again");
    assert_eq!(reason(catalogue, "calm"), "one");
    let first = folder.one("calm").works.unwrap();
    let held = catalogue.retry_policy("calm").unwrap();

    folder.put("calm.wasm", gives_up("two"));
    assert!(catalogue.scan(false).changed);
    assert_eq!(reason(catalogue, "calm"), "two");
    assert_ne!(folder.one("calm").works.unwrap().digest, first.digest);
    let answer = held.decide("{}", &failure(0)).outcome.unwrap().unwrap();
    assert_eq!(answer.reason, "one", "whoever began with the old one ends with it");

    fs::remove_file(folder.path("calm.wasm")).unwrap();
    assert!(catalogue.scan(false).changed);
    assert_eq!(catalogue.in_folder(), []);
    let error = catalogue.retry_policy("calm").map(|_| ()).unwrap_err();
    assert!(matches!(error.fault, LoadFault::NotInFolder { .. }), "{error}");
    assert!(error.hint().unwrap().starts_with("put `calm.wasm` there"), "{error}");
}

#[test]
fn a_bad_file_leaves_the_old_one_working_and_says_why() {
    let folder = Folder::new();
    let whole = gives_up("one");
    folder.put("calm.wasm", &whole);
    folder.catalogue.scan(false);
    for (bytes, why) in [
        (&whole[..whole.len() / 2], "the file is truncated"),
        (&b""[..], "the file is empty"),
        (&b"<html>"[..], "no WebAssembly"),
    ] {
        folder.put("calm.wasm", bytes);
        assert!(folder.catalogue.scan(false).changed);
        assert!(folder.refusal("calm").contains(why), "{}", folder.refusal("calm"));
        assert_eq!(reason(&folder.catalogue, "calm"), "one");
        assert!(!folder.catalogue.scan(false).changed, "the same bad file is tried once");
    }
    folder.put("calm.wasm", gives_up("two"));
    folder.catalogue.scan(false);
    assert_eq!((folder.one("calm").refused, reason(&folder.catalogue, "calm")), (None, "two".to_owned()));
}

#[test]
fn a_bad_file_with_nothing_before_it_is_refused_each_time_that_it_is_asked_for() {
    let folder = Folder::new();
    folder.put("bad.wasm", "no plugin");
    folder.catalogue.scan(false);
    assert_eq!(folder.one("bad").works, None);
    for _ in 0..2 {
        let error = folder.catalogue.retry_policy("bad").map(|_| ()).unwrap_err();
        assert!(error.to_string().starts_with("plugin `bad`: the file holds no WebAssembly"), "{error}");
    }
}

#[test]
fn a_file_that_is_still_being_written_is_left_alone() {
    let folder = Folder::new();
    let whole = gives_up("one");
    folder.put("calm.wasm", &whole[..100]);
    assert!(!folder.catalogue.scan(true).changed);
    fs::write(folder.path("calm.wasm"), &whole[..200]).unwrap();
    assert!(!folder.catalogue.scan(true).changed);
    fs::write(folder.path("calm.wasm"), &whole).unwrap();
    assert!(!folder.catalogue.scan(true).changed);
    assert_eq!(folder.catalogue.in_folder(), []);
    assert!(folder.catalogue.scan(true).changed);
    assert_eq!(folder.one("calm").refused, None);
    // A file that is gone for one look may be on its way back.
    fs::remove_file(folder.path("calm.wasm")).unwrap();
    assert!(!folder.catalogue.scan(true).changed);
    assert_eq!(reason(&folder.catalogue, "calm"), "one");
    assert!(folder.catalogue.scan(true).changed);
    assert_eq!(folder.catalogue.in_folder(), []);
}

#[test]
fn names_that_are_none_are_refused_with_what_to_do() {
    let folder = Folder::new();
    folder.put("My Plugin.wasm", gives_up("one"));
    folder.put(".hidden.wasm", gives_up("one"));
    folder.put("notes.txt", "");
    folder.catalogue.scan(false);
    let found = folder.catalogue.in_folder();
    assert_eq!(found.len(), 1, "{found:?}");
    let (why, hint) = found[0].refused.clone().unwrap();
    assert_eq!(why, "`My Plugin` cannot be the name of a plugin");
    assert!(hint.unwrap().contains("lowercase letters"));
    let error = folder.catalogue.retry_policy("My Plugin").map(|_| ()).unwrap_err();
    assert!(matches!(error.fault, LoadFault::Name(_)), "{error}");
}

#[test]
fn settings_beside_a_plugin_belong_to_it() {
    let folder = Folder::new();
    let catalogue = &folder.catalogue;
    let hook = Pieces::notifier("ops", "", ("A", ""), b"{}").build();
    folder.put("ops.wasm", &hook);
    folder.put("ops.toml", "on = [\"run_failed\"]\nconfig = { a = 1 }\n[limits]\ntime = \"1s\"\n");
    folder.put("calm.wasm", gives_up("one"));
    catalogue.scan(false);
    let settings = catalogue.settings("ops");
    assert_eq!(settings.keys().collect::<Vec<_>>(), ["config", "on"]);
    assert!(catalogue.settings("calm").is_empty());
    assert_eq!(catalogue.notifiers(), ["ops"]);

    let before = catalogue.notifier("ops").unwrap();
    folder.put("ops.toml", "on = [");
    assert!(catalogue.scan(false).changed, "the settings count as much as the plugin");
    assert!(folder.refusal("ops").contains("ops.toml: TOML parse error"), "{}", folder.refusal("ops"));
    assert_eq!(catalogue.settings("ops"), settings, "plugin and settings are exchanged together");
    assert!(Arc::ptr_eq(&before, &catalogue.notifier("ops").unwrap()));
    fs::remove_file(folder.path("ops.toml")).unwrap();
    catalogue.scan(false);
    assert!(catalogue.settings("ops").is_empty() && folder.one("ops").refused.is_none());

    folder.put("calm.toml", "on = []");
    catalogue.scan(false);
    assert!(folder.refusal("calm").contains("unknown key `on`: a retry policy has limits and config"));
}

#[test]
fn a_configuration_that_the_plugin_refuses_is_found_when_it_is_loaded() {
    let folder = Folder::new();
    // Refuses every configuration with `no`.
    let picky = Guest {
        check_config: "(i32.store8 (i32.const 48) (i32.const 1))
        (i32.store (i32.const 52) (i32.const 304)) (i32.store (i32.const 56) (i32.const 2)) (i32.const 48)",
        ..Guest::default()
    };
    folder.put("picky.wasm", picky.build());
    folder.catalogue.scan(false);
    assert_eq!(folder.one("picky").refused, None, "without a configuration there is nothing to refuse");
    folder.put("picky.toml", "[config]\na = 1");
    folder.catalogue.scan(false);
    assert!(folder.refusal("picky").ends_with("picky.toml: no"), "{}", folder.refusal("picky"));
}

#[test]
fn limits_of_the_settings_count() {
    let folder = Folder::new();
    let spins = Pieces { answer: "(call $loop) unreachable", ..Pieces::retry_policy(None, "x") };
    folder.put("spins.wasm", spins.build());
    folder.put("spins.toml", "[limits]\ntime = \"50ms\"");
    folder.catalogue.scan(false);
    let error =
        folder.catalogue.retry_policy("spins").unwrap().decide("{}", &failure(0)).outcome.unwrap_err();
    assert_eq!(error.to_string(), "gave no answer within 0.05 s");
}

#[test]
fn plugins_by_path_are_kept_and_exchanged_too() {
    let folder = Folder::new();
    let path = folder.root.path().join("elsewhere.wasm");
    let reference = path.to_str().unwrap();
    fs::write(&path, gives_up("one")).unwrap();
    let first = folder.catalogue.retry_policy(reference).unwrap();
    assert!(Arc::ptr_eq(&first, &folder.catalogue.retry_policy(reference).unwrap()), "loaded once");
    fs::write(&path, "half").unwrap();
    let scan = folder.catalogue.scan(false);
    assert!(scan.notes[0].ends_with("what was used before still is"), "{scan:?}");
    assert_eq!(reason(&folder.catalogue, reference), "one");
    fs::write(&path, gives_up("three")).unwrap();
    let scan = folder.catalogue.scan(false);
    assert!(scan.notes[0].ends_with("is version 1.2.3 now"), "{scan:?}");
    assert_eq!(reason(&folder.catalogue, reference), "three");
    assert_eq!(folder.catalogue.in_folder(), [], "it is none of the folder's");
    fs::remove_file(&path).unwrap();
    folder.catalogue.scan(false);
    assert_eq!(reason(&folder.catalogue, reference), "three");
}

#[test]
fn a_path_into_the_folder_is_the_plugin_of_that_name() {
    let folder = Folder::new();
    folder.put("calm.wasm", gives_up("one"));
    let by_path = folder.catalogue.retry_policy(folder.path("calm.wasm").to_str().unwrap()).unwrap();
    assert!(Arc::ptr_eq(&by_path, &folder.catalogue.retry_policy("calm").unwrap()));
}

#[test]
fn a_translator_is_what_lies_there_now_unless_that_is_broken() {
    let folder = Folder::new();
    let guest = |version: &str| {
        Guest { more: format!("(data (i32.const 272) \"{version}\")"), ..Guest::default() }.build()
    };
    let version = || folder.catalogue.translator("keys").unwrap().describe().unwrap().version;
    folder.put("keys.wasm", guest("1.0.0"));
    assert_eq!(version(), "1.0.0");
    folder.put("keys.wasm", guest("2.0.0"));
    assert_eq!(version(), "2.0.0");
    folder.put("keys.wasm", "half");
    assert_eq!(version(), "2.0.0");
    assert_eq!(folder.one("keys").refused, None, "it may be half written");
    assert!(!folder.catalogue.scan(true).changed && folder.catalogue.scan(true).changed);
    assert!(folder.refusal("keys").contains("no WebAssembly"));
    assert_eq!(version(), "2.0.0");
    let error = folder.catalogue.notifier("keys").map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("it is a translator, and a notifier is wanted here"), "{error}");
}

#[test]
fn references_that_lead_nowhere_say_so() {
    let folder = Folder::new();
    let fault = |reference: &str| folder.catalogue.plugin(reference).map(|_| ()).unwrap_err().fault;
    assert!(matches!(fault("builtin:sorcery"), LoadFault::UnknownBuiltin { .. }));
    assert!(matches!(fault("/nowhere/a.wasm"), LoadFault::NotFound(_)));
    assert!(matches!(fault("https://example.com/a.wasm"), LoadFault::NotLocal(_)));
    assert!(matches!(fault("nothing"), LoadFault::NotInFolder { .. }));
    assert!(folder.catalogue.plugin("builtin:source-prefix").is_ok());
    let error = folder.catalogue.plugin("nothing").map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("plugin `nothing`: there is no plugin `nothing` in /"), "{error}");
}

#[test]
fn whoever_asks_at_one_time_gets_one_plugin() {
    let folder = Folder::new();
    folder.put("calm.wasm", gives_up("one"));
    let found: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..8).map(|_| scope.spawn(|| folder.catalogue.retry_policy("calm").unwrap())).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.iter().all(|policy| Arc::ptr_eq(policy, &found[0])), "it was loaded several times");
}
