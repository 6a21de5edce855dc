//! Running other programs.
//!
//! Owns how a program is shown, waited for and reported when it fails. Never decides what to run.

use crate::repository;
use anyhow::{Context, Error, Result, bail};
use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Cargo in the host's workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository::root()).env("CARGO_TARGET_DIR", repository::target());
    command
}

/// Cargo in the plugins' workspace, whose target folder is its own.
pub fn plugins_cargo() -> Command {
    let mut command = cargo();
    command.current_dir(repository::plugins()).env("CARGO_TARGET_DIR", repository::plugins_target());
    command
}

/// Runs a program that shares the terminal, and fails where it does.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| could_not_start(command))?;
    succeeded(command, status)
}

/// Runs a program that talks to people on standard error only, so that standard output stays ours.
pub fn run_aside(command: &mut Command) -> Result<()> {
    command.stdout(std::io::stderr());
    run(command)
}

/// Runs a program and gives its standard output; its errors go to the terminal.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| could_not_start(command))?;
    succeeded(command, output.status)?;
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed what is not UTF-8", shown(command)))
}

/// Runs a program that may be missing or fail: its standard output where it succeeds.
pub fn output_if_any(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program that is ended when the time is up. Gives whether it succeeded in time.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<bool> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .spawn()
        .with_context(|| could_not_start(command))?;
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            eprintln!("`{}` took more than {} s and was ended", shown(command), limit.as_secs());
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Becomes the program, so that the terminal's signals reach it alone and its exit code is ours.
pub fn become_program(command: &mut Command) -> Error {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        Error::new(command.exec()).context(could_not_start(command))
    }
    #[cfg(not(unix))]
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => Error::new(error).context(could_not_start(command)),
    }
}

/// The search path for programs with a folder in front of it.
pub fn path_beginning_with(folder: &Path) -> Result<OsString> {
    let others = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(env::split_paths(&others));
    env::join_paths(folders).with_context(|| format!("{} cannot be part of PATH", folder.display()))
}

/// A command as one would type it, its program without folders.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn could_not_start(command: &Command) -> String {
    format!("could not start `{}`", shown(command))
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_names_the_command_and_its_status() {
        let error = run(&mut shell("exit 3")).unwrap_err().to_string();
        assert_eq!(error, "`sh -c exit 3` failed (exit status: 3)");
        let error = output(&mut Command::new("no-such-program-here")).unwrap_err().to_string();
        assert_eq!(error, "could not start `no-such-program-here`");
    }

    #[test]
    fn a_missing_program_is_none() {
        assert_eq!(output_if_any(&mut Command::new("no-such-program-here")), None);
        assert_eq!(output_if_any(&mut shell("exit 1")), None);
        assert_eq!(output_if_any(&mut shell("echo a")), Some("a\n".to_owned()));
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let start = Instant::now();
        assert!(!run_within(&mut shell("exec sleep 60"), Duration::from_millis(100)).unwrap());
        assert!(start.elapsed() < Duration::from_secs(30));
        assert!(run_within(&mut shell("exit 0"), Duration::from_secs(30)).unwrap());
        assert!(!run_within(&mut shell("exit 1"), Duration::from_secs(30)).unwrap());
    }

    #[test]
    fn the_folder_comes_first_in_the_search_path() {
        let path = path_beginning_with(Path::new("/first")).unwrap();
        assert_eq!(env::split_paths(&path).next().as_deref(), Some(Path::new("/first")));
    }
}
