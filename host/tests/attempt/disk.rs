//! A full disk: dbt is held up, never killed; what could not be kept is counted; how it ended is always on record.

use super::*;

#[test]
fn a_file_that_may_not_grow_is_a_full_disk() {
    // 64 blocks of 512 bytes; dash counts so, and so does POSIX.
    let script = "import sys\n\
                  for i in range(10000): print(f'{i:09}')\nsys.exit(4)";
    let ended = Attempt::python(script).with(|spec| spec.caps.patience_ms = 100).run_in_shell("ulimit -f 64");
    let exit = ended.exit();
    assert_eq!((exit.code, exit.signal, exit.cancelled, exit.leaked), (Some(4), None, false, false));
    let text = ended.text();
    let kept = text.lines().filter(|line| line.len() == 9).count() as u64;
    assert!(kept > 3000, "{kept}");
    assert_eq!(exit.lost_lines + kept, 10_000);
    for (i, line) in text.lines().take(usize::try_from(kept).unwrap()).enumerate() {
        assert_eq!(line, format!("{i:09}"));
    }
}

/// A small disk. It goes when its last user does, whatever happens: it is there for the processes of one shell only.
#[cfg(target_os = "linux")]
fn on_a_small_disk(attempt: Attempt, prepare: &str, watch: &str) -> Option<(Ended, String)> {
    let mut attempt = attempt;
    let disk = attempt.dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    attempt.folder = AttemptFolder(disk.join("1.1"));
    let spec = serde_json::to_string(&attempt.spec).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=1m,mode=700 tidegate-test \"$DISK\" 2>/dev/null || exit 77\n\
         mkdir \"$FOLDER\"; printf %s \"$SPEC\" >\"$FOLDER/attempt.json\"\n{prepare}\n\
         \"$TIDEGATE\" attempt \"$FOLDER\" 2>\"$COPY.err\" &\nattempt=$!\n{watch}\nwait $attempt\n\
         cp -r \"$FOLDER\" \"$COPY\"; mv \"$COPY.err\" \"$COPY/attempt.err\""
    );
    let copy = attempt.dir.path().join("copy");
    let out = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "/bin/sh", "-c", &script])
        .env_clear()
        .envs(&attempt.environment)
        .env("DISK", &disk)
        .env("FOLDER", &attempt.folder.0)
        .env("COPY", &copy)
        .env("SPEC", spec)
        .env("TIDEGATE", TIDEGATE)
        .output();
    match out {
        Ok(out) if copy.is_dir() => {
            attempt.folder = AttemptFolder(copy);
            let stdout = String::from_utf8(out.stdout).unwrap();
            Some((Ended { exit: attempt.folder.exit(), attempt }, stdout))
        }
        other => {
            println!("skipped: no small disk can be mounted here: {other:?}");
            None
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_full_disk_lines_are_counted_and_the_end_is_on_record() {
    let script = "import sys\nfor i in range(300000): print(f'{i:09}')\nsys.exit(4)";
    let attempt = Attempt::python(script).with(|spec| spec.caps.patience_ms = 100);
    let Some((ended, _)) = on_a_small_disk(attempt, "", "") else { return };
    let exit = ended.exit();
    assert_eq!((exit.code, exit.signal, exit.leaked), (Some(4), None, false));
    let text = ended.text();
    let kept = text.lines().filter(|line| line.len() == 9).count() as u64;
    assert!(kept > 10_000, "{kept}");
    assert_eq!(exit.lost_lines + kept, 300_000);
    assert!(ended.attempt.folder.log().is_file(), "there was no room to compress it");
    assert!(!ended.attempt.folder.0.join("log.jsonl.zst.new").exists(), "half a file is no use");
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_gets_room_in_time_loses_nothing() {
    let script = "for i in range(100000): print(f'{i:09}')";
    let Some((ended, said)) = on_a_small_disk(
        Attempt::python(script),
        "dd if=/dev/zero of=\"$DISK/ballast\" bs=64k count=8 2>/dev/null",
        // Full for a while; then someone makes room.
        "n=0; until [ \"$(stat -f -c %a \"$DISK\")\" = 0 ] || [ $n -gt 1000 ]; do sleep 0.02; n=$((n+1)); done; \
         sleep 0.5; mount -o remount,size=16m \"$DISK\"; echo \"room after $n\"",
    ) else {
        return;
    };
    assert!(said.contains("room after") && !said.contains("after 1001"), "{said}");
    let exit = ended.exit();
    assert_eq!((exit.code, exit.lost_lines, exit.leaked), (Some(0), 0, false), "{}", ended.errors());
    let expected: String = (0..100_000).map(|i| format!("{i:09}\n")).collect();
    assert!(ended.text() == expected);
}

#[test]
#[cfg(target_os = "linux")]
fn where_lines_are_missing_there_is_a_mark() {
    // The disk is full until dbt sees that it is not listened to any more.
    let script = "import os, sys, time\nfor i in range(100000): print(f'{i:09}')\nsys.stdout.flush()\n\
                  open(sys.argv[1], 'w')\n\
                  while not os.path.exists(sys.argv[1] + '.room'): time.sleep(0.01)\nprint('the end')";
    let mut attempt = Attempt::python(script).with(|spec| spec.caps.patience_ms = 1);
    let flag = attempt.dir.path().join("flag").to_str().unwrap().to_owned();
    attempt.spec.args.push(flag.clone());
    attempt.environment.insert("FLAG".to_owned(), flag);
    let watch = "while ! [ -e \"$FLAG\" ]; do sleep 0.02; done; sleep 0.5; mount -o remount,size=16m \"$DISK\"; \
                 touch \"$FLAG.room\"";
    let Some((ended, _)) =
        on_a_small_disk(attempt, "dd if=/dev/zero of=\"$DISK/ballast\" bs=64k count=8 2>/dev/null", watch)
    else {
        return;
    };
    let (text, lost) = (ended.text(), ended.exit().lost_lines);
    assert!(lost > 0);
    let last: Vec<_> = text.lines().rev().take(2).collect();
    assert_eq!(last, ["the end", &format!("[tidegate: {lost} lines could not be written]")]);
    let kept = text.lines().filter(|line| line.len() == 9 && line.starts_with('0')).count() as u64;
    assert!((100_000 - lost..=100_001 - lost).contains(&kept), "{kept} {lost}");
}

#[test]
#[cfg(target_os = "linux")]
fn who_asks_twice_does_not_wait_for_a_full_disk() {
    let script = "for i in range(300000): print(f'{i:09}')";
    let attempt = Attempt::python(script).with(|spec| spec.caps.patience_ms = 3_600_000);
    let watch = "until [ \"$(stat -f -c %a \"$DISK\")\" = 0 ]; do sleep 0.02; done; sleep 0.5; \
                 until [ -e \"$FOLDER/exit.json\" ]; do kill -INT $attempt; sleep 0.5; done";
    let Some((ended, _)) = on_a_small_disk(attempt, "", watch) else { return };
    let exit = ended.exit();
    assert!(exit.cancelled && exit.lost_lines > 0 && !exit.leaked, "{exit:?}");
    let text = ended.text();
    let lines: Vec<_> = text.lines().collect();
    for (i, line) in lines[..lines.len() - 1].iter().enumerate() {
        assert_eq!(*line, format!("{i:09}"));
    }
}
