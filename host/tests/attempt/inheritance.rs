//! What dbt inherits from the attempt process and from whoever started the host: as little as possible.

use super::*;

/// Says which signals it ignores and blocks, and which descriptors it has.
const CONFESS: &str = "import os\nfor line in open('/proc/self/status'):\n    \
                       if line.startswith(('SigBlk', 'SigIgn')): print(line.split()[1])\n\
                       for fd in range(3, 300):\n    try: os.fstat(fd); print('open', fd)\n    except OSError: pass";

#[test]
#[cfg(target_os = "linux")]
fn dbt_has_default_signals_and_three_descriptors() {
    for setup in ["", "trap '' INT QUIT TERM HUP PIPE XFSZ; exec 7</dev/null 9>stranger"] {
        let attempt = Attempt::python(CONFESS);
        let setup = format!("cd {}\n{setup}", attempt.dir.path().display());
        let text = attempt.run_in_shell(&setup).text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        let mask = |line: &str| u64::from_str_radix(line, 16).unwrap();
        assert_eq!(mask(lines[0]), 0, "nothing is blocked");
        // Python itself ignores SIGPIPE and SIGXFSZ; above 31 there are no signals with a meaning.
        let own = 1 << (Signal::SIGPIPE as u32 - 1) | 1 << (Signal::SIGXFSZ as u32 - 1);
        assert_eq!(mask(lines[1]) & 0x7fff_ffff & !own, 0, "nothing is ignored: {text}");
    }
    let ended = Attempt::python(CONFESS).run().tidily();
    assert_eq!(ended.text().lines().count(), 2, "{}", ended.text());
    assert_eq!(ended.text().lines().next(), Some("0000000000000000"), "nothing is blocked");
}

#[test]
#[cfg(target_os = "linux")]
fn a_pipe_that_nobody_reads_kills_dbt_s_children_as_it_should() {
    let ended = Attempt::sh("trap; grep SigIgn /proc/self/status").run().tidily();
    let mask = u64::from_str_radix(ended.text().split_whitespace().nth(1).unwrap(), 16).unwrap();
    assert_eq!(mask & 0x7fff_ffff, 0, "SIGPIPE is not ignored, as it is in this process");
}

#[test]
fn dbt_reads_nothing_and_has_its_environment_only() {
    let mut attempt = Attempt::sh("cat; env | sort");
    attempt.environment.insert("MINE".to_owned(), "a\nb".to_owned());
    let ended = attempt.run().tidily();
    let text = ended.text();
    let names: Vec<_> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    for name in names {
        // The shell adds its own.
        assert!(
            ["MINE", "PATH", "TIDEGATE_ATTEMPT_FOLDER", "PWD", "OLDPWD", "SHLVL", "_"].contains(&name),
            "{text}"
        );
    }
    assert!(text.contains("MINE=a\n"));
}

#[test]
#[cfg(target_os = "linux")]
fn dbt_leads_a_group_in_a_session_without_a_terminal() {
    let ended = Attempt::sh("read -r stat </proc/$$/stat; echo \"$stat\"").run().tidily();
    let text = ended.text();
    let fields: Vec<_> = text.trim().rsplit_once(") ").unwrap().1.split(' ').collect();
    let processes = ended.attempt.folder.processes();
    let (attempt, dbt) = (processes.attempt.unwrap().pid.to_string(), processes.dbt.unwrap().pid.to_string());
    // Parent, group, session, terminal.
    assert_eq!(fields[1..5], [&*attempt, &*dbt, &*attempt, "0"]);
}

#[test]
fn dbt_may_have_as_many_files_open_as_it_could_without_a_host_that_needs_more() {
    use nix::sys::resource::{Resource::RLIMIT_NOFILE, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(RLIMIT_NOFILE).unwrap();
    let before = soft.min(hard.min(1 << 16) - 1);
    setrlimit(RLIMIT_NOFILE, before, hard).unwrap();
    process::raise_descriptors().unwrap();
    assert!(process::most_descriptors() > before);
    let ended = Attempt::sh("ulimit -n").run().tidily();
    assert_eq!(ended.text().trim(), before.to_string());
}
