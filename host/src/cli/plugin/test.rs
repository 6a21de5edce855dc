//! `tidegate plugin test`: a plugin's cases in the sandbox that projects use.
//!
//! Owns the run of the cases, the check that an answer depends on its node alone, and the verdict. Never goes easier on
//! a plugin than a project would.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;

use crate::{
    model::{AssetShape, NodeFacts},
    plugins::{CallError, PluginSource, Translator},
};

use super::{
    Hinted, Output, Report, build,
    case::{self, Case},
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

type Answer = Result<AssetShape, String>;

impl Test {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<ExitCode> {
        let (component, home) = self.component(output)?;
        let sandbox = sandbox()?;
        let translator = Translator::load(&sandbox, &PluginSource::File(component))?;
        let report = Report::of(&sandbox, &translator);
        report.print(output.data)?;
        if let Some(problem) = report.problem {
            writeln!(output.data, "\nFAILED: {problem}")?;
            return Ok(ExitCode::FAILURE);
        }
        let cases = self.read_cases(&home)?;
        writeln!(output.data)?;
        let failed = run_cases(&translator, &cases, output.data)?;
        match (cases.len(), failed) {
            (0, _) => {
                writeln!(output.data, "no cases: the plugin loads, and says who it is")?;
                writeln!(output.notes, "hint: put cases into {}", home.join("cases").display())?;
            }
            (all, 0) => writeln!(output.data, "{all} passed")?,
            (all, failed) => writeln!(output.data, "{} passed, {failed} failed", all - failed)?,
        }
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

    fn read_cases(&self, home: &Path) -> Result<Vec<Case>> {
        match &self.cases {
            Some(folder) => {
                let cases = case::read(folder)?;
                anyhow::ensure!(
                    !cases.is_empty(),
                    "{} has no cases: files that end in .toml",
                    folder.display()
                );
                Ok(cases)
            }
            None if home.join("cases").is_dir() => case::read(&home.join("cases")),
            None => Ok(Vec::new()),
        }
    }
}

/// Runs the cases, writes a line for each, and counts those that fail.
fn run_cases(translator: &Translator, cases: &[Case], to: &mut dyn Write) -> io::Result<usize> {
    let mut failed = 0;
    for case in cases {
        let problem = match answer(translator, case) {
            Ok(answer) => case.differences(&answer).or_else(|| impurity(translator, case, cases, &answer)),
            Err(error) => Some(format!("the plugin {error}\n")),
        };
        match problem {
            None => writeln!(to, "ok     {}", case.name)?,
            Some(problem) => {
                failed += 1;
                writeln!(to, "FAILED {}", case.name)?;
                for line in problem.lines() {
                    writeln!(to, "       {line}")?;
                }
            }
        }
    }
    Ok(failed)
}

/// What the plugin says to a case's configuration, and then to its node.
fn answer(translator: &Translator, case: &Case) -> Result<Answer, CallError> {
    if let Err(reason) = translator.check_config(&case.config)? {
        return Ok(Err(reason));
    }
    let mut answers = translator.translate(&case.config, std::slice::from_ref(&case.node))?;
    // There is one answer a node, or the call has failed.
    Ok(answers.pop().unwrap_or_else(|| Err(String::new())))
}

/// Whether an answer changes where it must not: asked again, and between other nodes.
fn impurity(translator: &Translator, case: &Case, cases: &[Case], alone: &Answer) -> Option<String> {
    match answer(translator, case) {
        Ok(again) if again == *alone => {}
        Ok(again) => return Some(changed("asked again, it answers something else", alone, &again)),
        Err(error) => return Some(format!("asked again, the plugin {error}\n")),
    }
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

fn changed(when: &str, alone: &Answer, now: &Answer) -> String {
    let say = |answer: &Answer| match answer {
        Ok(shape) => serde_json::to_string(shape).unwrap_or_default(),
        Err(error) => format!("error: {error}"),
    };
    format!(
        "{when}: an answer may depend on its node and the configuration alone\nfirst  {}\nthen   {}\n",
        say(alone),
        say(now)
    )
}
