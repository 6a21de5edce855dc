//! `tidegate plugin inspect`: what a plugin is, and what it may do.
//!
//! Owns the report, for people and as JSON. Calls nothing of the plugin but `describe`, in the sandbox.

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::plugins::{AnyPlugin, CallLimits, Description, Plugin, PluginKind, PluginSource, Sandbox};

use super::{Output, sandbox};

/// The chunk of nodes whose limits are shown: of a translator the largest that a project is translated in, of the others the
/// most that they are told of.
const CHUNK: usize = 250;
const MOST: usize = 1000;

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

/// What there is to know about a plugin. Its fields are the keys of `--json`, and stay.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The plugin's source as it was written.
    pub source: String,
    /// What kind of plugin it is: `translator`, `retry-policy` or `notifier`; none where it is none that Tidegate knows.
    pub kind: Option<&'static str>,
    /// The interface that makes it so, with its version.
    pub contract: Option<String>,
    /// Name, version and summary, as the plugin says; none where it could not say.
    #[serde(flatten)]
    pub description: Option<Description>,
    /// The component's size in bytes.
    pub size: u64,
    /// The sha256 of its bytes.
    pub sha256: String,
    /// What it imports: the list of its permissions.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// What a call may use: of a translator, for 250 nodes of 4 KiB; of the others, for 1,000.
    pub limits: CallLimits,
    /// Why it cannot be used; none where it can.
    pub problem: Option<String>,
}

impl Inspect {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<ExitCode> {
        let sandbox = sandbox()?;
        let source = PluginSource::parse(&self.plugin, Path::new(""))?;
        let plugin = sandbox.open(&source)?;
        // It is a component, so there is something to tell, whatever else is wrong with it.
        let mut report = Report::of_component(&sandbox, &plugin);
        let mut hint = None;
        match AnyPlugin::new(&sandbox, plugin) {
            Ok(plugin) => report = Report::of(&sandbox, &plugin),
            Err(error) => {
                report.problem = Some(error.fault.to_string());
                hint = error.hint();
            }
        }
        if self.json {
            serde_json::to_writer_pretty(&mut *output.data, &report)?;
            writeln!(output.data)?;
        } else {
            report.print(output.data)?;
        }
        let Some(problem) = &report.problem else { return Ok(ExitCode::SUCCESS) };
        writeln!(output.notes, "error: plugin `{}` cannot be used: {problem}", report.source)?;
        if let Some(hint) = hint {
            writeln!(output.notes, "hint: {hint}")?;
        }
        Ok(ExitCode::FAILURE)
    }
}

impl Report {
    /// The report on a plugin.
    pub fn of(sandbox: &Sandbox, plugin: &AnyPlugin) -> Self {
        let (description, problem) = match plugin.describe() {
            Ok(description) => (Some(description), None),
            Err(error) => (None, Some(format!("asked who it is, it {error}"))),
        };
        Self {
            contract: Some(plugin.contract().to_owned()),
            description,
            problem,
            ..Self::of_component(sandbox, plugin.plugin())
        }
    }

    fn of_component(sandbox: &Sandbox, plugin: &Plugin) -> Self {
        let kind = PluginKind::of(plugin);
        Self {
            source: plugin.source().to_owned(),
            kind: kind.map(PluginKind::as_str),
            contract: None,
            description: None,
            size: plugin.size(),
            sha256: plugin.digest().to_owned(),
            imports: plugin.imports().to_vec(),
            exports: plugin.exports().to_vec(),
            limits: match kind {
                None | Some(PluginKind::Translator) => sandbox.limits().for_call(CHUNK, CHUNK * 4096),
                Some(_) => sandbox.limits().for_call(0, MOST * 4096),
            },
            problem: None,
        }
    }

    /// Writes the report for people.
    pub fn print(&self, to: &mut dyn Write) -> std::io::Result<()> {
        let mut line = |name: &str, value: &str| writeln!(to, "{name:<9} {value}");
        if let Some(description) = &self.description {
            line("name", &description.name)?;
            line("version", &description.version)?;
            line("summary", &description.summary)?;
        }
        line("source", &self.source)?;
        let contract = self.contract.as_deref().unwrap_or_default();
        let contract = if contract.is_empty() { String::new() } else { format!(" ({contract})") };
        line("kind", &self.kind.map_or("unknown".to_owned(), |kind| format!("{kind}{contract}")))?;
        line("size", &format!("{} bytes", self.size))?;
        line("sha256", &self.sha256)?;
        match self.imports.as_slice() {
            [] => line("imports", "nothing: it can compute, and nothing else")?,
            imports => {
                line("imports", &imports[0])?;
                imports[1..].iter().try_for_each(|import| line("", import))?;
                line("", "behind `wasi:*` it finds no files, network, environment, time or chance")?;
            }
        }
        match self.exports.as_slice() {
            [] => line("exports", "nothing")?,
            exports => {
                line("exports", &exports[0])?;
                exports[1..].iter().try_for_each(|export| line("", export))?;
            }
        }
        let CallLimits { time, memory, answer } = self.limits;
        let (time, memory, answer) = (time.as_secs_f32(), memory >> 20, answer >> 20);
        let translates = matches!(self.kind, None | Some("translator"));
        let nodes = if translates { CHUNK } else { MOST };
        let limits =
            format!("{time} s, {memory} MiB of memory, {answer} MiB of answer for {nodes} nodes of 4 KiB");
        line("limits", &limits)
    }
}
