//! What dbt leaves behind, and what a killed attempt process leaves behind: nothing runs on, and nobody hangs.

use tidegate::process::end_orphans;

use super::*;

#[test]
fn a_helper_that_ends_a_moment_later_is_no_leak() {
    let ended = Attempt::sh("(sleep 0.3; echo helper) & echo dbt; exit 0").run().tidily();
    assert_eq!(ended.text(), "dbt\nhelper\n");
    assert_eq!((ended.exit().code, ended.exit().leaked), (Some(0), false));
}

#[test]
fn a_grandchild_that_keeps_the_pipe_is_killed() {
    let attempt = Attempt::sh("sleep 600 & echo $! >pid; printf 'no end'; exit 5")
        .with(|spec| spec.ladder.leave_ms = 200);
    let pid_file = attempt.dir.path().join("pid");
    let ended = attempt.run().tidily();
    assert_eq!(ended.text(), "no end\n");
    assert_eq!((ended.exit().code, ended.exit().leaked, ended.exit().cancelled), (Some(5), true, false));
    wait_for_end_of(pid_in(&pid_file));
}

#[test]
fn a_grandchild_that_is_silent_is_killed_too() {
    let attempt =
        Attempt::sh("sleep 600 >/dev/null 2>&1 & echo $! >pid").with(|spec| spec.ladder.leave_ms = 200);
    let pid_file = attempt.dir.path().join("pid");
    let ended = attempt.run().tidily();
    assert_eq!((ended.exit().code, ended.exit().leaked), (Some(0), true));
    wait_for_end_of(pid_in(&pid_file));
}

/// Leaves the group and the session, as a daemon does, and keeps the pipe.
fn daemon(then: &str) -> String {
    format!(
        "import os, time\nprint('dbt', end='', flush=True)\nif os.fork() == 0:\n    os.setsid()\n    \
         open('pid', 'w').write(str(os.getpid()))\n    {then}\n\
         while not os.path.exists('pid') or not open('pid').read(): time.sleep(0.01)\n"
    )
}

#[test]
fn a_daemon_that_keeps_the_pipe_holds_nobody_up() {
    let attempt = Attempt::python(&daemon("time.sleep(600)")).with(|spec| spec.ladder.leave_ms = 200);
    let pid_file = attempt.dir.path().join("pid");
    let ended = attempt.run().tidily();
    assert_eq!(ended.text(), "dbt\n", "a line without an end is not lost in the pipe");
    assert_eq!((ended.exit().code, ended.exit().leaked), (Some(0), true));
    let daemon = pid_in(&pid_file);
    assert!(runs(daemon), "it is in no group of ours");
    kill(Pid::from_raw(daemon), Signal::SIGKILL).unwrap();
}

#[test]
fn a_daemon_that_never_stops_talking_is_not_listened_to_for_ever() {
    let attempt = Attempt::python(&daemon(
        "exec('try:\\n while True: os.write(1, b\"spam\\\\n\" * 1000)\\nexcept OSError: os._exit(0)')",
    ))
    .with(|spec| spec.ladder.leave_ms = 200);
    let pid_file = attempt.dir.path().join("pid");
    let ended = attempt.run().tidily();
    assert_eq!((ended.exit().code, ended.exit().leaked), (Some(0), true));
    wait_for_end_of(pid_in(&pid_file));
}

#[test]
fn a_killed_attempt_process_leaves_nothing_running() {
    let script = "echo $$ >dbt; sleep 600 & echo $! >helper; echo ready; wait";
    let attempt = Attempt::sh(script);
    let file = |name| attempt.dir.path().join(name);
    let (dbt, helper) = (file("dbt"), file("helper"));
    let running = attempt.start();
    let folder = &running.attempt.folder;
    wait_for("dbt on record", || folder.processes().dbt);
    running.said("ready").signal(Signal::SIGKILL);
    wait_for("its end", || (!running.is_alive()).then_some(()));
    assert_eq!(folder.exit(), None);
    assert_eq!(folder.processes().attempt.as_ref(), Some(&running.identity));
    assert_eq!(folder.processes().dbt.unwrap().pid, pid_in(&dbt));
    assert!(runs(pid_in(&dbt)) && runs(pid_in(&helper)), "nobody else ends them");
    end_orphans(folder);
    wait_for_end_of(pid_in(&dbt));
    wait_for_end_of(pid_in(&helper));
    assert_eq!(read_all(folder), b"ready\n");
}

#[test]
#[cfg(target_os = "linux")]
fn orphans_are_found_when_dbt_is_not_on_record_or_has_ended() {
    let script = "import os, time\nif os.fork() == 0:\n    os.setpgid(0, 0)\n    \
                  open('helper', 'w').write(str(os.getpid()))\n    print('ready', flush=True)\n    time.sleep(600)\n\
                  time.sleep(600)";
    for on_record in [true, false] {
        let attempt = Attempt::python(script);
        let helper = attempt.dir.path().join("helper");
        let running = attempt.start();
        let folder = running.attempt.folder.clone();
        let dbt = wait_for("dbt on record", || folder.processes().dbt).pid;
        running.said("ready").signal(Signal::SIGKILL);
        wait_for("its end", || (!running.is_alive()).then_some(()));
        if on_record {
            kill(Pid::from_raw(dbt), Signal::SIGKILL).unwrap();
            wait_for_end_of(dbt);
        } else {
            let early = tidegate::process::Processes { dbt: None, ..folder.processes() };
            fs::write(folder.0.join("processes.json"), serde_json::to_vec(&early).unwrap()).unwrap();
        }

        // In the folder of another attempt the same numbers are there by chance: no reason to kill anyone.
        let stranger = AttemptFolder(running.attempt.dir.path().join("runs/2/1.1"));
        stranger.create(&running.attempt.spec).unwrap();
        let same = tidegate::process::Processes { dbt: None, ..folder.processes() };
        fs::write(stranger.0.join("processes.json"), serde_json::to_vec(&same).unwrap()).unwrap();
        end_orphans(&stranger);
        assert!(runs(pid_in(&helper)));

        end_orphans(&folder);
        wait_for_end_of(pid_in(&helper));
        wait_for_end_of(dbt);
    }
}

#[test]
fn orphans_of_nobody_are_nobody() {
    let attempt = Attempt::sh("");
    end_orphans(&attempt.folder);
    attempt.folder.create(&attempt.spec).unwrap();
    for text in ["", "{", "null", "{\"attempt\":null,\"dbt\":{\"pid\":-1,\"start_time\":0,\"boot_id\":\"\"}}"]
    {
        fs::write(attempt.folder.0.join("processes.json"), text).unwrap();
        end_orphans(&attempt.folder);
    }
}
