//! `tidegate plugin test`: a plugin's cases in the sandbox that the host uses.
//!
//! Owns the run of the cases, the check that an answer depends on its input alone, and the verdict. Never goes easier on
//! a plugin than the host would.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::{
    model::{AssetShape, DeliveryRequest, NodeFacts, RetryAnswer},
    plugins::{AnyPlugin, CallError, Notifier, PluginSource, RetryPolicy, Translator},
    view::plugins::Report,
};

use super::{
    Hinted, Output, build,
    case::{self, Case, NotifierCase, RetryCase},
    inspect::print,
    sandbox,
};

/// Arguments of `tidegate plugin test`.
#[derive(Debug, Args)]
pub struct Test {
    /// The plugin's folder, or a `.wasm` file that has been built
    #[arg(default_value = ".")]
    path: PathBuf,
    /// The folder of the cases [default: `cases` beside the plugin]
    #[arg(long, value_name = "FOLDER")]
    cases: Option<PathBuf>,
}

/// What a plugin answers: the kind's own, or the plugin's sentence why there is none.
type Answer<T> = Result<T, String>;

/// How many cases there were, and how many failed.
type Tally = (usize, usize);

impl Test {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<ExitCode> {
        let (component, home) = self.component(output)?;
        let sandbox = sandbox()?;
        let plugin = AnyPlugin::new(&sandbox, sandbox.open(&PluginSource::File(component))?)?;
        let report = Report::of(sandbox.limits(), &plugin);
        print(&report, output.data)?;
        if let Some(problem) = report.problem {
            writeln!(output.data, "\nFAILED: {problem}")?;
            return Ok(ExitCode::FAILURE);
        }
        let tally = match &plugin {
            AnyPlugin::Translator(translator) => {
                let cases = self.read_cases(&home, Case::parse)?;
                writeln!(output.data)?;
                let verdict = |case: &Case| of_translator(translator, case, &cases);
                run_cases(&cases, |case| &case.name, verdict, output.data)?
            }
            AnyPlugin::RetryPolicy(policy) => {
                let cases = self.read_cases(&home, RetryCase::parse)?;
                writeln!(output.data)?;
                run_cases(&cases, |case| &case.name, |case| of_policy(policy, case), output.data)?
            }
            AnyPlugin::Notifier(notifier) => {
                let cases = self.read_cases(&home, NotifierCase::parse)?;
                writeln!(output.data)?;
                run_cases(&cases, |case| &case.name, |case| of_notifier(notifier, case), output.data)?
            }
        };
        match tally {
            (0, _) => {
                writeln!(output.data, "no cases: the plugin loads, and says who it is")?;
                writeln!(output.notes, "hint: put cases into {}", home.join("cases").display())?;
            }
            (all, 0) => writeln!(output.data, "{all} passed")?,
            (all, failed) => writeln!(output.data, "{} passed, {failed} failed", all - failed)?,
        }
        Ok(if tally.1 == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The component, and the folder in which its cases would be.
    fn component(&self, output: &mut Output<'_>) -> Result<(PathBuf, PathBuf)> {
        if self.path.is_dir() {
            if !self.path.join("Cargo.toml").is_file() {
                return Err(Hinted {
                    message: format!(
                        "{} has no Cargo.toml, so it is no plugin's folder",
                        self.path.display()
                    ),
                    hint: "name a plugin's folder or a `.wasm` file; `tidegate plugin new` makes a plugin"
                        .to_owned(),
                }
                .into());
            }
            return Ok((build::build(&self.path, output)?, self.path.clone()));
        }
        let home = self.path.parent().unwrap_or(Path::new("")).to_owned();
        Ok((self.path.clone(), home))
    }

    fn read_cases<C>(&self, home: &Path, parse: fn(String, &str) -> Result<C>) -> Result<Vec<C>> {
        match &self.cases {
            Some(folder) => {
                let cases = case::read(folder, parse)?;
                anyhow::ensure!(
                    !cases.is_empty(),
                    "{} has no cases: files that end in .toml",
                    folder.display()
                );
                Ok(cases)
            }
            None if home.join("cases").is_dir() => case::read(&home.join("cases"), parse),
            None => Ok(Vec::new()),
        }
    }
}

/// Runs the cases, and writes a line for each.
fn run_cases<C>(
    cases: &[C],
    name: impl Fn(&C) -> &str,
    problem: impl Fn(&C) -> Option<String>,
    to: &mut dyn Write,
) -> io::Result<Tally> {
    let mut failed = 0;
    for case in cases {
        match problem(case) {
            None => writeln!(to, "ok     {}", name(case))?,
            Some(problem) => {
                failed += 1;
                writeln!(to, "FAILED {}", name(case))?;
                for line in problem.lines() {
                    writeln!(to, "       {line}")?;
                }
            }
        }
    }
    Ok((cases.len(), failed))
}

/// What is wrong with the answer to a case: it is not as expected, or asked again the plugin says something else.
fn judged<T: Serialize + PartialEq>(
    ask: impl Fn() -> Result<Answer<T>, CallError>,
    differences: impl FnOnce(&Answer<T>) -> Option<String>,
    more: impl FnOnce(&Answer<T>) -> Option<String>,
) -> Option<String> {
    let answer = match ask() {
        Ok(answer) => answer,
        Err(error) => return Some(format!("the plugin {error}\n")),
    };
    let again = || match ask() {
        Ok(again) if again == answer => None,
        Ok(again) => Some(changed("asked again, it answers something else", &answer, &again)),
        Err(error) => Some(format!("asked again, the plugin {error}\n")),
    };
    differences(&answer).or_else(again).or_else(|| more(&answer))
}

fn of_policy(policy: &RetryPolicy, case: &RetryCase) -> Option<String> {
    let ask = || -> Result<Answer<RetryAnswer>, CallError> {
        match policy.check_config(&case.config)? {
            Ok(()) => policy.decide(&case.config, &case.failure).outcome,
            Err(reason) => Ok(Err(reason)),
        }
    };
    judged(ask, |answer| case.differences(answer), |_| None)
}

fn of_notifier(notifier: &Notifier, case: &NotifierCase) -> Option<String> {
    let ask = || -> Result<Answer<Vec<DeliveryRequest>>, CallError> {
        match notifier.check_config(&case.config)? {
            Ok(()) => notifier.render(&case.config, &case.destinations, &case.notification).outcome,
            Err(reason) => Ok(Err(reason)),
        }
    };
    judged(ask, |answer| case.differences(answer), |_| None)
}

fn of_translator(translator: &Translator, case: &Case, cases: &[Case]) -> Option<String> {
    let ask = || -> Result<Answer<AssetShape>, CallError> {
        if let Err(reason) = translator.check_config(&case.config)? {
            return Ok(Err(reason));
        }
        let mut answers = translator.translate(&case.config, std::slice::from_ref(&case.node))?;
        // There is one answer a node, or the call has failed.
        Ok(answers.pop().unwrap_or_else(|| Err(String::new())))
    };
    judged(ask, |answer| case.differences(answer), |answer| among_others(translator, case, cases, answer))
}

/// Whether an answer changes where it must not: between other nodes.
fn among_others(
    translator: &Translator,
    case: &Case,
    cases: &[Case],
    alone: &Answer<AssetShape>,
) -> Option<String> {
    if translator.check_config(&case.config) != Ok(Ok(())) {
        return None;
    }
    // The others' nodes with this one's configuration: before it, and behind it.
    let others = cases.iter().map(|other| &other.node).filter(|node| node.unique_id != case.node.unique_id);
    let mut chunk: Vec<NodeFacts> = others.cloned().collect();
    chunk.push(case.node.clone());
    chunk.insert(0, case.node.clone());
    match translator.translate(&case.config, &chunk) {
        Ok(answers) => [answers.first(), answers.last()]
            .into_iter()
            .flatten()
            .find(|answer| *answer != alone)
            .map(|answer| changed("between other nodes, it answers something else", alone, answer)),
        Err(error) => Some(format!("given the nodes of all cases, the plugin {error}\n")),
    }
}

fn changed<T: Serialize>(when: &str, alone: &Answer<T>, now: &Answer<T>) -> String {
    let say = |answer: &Answer<T>| match answer {
        Ok(answer) => serde_json::to_string(answer).unwrap_or_default(),
        Err(error) => format!("error: {error}"),
    };
    format!(
        "{when}: an answer may depend on its input and the configuration alone\nfirst  {}\nthen   {}\n",
        say(alone),
        say(now)
    )
}
