//! Beginning: what keeps dbt from being started is said in a sentence, and is never a panic.

use super::*;

fn sentence(attempt: Attempt) -> String {
    let ended = attempt.run().tidily();
    let exit = ended.exit();
    assert_eq!((exit.code, exit.signal, exit.cancelled, exit.leaked), (None, None, false, false));
    exit.spawn_error.clone().unwrap()
}

#[test]
fn why_dbt_could_not_be_started_is_said() {
    let said = sentence(Attempt::of("/no/such/dbt", &[]));
    assert_eq!(said, "dbt could not be started: /no/such/dbt: No such file or directory (os error 2)");

    let attempt = Attempt::of("/", &[]);
    let program = attempt.dir.path().join("dbt");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    let said = sentence(attempt.with(|spec| spec.program = program));
    assert!(said.ends_with("Permission denied (os error 13)"), "{said}");

    let said = sentence(Attempt::sh("").with(|spec| spec.cwd = "/no/such/folder".into()));
    assert_eq!(said, "dbt could not be started: its working directory /no/such/folder is not there");

    let said = sentence(Attempt::sh("").with(|spec| spec.args.push("nul\0".to_owned())));
    assert!(said.contains("nul byte"), "{said}");
}

#[test]
fn whatever_number_of_descriptors_there_is_nothing_panics() {
    let (mut started, mut refused) = (0, 0);
    for most in 4..=28 {
        let ended = Attempt::sh("echo hello").run_in_shell(&format!("ulimit -n {most}"));
        assert!(!ended.errors().contains("panicked"), "{most}: {}", ended.errors());
        match &ended.exit {
            Some(exit) if exit.code == Some(0) => {
                assert_eq!(ended.text(), "hello\n", "{most}");
                started += 1;
            }
            // The script itself found no descriptor for its libraries.
            Some(exit) if exit.code.is_some() => {}
            Some(exit) => {
                let said = exit.spawn_error.as_ref().unwrap();
                assert!(said.contains("Too many open files"), "{most}: {said}");
                refused += 1;
            }
            // Then it said why where the host finds it.
            None => {
                assert!(ended.attempt.folder.last_words().unwrap().contains("Too many open files"), "{most}")
            }
        }
    }
    assert!(started > 0 && refused > 0, "{started} {refused}");
}

#[test]
fn an_attempt_that_was_withdrawn_never_begins() {
    let attempt = Attempt::sh("touch begun");
    attempt.folder.create(&attempt.spec).unwrap();
    attempt.folder.withdraw().unwrap();
    attempt.folder.withdraw().unwrap();
    let out = Command::new(TIDEGATE).arg("attempt").arg(&attempt.folder.0).output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{out:?}");
    assert!(!attempt.dir.path().join("begun").exists());
    assert_eq!((attempt.folder.exit(), attempt.folder.last_words()), (None, None));
}

#[test]
fn a_request_that_makes_no_sense_is_said_where_the_host_looks() {
    let attempt = Attempt::sh("touch begun");
    attempt.folder.create(&attempt.spec).unwrap();
    fs::write(attempt.folder.0.join("attempt.json"), "{\"program\": ").unwrap();
    let errors = fs::File::create(attempt.folder.errors()).unwrap();
    let status =
        Command::new(TIDEGATE).arg("attempt").arg(&attempt.folder.0).stderr(errors).status().unwrap();
    assert!(!status.success());
    assert!(attempt.folder.last_words().unwrap().contains("EOF while parsing"));
}

#[test]
fn names_of_folders_may_hold_anything_that_text_may() {
    let mut attempt = Attempt::sh("echo \"$0\"; pwd").with(|spec| spec.args.push("an\n'arg\"".to_owned()));
    let odd = attempt.dir.path().join("sp ace/ünï\u{202e}côde/new\nline/$(touch x)/--help");
    fs::create_dir_all(odd.join("cwd")).unwrap();
    attempt.folder = AttemptFolder(odd.join("runs/1/1.1"));
    attempt.spec.cwd = odd.join("cwd");
    let ended = attempt.run().tidily();
    assert_eq!(ended.exit().code, Some(0));
    assert_eq!(ended.text(), format!("an\n'arg\"\n{}\n", odd.join("cwd").display()));
}

#[test]
fn all_is_for_its_owner_only() {
    let attempt = Attempt::sh("umask");
    // Someone who needed the target folder first has made the attempt's folder with it.
    fs::create_dir_all(attempt.folder.target()).unwrap();
    let running = attempt.start();
    assert_eq!(mode(&running.attempt.folder.0), 0o700);
    let ended = running.end().tidily();
    for name in ["attempt.err", "attempt.json", "exit.json", "log.jsonl.zst", "processes.json"] {
        assert_eq!(mode(&ended.attempt.folder.0.join(name)), 0o600, "{name}");
    }
    let ours = Command::new("/bin/sh").args(["-c", "umask"]).output().unwrap();
    assert_eq!(ended.log(), ours.stdout, "dbt's own files are its own business");
}
