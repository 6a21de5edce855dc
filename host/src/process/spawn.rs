//! Starting an attempt process.

use std::{
    collections::BTreeMap,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use super::{
    AttemptFolder, AttemptSpec, descriptors::of_children, folder::create_private, identity::identify_child,
    thread::waiting,
};
use crate::model::AttemptIdentity;

/// This binary, also after a newer one has been put in its place.
pub fn program() -> io::Result<PathBuf> {
    let proc = Path::new("/proc/self/exe");
    if proc.exists() { Ok(proc.to_owned()) } else { std::env::current_exe() }
}

/// Starts an attempt process, which starts dbt. `environment` is dbt's whole environment.
pub fn spawn(
    program: &Path,
    folder: &AttemptFolder,
    spec: &AttemptSpec,
    environment: &BTreeMap<String, String>,
) -> io::Result<AttemptIdentity> {
    folder.create(spec)?;
    let mut command = Command::new(program);
    command
        .arg0("tidegate")
        .arg("attempt")
        .arg(&folder.0)
        .args(of_children().map(|most| most.to_string()))
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(create_private(&folder.errors())?);
    // Whoever has no parent left is reaped by init; while this host lives, it is the parent.
    let reaper = waiting("reaper", |mut child: Child| _ = child.wait())?;

    // The child inherits what is blocked. Whoever asks it to stop before it can listen is heard once it does.
    let mut asking = SigSet::empty();
    asking.add(Signal::SIGINT);
    asking.add(Signal::SIGTERM);
    let before = asking.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let child = command.spawn();
    let _ = before.thread_set_mask();

    let child = child?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    // It is not reaped before this: it has an identity even if it has ended.
    let identity = identify_child(pid);
    let _ = reaper.send(child);
    identity.ok_or_else(|| io::Error::other("the system does not say when the attempt process was started"))
}
