//! Loading: generated projects as assets, with and without a translator, and `tidegate assets` as a whole.
//!
//! Owns the projects' folders, which are made once for each version of the generator, and the order of the probes. Never
//! counts what is done once for a project: parsing it, and compiling the translator, which is told apart.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{
    bounds::{LOAD_PEAK, LOAD_TIME, TRANSLATED_PEAK, TRANSLATION, Verdict},
    figures::{Figures, Unit},
    generate, note,
    probe::{Probed, probe},
    setting::Setting,
};

/// The sizes, in models. Bounds hold for the last.
const SIZES: [usize; 2] = [1000, 5000];
/// How often the translator is compiled anew.
const COMPILATIONS: usize = 3;

/// What was measured.
#[derive(Serialize)]
pub struct Report {
    /// Pairs for each size.
    pairs: usize,
    /// Seconds to make the translator ready where it has to be compiled.
    cold_translator: Figures,
    sizes: Vec<Size>,
    assets_command: AssetsCommand,
}

/// Loading a project of one size.
#[derive(Serialize)]
struct Size {
    models: usize,
    assets: usize,
    checks: usize,
    /// Bytes of the manifest.
    manifest: u64,
    plain_time: Figures,
    plain_cpu: Figures,
    plain_peak: Figures,
    translated_time: Figures,
    translated_cpu: Figures,
    translated_peak: Figures,
    /// What translation adds, pair by pair.
    translation: Figures,
    translation_cpu: Figures,
    /// Of that, what making the compiled translator ready takes.
    ready: Figures,
}

/// `tidegate assets --json` on the largest project, from start to end.
#[derive(Serialize)]
struct AssetsCommand {
    wall: Figures,
    cpu: Figures,
    peak: Figures,
}

/// Measures `runs` pairs for each size, alternating.
pub fn run(setting: &Setting, runs: u32) -> Result<Report> {
    let mut projects = Vec::new();
    for models in SIZES {
        projects.push((models, prepare(setting, models)?));
    }
    let smallest = manifest(&projects[0].1);
    let cold = (0..COMPILATIONS).map(|_| cold(setting, &smallest)).collect::<Result<Vec<_>>>()?;

    let plugins = setting.folder("plugins");
    probe(&smallest, Some(&plugins))?;
    let mut sizes = Vec::new();
    for (models, project) in &projects {
        note(&format!("load: {models} models, {runs} pairs"));
        let manifest = manifest(project);
        // Nothing is measured before the manifest is in the system's cache.
        probe(&manifest, None)?;
        let pairs = (0..runs)
            .map(|_| Ok((probe(&manifest, None)?, probe(&manifest, Some(&plugins))?)))
            .collect::<Result<Vec<_>>>()?;
        sizes.push(Size::of(*models, fs::metadata(&manifest)?.len(), &pairs));
    }
    let largest = &projects[SIZES.len() - 1].1;
    note(&format!("load: `tidegate assets --json`, {runs} runs"));
    let weights =
        (0..runs).map(|_| setting.tidegate(largest, &["assets", "--json"])).collect::<Result<Vec<_>>>()?;
    Ok(Report {
        pairs: runs as usize,
        cold_translator: Figures::of(cold),
        sizes,
        assets_command: AssetsCommand {
            wall: Figures::of(weights.iter().map(|weight| weight.wall)),
            cpu: Figures::of(weights.iter().map(|weight| weight.cpu)),
            peak: Figures::of(weights.iter().map(|weight| weight.peak as f64)),
        },
    })
}

/// A generated project whose manifest is there: dbt parses it when it is new, or when dbt is another one.
pub fn prepare(setting: &Setting, models: usize) -> Result<PathBuf> {
    let project = setting.folder(&format!("projects-{}", generate::VERSION)).join(format!("models-{models}"));
    let whole = project.with_extension("made");
    if !whole.exists() {
        note(&format!("load: generating {models} models, which dbt parses once; that may take minutes"));
        empty(&project)?;
        generate::generate(&project, models)
            .with_context(|| format!("could not generate {}", project.display()))?;
        fs::write(&whole, "")?;
    }
    setting.tidegate(&project, &["assets", "--json"])?;
    Ok(project)
}

fn manifest(project: &Path) -> PathBuf {
    project.join(".tidegate/projects").join(generate::NAME).join("manifest.json")
}

/// Seconds to make a translator ready that has never been compiled.
fn cold(setting: &Setting, manifest: &Path) -> Result<f64> {
    let plugins = setting.folder("plugins-cold");
    empty(&plugins)?;
    Ok(probe(manifest, Some(&plugins))?.open)
}

fn empty(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", folder.display()))
        }
        _ => fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display())),
    }
}

impl Size {
    fn of(models: usize, manifest: u64, pairs: &[(Probed, Probed)]) -> Self {
        let figures = |each: fn(&(Probed, Probed)) -> f64| Figures::of(pairs.iter().map(each));
        let (assets, checks) = pairs.first().map_or((0, 0), |(plain, _)| (plain.assets, plain.checks));
        Self {
            models,
            assets,
            checks,
            manifest,
            plain_time: figures(|(plain, _)| plain.load),
            plain_cpu: figures(|(plain, _)| plain.cpu),
            plain_peak: figures(|(plain, _)| plain.peak as f64),
            translated_time: figures(|(_, translated)| translated.load),
            translated_cpu: figures(|(_, translated)| translated.cpu),
            translated_peak: figures(|(_, translated)| translated.peak as f64),
            translation: figures(|(plain, translated)| translated.load - plain.load),
            translation_cpu: figures(|(plain, translated)| translated.cpu - plain.cpu),
            ready: figures(|(_, translated)| translated.open),
        }
    }
}

impl Report {
    /// The figures that have bounds, held against them.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let Some(largest) = self.sizes.last() else { return Vec::new() };
        vec![
            LOAD_TIME.judge(largest.plain_time.median),
            LOAD_PEAK.judge(largest.plain_peak.median),
            TRANSLATION.judge(largest.translation.median),
            TRANSLATED_PEAK.judge(largest.translated_peak.median),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, memory) = (Unit::Milliseconds, Unit::Megabytes);
        writeln!(
            f,
            "load: a manifest as assets, in a fresh process each; {} pairs for each size, alternating",
            self.pairs
        )?;
        writeln!(
            f,
            "the translator is source-prefix, compiled before: compiling it and making it ready takes {}",
            self.cold_translator.shown(time)
        )?;
        writeln!(f, "median (least–most)")?;
        for size in &self.sizes {
            writeln!(
                f,
                "{} models, {} assets, {} checks, a manifest of {}",
                size.models,
                size.assets,
                size.checks,
                memory.shown(size.manifest as f64)
            )?;
            let row = |f: &mut fmt::Formatter<'_>, cells: [&str; 4]| {
                let [name, wall, cpu, peak] = cells;
                writeln!(f, "  {name:<22}{wall:<26}{cpu:<26}{peak}")
            };
            let times = |figures: &Figures| figures.shown(time);
            row(f, ["", "time", "CPU of the process", "peak memory"])?;
            let (wall, cpu) = (times(&size.plain_time), times(&size.plain_cpu));
            row(f, ["without translator", &wall, &cpu, &size.plain_peak.shown(memory)])?;
            let (wall, cpu) = (times(&size.translated_time), times(&size.translated_cpu));
            row(f, ["with translator", &wall, &cpu, &size.translated_peak.shown(memory)])?;
            row(f, ["translation adds", &times(&size.translation), &times(&size.translation_cpu), ""])?;
            writeln!(f, "  of that, {} make the translator ready", times(&size.ready))?;
        }
        let AssetsCommand { wall, cpu, peak } = &self.assets_command;
        writeln!(f, "`tidegate assets --json` on the largest, as a whole command")?;
        write!(f, "  wall {}, CPU {}, peak {}", wall.shown(time), cpu.shown(time), peak.shown(memory))
    }
}
