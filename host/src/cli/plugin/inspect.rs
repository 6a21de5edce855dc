//! `tidegate plugin inspect`: what a plugin is, and what it may do.
//!
//! Owns the report, for people and as JSON. Calls nothing of the plugin but `describe`, in the sandbox.

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::Result;
use clap::Args;

use crate::{
    plugins::{AnyPlugin, CallLimits, PluginSource},
    view::plugins::{CHUNK, MOST, Report},
};

use super::{Output, sandbox};

/// Arguments of `tidegate plugin inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// A component's file, or `builtin:NAME`
    #[arg(value_name = "FILE|builtin:NAME")]
    plugin: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<ExitCode> {
        let sandbox = sandbox()?;
        let source = PluginSource::parse(&self.plugin, Path::new(""))?;
        let plugin = sandbox.open(&source)?;
        // It is a component, so there is something to tell, whatever else is wrong with it.
        let mut report = Report::of_component(sandbox.limits(), &plugin);
        let mut hint = None;
        match AnyPlugin::new(&sandbox, plugin) {
            Ok(plugin) => report = Report::of(sandbox.limits(), &plugin),
            Err(error) => {
                report.problem = Some(error.fault.to_string());
                hint = error.hint();
            }
        }
        if self.json {
            serde_json::to_writer_pretty(&mut *output.data, &report)?;
            writeln!(output.data)?;
        } else {
            print(&report, output.data)?;
        }
        let Some(problem) = &report.problem else { return Ok(ExitCode::SUCCESS) };
        writeln!(output.notes, "error: plugin `{}` cannot be used: {problem}", report.source)?;
        if let Some(hint) = hint {
            writeln!(output.notes, "hint: {hint}")?;
        }
        Ok(ExitCode::FAILURE)
    }
}

/// Writes the report for people.
pub(super) fn print(report: &Report, to: &mut dyn Write) -> std::io::Result<()> {
    let mut line = |name: &str, value: &str| writeln!(to, "{name:<9} {value}");
    if let Some(description) = &report.description {
        line("name", &description.name)?;
        line("version", &description.version)?;
        line("summary", &description.summary)?;
    }
    line("source", &report.source)?;
    let contract = report.contract.as_deref().unwrap_or_default();
    let contract = if contract.is_empty() { String::new() } else { format!(" ({contract})") };
    line("kind", &report.kind.map_or("unknown".to_owned(), |kind| format!("{kind}{contract}")))?;
    line("size", &format!("{} bytes", report.size))?;
    line("sha256", &report.sha256)?;
    match report.imports.as_slice() {
        [] => line("imports", "nothing: it can compute, and nothing else")?,
        imports => {
            line("imports", &imports[0])?;
            imports[1..].iter().try_for_each(|import| line("", import))?;
            line("", "behind `wasi:*` it finds no files, network, environment, time or chance")?;
        }
    }
    match report.exports.as_slice() {
        [] => line("exports", "nothing")?,
        exports => {
            line("exports", &exports[0])?;
            exports[1..].iter().try_for_each(|export| line("", export))?;
        }
    }
    let CallLimits { time, memory, answer } = report.limits;
    let (time, memory, answer) = (time.as_secs_f32(), memory >> 20, answer >> 20);
    let translates = matches!(report.kind, None | Some("translator"));
    let nodes = if translates { CHUNK } else { MOST };
    let limits =
        format!("{time} s, {memory} MiB of memory, {answer} MiB of answer for {nodes} nodes of 4 KiB");
    line("limits", &limits)
}
