//! Files that are not what they should be, and places where there can be none. Each has its sentence.

use std::{fs, os::unix::fs::PermissionsExt};

use super::*;
use crate::store::{Reader, StoreError};

/// What opening says, to the writer and to a reader, with the state directory's path taken out.
fn said(dir: &Dir) -> String {
    let text = |e: StoreError| {
        let hint = e.hint().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
        format!("{e}{hint}").replace(&*dir.0.path().to_string_lossy(), "STATE")
    };
    let reader =
        Reader::open(dir.0.path()).and_then(|reader| reader.newest()).map(|newest| format!("{newest:?}"));
    let writer = Store::open(&dir.db()).map(|_| "opened".to_owned());
    match (reader.unwrap_or_else(text), writer.unwrap_or_else(text)) {
        (reader, writer) if reader == writer => writer,
        (reader, writer) => format!("reader: {reader}\nwriter: {writer}"),
    }
}

#[test]
fn what_is_no_database_of_ours_has_its_sentence() {
    let mut all = Vec::new();
    let mut case = |name: &str, make: &dyn Fn(&Dir)| {
        let dir = Dir::new();
        make(&dir);
        all.push(format!("# {name}\n{}", said(&dir)));
    };
    let lived = |dir: &Dir| _ = live(&mut dir.store(), "k");
    let sql = |dir: &Dir, sql: &str| Connection::open(dir.db()).unwrap().execute_batch(sql).unwrap();
    case("no file", &|_| {});
    case("an empty file", &|dir| fs::write(dir.db(), "").unwrap());
    case("a text file", &|dir| fs::write(dir.db(), "runs: none yet\n".repeat(100)).unwrap());
    case("a short text file", &|dir| fs::write(dir.db(), "hello").unwrap());
    case("a folder", &|dir| fs::create_dir(dir.db()).unwrap());
    case("no state directory", &|dir| fs::remove_dir(dir.0.path()).unwrap());
    case("a link to nowhere", &|dir| std::os::unix::fs::symlink("/nowhere/at/all", dir.db()).unwrap());
    case("of another program", &|dir| sql(dir, "CREATE TABLE t (a); PRAGMA user_version = 1;"));
    case("with our mark and without a version", &|dir| {
        sql(dir, "CREATE TABLE t (a); PRAGMA application_id = 0x74646774;");
    });
    case("of a newer version", &|dir| {
        lived(dir);
        sql(dir, "PRAGMA user_version = 99");
    });
    case("with half of its bytes", &|dir| {
        lived(dir);
        let bytes = fs::read(dir.db()).unwrap();
        fs::write(dir.db(), &bytes[..bytes.len() / 2]).unwrap();
    });
    case("with a row that says nothing", &|dir| {
        drop(dir.store().request(request("k", &["build"]), at(0)).unwrap());
        sql(dir, "UPDATE run SET body = 'null'");
    });
    case("without a table", &|dir| {
        lived(dir);
        sql(dir, "PRAGMA foreign_keys = OFF; DROP TABLE run");
    });
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn what_the_system_does_not_allow_has_its_sentence() {
    // Root may do anything: it takes somebody else to find out.
    if nix::unistd::geteuid().is_root() {
        let test = "store::tests::damage::what_the_system_does_not_allow_has_its_sentence";
        let program = std::env::current_exe().unwrap();
        let mut nobody = std::process::Command::new(&program);
        std::os::unix::process::CommandExt::uid(&mut nobody, 65_534);
        match nobody.args(["--exact", test]).env("INSTA_UPDATE", "no").current_dir("/").output() {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
            Err(e) => eprintln!("not tested: nobody cannot run {}: {e}", program.display()),
        }
        return;
    }
    let mut all = Vec::new();
    let mut case = |name: &str, file: u32, folder: u32| {
        let dir = Dir::new();
        live(&mut dir.store(), "k");
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(&dir.db(), file);
        mode(dir.0.path(), folder);
        all.push(format!("# {name}\n{}", said(&dir)));
        mode(dir.0.path(), 0o700);
    };
    case("a file that cannot be written", 0o400, 0o700);
    case("a file that cannot be read", 0o000, 0o700);
    case("a folder that cannot be entered", 0o600, 0o000);
    case("a folder that cannot be written", 0o600, 0o500);
    let said = all.join("\n\n");
    for sentence in [
        "# a file that cannot be written\nreader: Some(RunId(1))\nwriter: STATE/tidegate.db: the database cannot be used: permission denied",
        "# a file that cannot be read\nSTATE/tidegate.db: the database cannot be used: permission denied\n  hint: the user who runs",
        "# a folder that cannot be entered\nSTATE/tidegate.db: the database cannot be used: permission denied",
    ] {
        assert!(said.contains(sentence), "{said}");
    }
    // A database that nobody has open cannot be opened where nothing can be written beside it.
    assert!(said.ends_with("to be able to read and write it, and the folder that it is in"), "{said}");
}

/// Damage anywhere is either said or does not matter to what is read: nothing panics, and nothing else is claimed.
fn survives(bytes: &[u8], what: &str) -> bool {
    let dir = Dir::new();
    fs::write(dir.db(), bytes).unwrap();
    let check = |error: StoreError| {
        let known =
            matches!(error, StoreError::Damaged { .. } | StoreError::Row { .. } | StoreError::Foreign(_));
        assert!(known, "{what}: {error:?}");
    };
    let read = || {
        let reader = Reader::open(dir.0.path())?;
        reader.damage()?;
        reader.runs(&crate::store::RunFilter { limit: 9, ..Default::default() })?;
        reader.statuses("shop")?;
        reader.last_materializations("shop")?;
        reader.events(RunId(1), 0)?;
        Ok(())
    };
    let write = || {
        let mut store = Store::open(&dir.db())?;
        let (run, _) = store.request(request("after", &["seed", "build"]), at(0))?;
        for kinds in life(run) {
            store.append(kinds.into_iter().map(|kind| event(run, kind)).collect())?;
        }
        Ok(())
    };
    let results: [Result<(), StoreError>; 2] = [read(), write()];
    let failures = results.into_iter().filter_map(|result| result.map_err(check).err());
    failures.count() == 0
}

#[test]
fn damage_anywhere_is_said_and_never_a_panic() {
    let dir = Dir::new();
    let mut store = dir.store();
    for n in 0..12 {
        live(&mut store, &format!("k{n}"));
    }
    drop(store);
    let sound = fs::read(dir.db()).unwrap();
    assert!(survives(&sound, "sound"));
    let mut noticed = 0;
    for (page, at) in (0..sound.len()).step_by(4_096).enumerate() {
        for (how, with) in [("zeroes", 0_u8), ("ones", 0xff), ("letters", b'x')] {
            let mut bytes = sound.clone();
            bytes[at..at + 4_096].fill(with);
            noticed += usize::from(!survives(&bytes, &format!("page {page} of {how}")));
        }
    }
    assert!(noticed > 20, "{noticed}");
    // SQLite takes a file of no or one byte for one that is just being made.
    for size in
        [2, 15, 16, 99, 100, 511, 512, 4_095, 4_096, 4_097, 8_192, sound.len() / 3, sound.len() - 4_096]
    {
        assert!(!survives(&sound[..size], &format!("cut at {size}")), "cut at {size}");
    }
}
