//! Bad input gets a clear error, and nothing is lost: each mistake has its sentence and its exit code.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::support::{Sandbox, dbt_bin};

fn tiny() -> Sandbox {
    Sandbox::models(&[("one", "select 1 as id"), ("two", "select * from {{ ref('one') }}")])
}

#[test]
fn no_dbt() {
    let mut shop = tiny();
    shop.path = "/usr/bin:/bin".to_owned();
    shop.run(&["run", "build"]).code(2).out_has("there is no `dbt` on the PATH").out_has("hint:");
    shop.append("tidegate.toml", "");
    shop.write(
        "tidegate.toml",
        "[projects.tiny]\ndbt = \"venv/bin/dbt\"\n[jobs.build]\nsteps = [\"dbt build\"]\n",
    );
    shop.run(&["check"]).code(2).out_has("there is no dbt executable at").out_has("venv/bin/dbt");
    assert_eq!(shop.show(1)["state"], "refused", "a request is never lost, not even one that cannot be run");
}

#[test]
fn a_dbt_that_is_too_old_or_too_new() {
    let shop = tiny();
    for (version, schema) in [("1.7.19", "v11"), ("2.0.9", "v12")] {
        let manifest = format!(
            r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/{schema}.json",
                "dbt_version": "{version}", "adapter_type": "duckdb"}}, "nodes": {{}}, "sources": {{}}}}"#
        );
        shop.write("fixed.json", &manifest);
        shop.write(
            "tidegate.toml",
            "[projects.tiny]\nmanifest = \"fixed.json\"\n[jobs.build]\nsteps = [\"dbt build\"]\n",
        );
        shop.run(&["assets"]).code(2).err_has(version).err_has("1.8");
        shop.run(&["run", "build"]).code(2).out_has(version);
    }
}

#[test]
fn what_dbt_cannot_parse_is_said_in_dbts_words_and_the_last_good_assets_stay() {
    let shop = tiny();
    shop.run(&["assets"]).code(0).out_has("two");
    let good = shop.read("models/two.sql");

    shop.write("models/two.sql", "select * from {{ ref('one') ");
    shop.run(&["run", "build"]).code(2).out_has("Compilation Error").out_has("models/two.sql");
    shop.run(&["assets"]).code(0).err_has("Compilation Error").err_has("as it was when").out_has("two");
    shop.write("models/two.sql", &good);

    shop.write("models/broken.yml", "models:\n  - name: one\n   description: 'odd\n");
    shop.run(&["run", "build"]).code(2).out_has("broken.yml");
    fs::remove_file(shop.file("models/broken.yml")).unwrap();

    shop.write("profiles.yml", "other: {target: dev, outputs: {dev: {type: duckdb, path: x.duckdb}}}\n");
    shop.run(&["run", "build"]).code(2).out_has("profile named 'tiny'").out_has("profiles.yml is looked for");

    shop.write("profiles.yml", "tiny: {target: dev, outputs: {dev: {type: postgres, host: h, user: u, password: p, port: 1, dbname: d, schema: s}}}\n");
    shop.run(&["run", "build"])
        .code(2)
        .out_has("Could not find adapter type postgres")
        .out_has("install the adapter");
    shop.run(&["assets", "--json"]).code(0).out_has("model.tiny.two");
}

#[test]
fn a_locked_database_file() {
    let shop = tiny();
    let script = "import duckdb, sys, time; c = duckdb.connect('tiny.duckdb'); print('locked', flush=True); time.sleep(3600)";
    let mut holder = Command::new(dbt_bin().join("python"))
        .args(["-c", script])
        .current_dir(shop.dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut [0; 6]).unwrap();
    let said = shop.run(&["run", "build"]).code(1);
    assert!(said.out.contains("Could not set lock on file"), "{}", said.out);
    holder.kill().unwrap();
    holder.wait().unwrap();
    shop.run(&["run", "build"]).code(0);
}

#[test]
fn unknown_jobs_and_selections() {
    let shop = tiny();
    shop.append("tidegate.toml", "[jobs.none]\nsteps = [\"dbt build --select nothing\"]\nempty = \"fail\"\n");
    shop.run(&["run", "biuld"]).code(2).err_has("there is no job `biuld`").err_has("did you mean `build`?");
    shop.run(&["materialize", "key:twoo"]).code(2).err_has("did you mean `key:two`?");
    shop.run(&["materialize", "--", "--full-refresh"]).code(2).err_has("is not a selection");
    let said = shop.run(&["materialize", "nothing"]).code(0);
    assert!(
        said.out.contains("had nothing to do (empty)") && said.out.contains("'nothing' does not match"),
        "{}",
        said.out
    );
    shop.run(&["run", "none"]).code(3);
    shop.run(&["materialize", "selector_is_odd:x"]).code(1).out_has("selector_is_odd");
    shop.run(&["runs", "show", "99"]).code(2).err_has("there is no run 99");
    shop.run(&["runs", "show", "x"]).code(2).err_has("is not a run id");
    shop.run(&["logs", "1", "--node", "nobody"]).code(2).err_has("has no node `nobody`");
    shop.run(&["assets", "show", "tow"]).code(2).err_has("there is no asset `tow`");
}

#[test]
fn two_nodes_with_one_key() {
    let shop = tiny();
    shop.write(
        "models/_models.yml",
        "models:\n  - name: two\n    config: {meta: {dagster: {asset_key: one}}}\n",
    );
    let said = shop.run(&["run", "build"]).code(2);
    assert!(said.out.contains("models/one.sql") && said.out.contains("models/two.sql"), "{}", said.out);
}

#[test]
fn a_damaged_manifest_is_made_again() {
    let shop = tiny();
    shop.run(&["assets"]).code(0);
    let file = ".tidegate/projects/tiny/manifest.json";
    let whole = shop.read(file);
    shop.write(file, &whole[..whole.len() / 2]);
    shop.run(&["assets"]).code(0).err_has("parsing the project").out_has("two");
    // One that was built elsewhere is not ours to make.
    shop.write("fixed.json", &whole[..whole.len() / 2]);
    shop.write("tidegate.toml", "[projects.tiny]\nmanifest = \"fixed.json\"\n");
    shop.run(&["assets"]).code(2).err_has("fixed.json");
}

#[test]
fn damaged_and_newer_databases() {
    let shop = tiny();
    shop.run(&["materialize", "one"]).code(0);
    let file = shop.file(".tidegate/tidegate.db");
    let sound = fs::read(&file).unwrap();

    fs::write(&file, b"this is not a database, and it is long enough to be taken for one by its size alone")
        .unwrap();
    shop.run(&["run", "build"]).code(2).err_has("the database is damaged").err_has("move it away");
    shop.run(&["runs"]).code(2).err_has("the database is damaged");
    shop.run(&["check"]).code(2).out_has("damaged");

    // Bytes 60 to 63 of a SQLite file are the version that its owner gives it.
    let mut newer = sound.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&file, newer).unwrap();
    shop.run(&["run", "build"]).code(2).err_has("has version 99").err_has("newer Tidegate");

    // As the hint says: moved away, and the numbers go on behind what is there.
    fs::remove_file(&file).unwrap();
    shop.run(&["materialize", "one"]).code(0).out_has("run 2 of");
}

#[test]
fn plugins_that_are_none() {
    let shop = tiny();
    let good = include_bytes!("../../../plugins/prebuilt/source-prefix.wasm");
    fs::write(shop.file("cut.wasm"), &good[..good.len() / 2]).unwrap();
    fs::write(shop.file("core.wasm"), wat::parse_str("(module)").unwrap()).unwrap();
    fs::write(shop.file("world.wasm"), wat::parse_str("(component)").unwrap()).unwrap();
    let bytes = good.as_slice();
    let from = b"tidegate:translator/translation@0.1.0";
    let to = b"tidegate:translator/translation@0.9.0";
    let mut other = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(from) {
            other.extend_from_slice(to);
            at += from.len();
        } else {
            other.push(bytes[at]);
            at += 1;
        }
    }
    fs::write(shop.file("version.wasm"), other).unwrap();
    for (file, sentence) in [
        ("cut.wasm", "cut.wasm"),
        ("core.wasm", "core module"),
        ("world.wasm", "exports nothing"),
        ("version.wasm", "0.9.0"),
        ("none.wasm", "none.wasm"),
    ] {
        shop.run(&["plugin", "inspect", file]).code(2).err_has(sentence);
        // A translator that cannot be used leaves the default assets and one warning, never a dead run.
        shop.write("tidegate.toml", &format!("[projects.tiny.translator]\nplugin = \"{file}\"\n"));
        let said = shop.run(&["assets"]).code(0);
        assert!(said.out.contains("two"), "{}", said.out);
        assert_eq!(said.err.matches("warning:").count(), 1, "{}", said.err);
    }
    shop.append("tidegate.toml", "[jobs.build]\nsteps = [\"dbt build\"]\n");
    shop.run(&["run", "build"]).code(0).err_has("warning:").out_has("succeeded");
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let shop = tiny();
    let state = shop.file("small");
    fs::create_dir_all(&state).unwrap();
    let mount = |args: &[&str]| Command::new("mount").args(args).status().is_ok_and(|s| s.success());
    let dir = state.to_str().unwrap();
    if !mount(&["-t", "tmpfs", "-o", "size=8m", "tmpfs", dir]) {
        eprintln!("skipped: a file system of 8 MiB cannot be mounted here");
        return;
    }
    struct Unmount<'a>(&'a str);
    impl Drop for Unmount<'_> {
        fn drop(&mut self) {
            let _ = Command::new("umount").args(["-l", self.0]).status();
        }
    }
    let _unmount = Unmount(dir);
    shop.run(&["materialize", "one", "--state-dir", dir]).code(0);
    let filler = state.join("filler");
    let _ = fs::write(&filler, vec![0_u8; 16 << 20]);
    shop.run(&["materialize", "one", "--state-dir", dir])
        .code(2)
        .err_has("disk is full")
        .err_has("free some space");
    fs::remove_file(filler).unwrap();
    shop.run(&["materialize", "one", "--state-dir", dir]).code(0).out_has("run 2 of");
    shop.run(&["check", "--state-dir", dir]).code(0);
}

#[test]
fn a_project_that_is_not_there() {
    let shop = tiny();
    shop.write(
        "tidegate.toml",
        "[projects.tiny]\ndir = \"elsewhere\"\n[jobs.build]\nsteps = [\"dbt build\"]\n",
    );
    shop.run(&["run", "build"]).code(2).out_has("there is no dbt_project.yml in");
    let empty = Sandbox::models(&[]);
    fs::remove_file(empty.file("tidegate.toml")).unwrap();
    fs::create_dir(empty.file("sub")).unwrap();
    empty.run(&["jobs"]).code(2).err_has("there is no `tidegate.toml`").err_has("tidegate init");
    fs::remove_file(empty.file("dbt_project.yml")).unwrap();
    empty.run(&["init"]).code(2).err_has("there is no dbt_project.yml");
}
