//! A container that goes away takes everything along, and its numbers are given to others in the next one.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::support::{ENDLESS, Sandbox, is_there, signal, text};

/// Whether this process may make namespaces of processes.
fn may_unshare() -> bool {
    let tried = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "--kill-child", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let may = tried.is_ok_and(|status| status.success());
    if !may {
        println!("skipped: `unshare --pid --mount-proc` is not permitted here");
    }
    may
}

/// A command as a child of the init of a namespace of processes; the shell says and does something before.
fn contained(shop: &Sandbox, before: &str) -> Command {
    let script = format!("{before}\n{} serve & echo init; wait", env!("CARGO_BIN_EXE_tidegate"));
    let like = shop.command(&[]);
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", &script]);
    command.current_dir(shop.dir.path()).stdin(Stdio::null());
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// A process as another namespace numbers it.
fn inside(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find(|line| line.starts_with("NSpid:"))?.split_whitespace().last()?.parse().ok()
}

#[test]
fn a_container_that_is_killed_is_resumed_in_the_next_and_no_stranger_is_harmed() {
    if !may_unshare() {
        return;
    }
    let shop = Sandbox::models(&[
        ("quick", "select 1 as id"),
        ("slow", ENDLESS),
        ("last", "select n from {{ ref('slow') }}"),
    ]);
    // The client is outside: it reaches the host by its socket alone.
    let mut first = contained(&shop, "").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    shop.wait_for("the service", || shop.status().is_some());
    let mut client = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.slow", "running");
    shop.wait_for_node(1, "model.tiny.quick", "success");
    shop.wait_for_plan(1);
    let (attempt, dbt) = (shop.process("1/1.1", "attempt"), shop.process("1/1.1", "dbt"));
    assert!(attempt < 1000 && dbt < 1000, "numbers of the namespace: {attempt}, {dbt}");
    // A client would become the host.
    client.kill().unwrap();
    client.wait().unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    shop.wait_for("the end of everything", || shop.status().is_none());
    assert_eq!(shop.runs()[0]["state"], "running", "nobody was left to say that it ended");

    shop.write("models/slow.sql", "select 1 as n");

    // In the next container every small number is somebody else's before the host starts.
    let before = format!("i=0; while [ $i -lt {} ]; do sleep 1000 & i=$((i+1)); done", dbt + 20);
    let log = shop.file("second.log");
    let out = fs::File::create(&log).unwrap();
    let mut second = contained(&shop, &before).stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
    let read = || fs::read_to_string(&log).unwrap();
    shop.wait_for("the resumption", || shop.runs().len() == 2);
    shop.wait_for("its end", || !shop.runs()[1]["finished_at"].is_null());
    let run = shop.show(1);
    assert_eq!(run["state"], "interrupted", "{}", read());
    assert_eq!(shop.states(1)["model.tiny.quick"], "success");
    let run = shop.show(2);
    assert_eq!((&run["state"], &run["request"]["resumes"]), (&"succeeded".into(), &1.into()), "{}", read());
    assert_eq!(shop.nodes(2), ["model.tiny.last", "model.tiny.slow"]);
    assert_eq!(text(&run["request"]["launch"]["via"]), "resume");
    // Those who got the numbers of the old attempt and its dbt are still there.
    let sleepers: Vec<_> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| is_there(*pid) && shop_of(*pid, &shop))
        .filter_map(inside)
        .collect();
    assert!(sleepers.contains(&attempt) && sleepers.contains(&dbt), "{attempt} {dbt} {sleepers:?}");
    signal(second.id(), "-KILL");
    second.wait().unwrap();
}

fn shop_of(pid: u32, shop: &Sandbox) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == shop.dir.path())
        && fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| words.starts_with(b"sleep"))
}
