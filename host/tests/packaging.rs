//! What is shipped beside the binary: directives on which dbt's survival depends, and files that have to be there.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The values of each key of the unit, by `Section.Key`, in order.
fn unit() -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::<_, Vec<_>>::new();
    let mut section = String::new();
    for line in read("packaging/tidegate.service").lines() {
        assert_eq!(line, line.trim_end(), "a space at the end of a line");
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
        } else if !line.is_empty() && !line.starts_with(['#', ';']) {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
            keys.entry(format!("{section}.{key}")).or_default().push(value.to_owned());
        }
    }
    keys
}

fn all<'a>(unit: &'a BTreeMap<String, Vec<String>>, key: &str) -> Vec<&'a str> {
    unit.get(key).into_iter().flatten().map(String::as_str).collect()
}

#[test]
fn dbt_outlives_the_host_under_systemd() {
    let unit = unit();
    for (key, value) in [
        ("Service.KillMode", "process"),
        ("Service.OOMPolicy", "continue"),
        ("Service.Restart", "on-failure"),
        ("Unit.StartLimitIntervalSec", "0"),
        ("Service.User", "tidegate"),
    ] {
        assert_eq!(all(&unit, key), [value], "{key}");
    }
    // What takes dbt's processes, its files or its memory away from it when the host ends.
    for key in
        ["DynamicUser", "PrivateTmp", "PrivatePIDs", "RuntimeDirectory", "SendSIGKILL", "BindsTo", "PartOf"]
    {
        assert_eq!(all(&unit, &format!("Service.{key}")), [""; 0], "{key}");
        assert_eq!(all(&unit, &format!("Unit.{key}")), [""; 0], "{key}");
    }
    assert_eq!(all(&unit, "Service.RemoveIPC"), ["no"]);
}

#[test]
fn the_next_host_finds_the_attempts_of_the_one_before_it() {
    let unit = unit();
    for (key, value) in [("PrivateUsers", "no"), ("ProcSubset", "all"), ("ProtectProc", "invisible")] {
        assert_eq!(all(&unit, &format!("Service.{key}")), [value], "{key}");
    }
}

#[test]
fn plugins_can_be_compiled_and_warehouses_reached() {
    let unit = unit();
    assert_eq!(all(&unit, "Service.MemoryDenyWriteExecute"), ["no"]);
    for key in ["PrivateNetwork", "IPAddressDeny"] {
        assert_eq!(all(&unit, &format!("Service.{key}")), [""; 0], "{key}");
    }
    let families = all(&unit, "Service.RestrictAddressFamilies").join(" ");
    assert!(["AF_UNIX", "AF_INET", "AF_INET6"].iter().all(|family| families.contains(family)), "{families}");
    assert_eq!(all(&unit, "Service.SystemCallFilter"), ["@system-service", "~@privileged"]);
    assert_eq!(all(&unit, "Service.SystemCallErrorNumber"), ["EPERM"]);
}

#[test]
fn the_manager_is_told_how_the_host_is() {
    let unit = unit();
    // Whoever does not know the second takes the first.
    assert_eq!(all(&unit, "Service.Type"), ["notify", "notify-reload"]);
    assert_eq!(all(&unit, "Service.NotifyAccess"), ["main"]);
    let watchdog: u32 = all(&unit, "Service.WatchdogSec")[0].parse().unwrap();
    assert!(watchdog >= 30, "a busy machine is no dead host");
    let stop: u32 = all(&unit, "Service.TimeoutStopSec")[0].parse().unwrap();
    assert!(stop > 30, "an interrupted dbt gets 30 s");
}

#[test]
fn it_may_write_where_it_has_to() {
    let unit = unit();
    assert_eq!(all(&unit, "Service.ProtectSystem"), ["strict"]);
    let state: Vec<_> =
        all(&unit, "Service.StateDirectory")[0].split(' ').map(|dir| format!("%S/{dir}")).collect();
    let [start] = all(&unit, "Service.ExecStart")[..] else { panic!("one command starts it") };
    assert!(start.contains(" serve ") && start.contains(&format!(" --state-dir {} ", state[0])), "{start}");
    assert_eq!(all(&unit, "Service.WorkingDirectory"), [&*state[0]]);
    for variable in ["HOME", "TMPDIR"] {
        let value = all(&unit, "Service.Environment")
            .into_iter()
            .find_map(|setting| setting.strip_prefix(variable)?.strip_prefix('='));
        assert!(value.is_some_and(|value| state.iter().any(|dir| dir == value)), "{variable}: {value:?}");
    }
}

#[test]
fn a_key_is_given_twice_only_where_that_adds_to_it() {
    for (key, values) in unit() {
        let adds = ["Service.Type", "Service.Environment", "Service.SystemCallFilter"];
        assert!(values.len() == 1 || adds.contains(&key.as_str()), "{key}: {values:?}");
    }
}

#[test]
fn the_image_is_made_of_what_is_there() {
    let file = read("packaging/Containerfile");
    let requirements = file.lines().find_map(|line| line.strip_prefix("ARG REQUIREMENTS=")).unwrap();
    let copies: Vec<_> = file
        .lines()
        .filter_map(|line| line.strip_prefix("COPY ").filter(|line| !line.starts_with("--from")))
        .flat_map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            words[..words.len() - 1]
                .iter()
                .map(|word| word.replace("${REQUIREMENTS}", requirements))
                .collect::<Vec<_>>()
        })
        .collect();
    for path in &copies {
        assert!(root().join(path).exists(), "{path}");
    }
    // Every member of the workspace has to be there, or cargo refuses the manifest.
    for member in ["bench", "host", "xtask"] {
        assert!(copies.iter().any(|path| path == member), "{member}");
    }
    let rust = read("Cargo.toml");
    let rust = rust.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(file.contains(&format!("FROM rust:{rust}-")), "the image builds with {rust}");
    assert!(file.contains("USER 10001") && file.contains("STOPSIGNAL SIGTERM"));
    let command = file.lines().find(|line| line.starts_with("CMD ")).unwrap();
    assert!(command.contains(r#""--on-stop", "interrupt""#), "nothing outlives a container: {command}");
    assert!(read("packaging/compose.yaml").contains("stop_grace_period: 40s"));
}
