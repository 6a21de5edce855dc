//! The plugins folder of a running host: what is taken up, what is refused, and what goes on meanwhile.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::support::{Sandbox, text};

/// A component that is a translator.
fn source_prefix() -> Vec<u8> {
    let prebuilt =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/prebuilt/source-prefix.wasm"));
    fs::read(prebuilt).unwrap()
}

/// The same with a note at its end: another file that does the same.
fn with_a_note() -> Vec<u8> {
    let mut bytes = source_prefix();
    bytes.extend(b"\0\x07\x04note!!");
    bytes
}

fn shop() -> Sandbox {
    let shop = Sandbox::models(&[("orders", "select 1 as id")]);
    shop.write("models/sources.yml", "sources: [{name: raw, tables: [{name: rows}]}]\n");
    shop.write(
        "tidegate.toml",
        "[projects.tiny]\ntranslator = { plugin = \"keys\", config = { prefix = \"lake\" } }\n\
         [jobs.build]\nsteps = [\"dbt build\"]\n",
    );
    shop
}

/// Puts a file into the plugins folder as people do: by copying over what is there.
fn put(shop: &Sandbox, name: &str, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(shop.file("plugins")).unwrap();
    fs::write(shop.file("plugins").join(name), bytes).unwrap();
}

fn listed(shop: &Sandbox, name: &str) -> Value {
    let rows = shop.run(&["plugin", "ls", "--json"]).code(0).json();
    rows.as_array().unwrap().iter().find(|row| row["name"] == name).cloned().unwrap_or_default()
}

#[test]
fn plugins_come_change_and_go_under_a_running_host() {
    let shop = shop();
    let mut service = shop.serve(&[]);
    // The configuration names what is not there yet: that costs the project nothing but a warning.
    service.wait_for("there is no plugin `keys`");
    let missing = listed(&shop, "keys");
    assert_eq!(missing["state"], "refused", "{missing}");
    assert!(text(&missing["hint"]).starts_with("put `keys.wasm` there"), "{missing}");

    put(&shop, "keys.wasm", source_prefix());
    service.wait_for("plugin loaded");
    let first = listed(&shop, "keys");
    assert_eq!((&first["state"], &first["kind"]), (&"ready".into(), &"translator".into()), "{first}");
    assert_eq!(first["used_by"], serde_json::json!(["project tiny"]));
    shop.run(&["assets"]).code(0).out_has("lake/raw/rows");

    // Half a file changes nothing, and says why.
    let whole = with_a_note();
    put(&shop, "keys.wasm", &whole[..whole.len() / 2]);
    service.wait_for("the one before it is still used");
    let refused = listed(&shop, "keys");
    assert_eq!((&refused["state"], &refused["digest"]), (&"refused".into(), &first["digest"]), "{refused}");
    assert!(text(&refused["reason"]).contains("the file is truncated"), "{refused}");
    let said = shop.run(&["plugin", "ls"]).code(0);
    assert!(said.out.contains("refused; the one before is used"), "{}", said.out);
    shop.run(&["run", "build"]).code(0);
    let calls = shop.run(&["plugin", "calls", "keys", "--json"]).code(0).json();
    assert_eq!((&calls[0]["subject"], &calls[0]["verdict"]), (&"run 1".into(), &"ok".into()), "{calls}");
    assert_eq!(calls[0]["plugin"]["digest"], first["digest"], "the old one did it: {calls}");
    assert_eq!(calls[0]["input"]["config"]["prefix"], "lake");
    assert_eq!(calls[0]["answer"]["source.tiny.raw.rows"], "lake/raw/rows");

    // The rest of it arrives.
    put(&shop, "keys.wasm", &whole);
    shop.wait_for("the newer one", || listed(&shop, "keys")["state"] == "ready");
    let second = listed(&shop, "keys");
    assert_ne!(second["digest"], first["digest"]);
    assert_eq!(second["reason"], Value::Null);
    shop.run(&["run", "build"]).code(0);
    let said = shop.run(&["plugin", "calls", "keys"]).code(0);
    assert!(said.out.contains("run 2") && said.out.contains("2 assets"), "{}", said.out);
    let calls = shop.run(&["plugin", "calls", "keys", "--json", "-n", "1"]).code(0).json();
    assert_eq!(calls.as_array().unwrap().len(), 1);
    assert_eq!(calls[0]["plugin"]["digest"], second["digest"]);
    assert!(calls[0]["micros"].as_u64().unwrap() > 0 && calls[0]["peak_memory"].as_u64().unwrap() > 0);

    // A host that finds what was there has nothing to say about it.
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0));
    let service = shop.serve(&[]);
    service.wait_for("project read");
    put(&shop, "Not A Name.wasm", &whole);
    service.wait_for("cannot be the name of a plugin");
    assert!(!service.log().contains("plugin loaded"), "{}", service.log());

    fs::remove_file(shop.file("plugins/keys.wasm")).unwrap();
    service.wait_for("plugin removed");
    assert!(text(&listed(&shop, "keys")["reason"]).contains("there is no plugin `keys`"));
    shop.run(&["run", "build"]).code(0).err_has("there is no plugin `keys`");
    let last = &shop.runs()[2];
    assert_eq!(last["state"], "succeeded", "a translator that is gone fails no run: {last}");
}

#[test]
fn the_list_needs_no_host() {
    let shop = shop();
    let said = shop.run(&["plugin", "ls"]).code(0);
    assert!(said.out.contains("keys") && said.out.contains("refused"), "{}", said.out);
    put(&shop, "keys.wasm", source_prefix());
    put(&shop, "half.wasm", &source_prefix()[..source_prefix().len() / 2]);
    assert_eq!(listed(&shop, "keys")["state"], "ready");
    assert!(text(&listed(&shop, "half")["reason"]).contains("truncated"));
    assert_eq!(listed(&shop, "builtin:source-prefix"), Value::Null);
    let said = shop.run(&["plugin", "ls", "--all"]).code(0);
    assert!(said.out.contains("builtin:source-prefix"), "{}", said.out);
    shop.run(&["plugin", "calls", "kesy"]).code(0).err_has("there are no calls of `kesy` on record");
    // An errand takes up what is there as well.
    shop.run(&["run", "build"]).code(0);
    shop.run(&["plugin", "calls", "keys"]).code(0).out_has("run 1");
}
