//! The probe: loads one manifest with the host's own code and says what that took.
//!
//! Owns a process that does nothing else, so that the peak of its memory is the load's. Never compares.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use nix::sys::resource::UsageWho;
use serde::{Deserialize, Serialize};
use tidegate::{plugins::Catalogue, policy::ProjectTranslator, project};

use crate::{gauge, generate};

/// The probe's own command line.
#[derive(clap::Args)]
pub struct Probe {
    /// The manifest.
    manifest: PathBuf,
    /// Translate, with compiled plugins kept in this folder.
    #[arg(long)]
    translate: Option<PathBuf>,
}

/// What loading took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Probed {
    /// Seconds until the project was there.
    pub load: f64,
    /// Of these, seconds until the translator was ready.
    pub open: f64,
    /// Seconds of CPU of the process's whole life.
    pub cpu: f64,
    /// Bytes of memory at the process's peak.
    pub peak: u64,
    /// How many assets the project has.
    pub assets: usize,
    /// How many checks.
    pub checks: usize,
}

/// Loads a manifest in a process of its own, with a translator where there is a folder for what it is compiled to.
pub fn probe(manifest: &Path, translate: Option<&Path>) -> Result<Probed> {
    let mut command: Command = crate::this_program()?;
    command.arg("probe").arg(manifest);
    if let Some(folder) = translate {
        command.arg("--translate").arg(folder);
    }
    let said = command.output().context("could not start the probe")?;
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
        bail!("the probe of {} failed ({}): {why}", manifest.display(), said.status);
    }
    serde_json::from_slice(&said.stdout).context("the probe did not say what it found")
}

impl Probe {
    /// Loads the manifest and prints what it took.
    pub fn run(self) -> Result<()> {
        let begun = Instant::now();
        let (loaded, open) = match &self.translate {
            None => (project::load(generate::NAME, &self.manifest, None)?, 0.0),
            Some(state) => {
                let catalogue = Catalogue::open(state, &state.join("plugins"))?;
                let nothing = serde_json::json!({});
                let mut translator = ProjectTranslator::open(&catalogue, "builtin:source-prefix", &nothing);
                let open = begun.elapsed().as_secs_f64();
                let translate = &mut |nodes: &[_]| translator.translate(nodes);
                let loaded = project::load(generate::NAME, &self.manifest, Some(translate))?;
                if let Some(fault) = translator.fault() {
                    bail!("the translator failed: {fault}");
                }
                (loaded, open)
            }
        };
        let load = begun.elapsed().as_secs_f64();
        let peak = peak()?;
        let assets = &loaded.project.assets;
        let translated = assets.iter().any(|asset| asset.shape.key.0[0] == "source");
        if translated != self.translate.is_some() {
            bail!(
                "the keys of sources begin with `source/` only where they are translated, and here it is not so"
            );
        }
        let checks = loaded.project.checks.len();
        let cpu = gauge::cpu(UsageWho::RUSAGE_SELF)?;
        let probed = Probed { load, open, cpu, peak, assets: assets.len(), checks };
        println!("{}", serde_json::to_string(&probed)?);
        Ok(())
    }
}

/// The peak of this process's memory. The system's other figure for it, `ru_maxrss`, may be the parent's: it survives
/// the start of a program.
fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("the benchmarks need Linux's /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kibibytes.context("this system does not say how much memory a process had at its peak")? * 1024)
}
