//! `tidegate jobs`.

use super::{Context, Exit, Failure, printer};
use crate::model::shell_words;

/// Lists the jobs.
#[derive(Debug, clap::Args)]
pub struct Jobs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A job as JSON.
#[derive(serde::Serialize)]
struct JobJson<'a> {
    name: &'a str,
    project: &'a str,
    description: Option<&'a str>,
    schedule: &'a [String],
    steps: Vec<String>,
}

impl Jobs {
    /// Lists the jobs.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let jobs: Vec<_> = context
            .config
            .jobs
            .values()
            .map(|job| JobJson {
                name: &job.name,
                project: &job.project,
                description: job.description.as_deref(),
                schedule: &job.schedules,
                steps: job.steps.iter().map(|s| format!("dbt {}", shell_words(&s.args))).collect(),
            })
            .collect();
        if self.json {
            printer::json(&jobs)?;
            return Ok(Exit::Done);
        }
        if jobs.is_empty() {
            printer::note(format!("{} has no jobs; add one: `[jobs.NAME]`", context.config.file.display()));
        }
        for job in jobs {
            let when = if job.schedule.is_empty() { "by hand".to_owned() } else { job.schedule.join(", ") };
            let project = if context.config.projects.len() > 1 {
                format!("  ({})", job.project)
            } else {
                String::new()
            };
            printer::line(format!(
                "{}{project}  {}",
                printer::styled(printer::STRONG, job.name),
                printer::styled(printer::FAINT, when)
            ));
            if let Some(description) = job.description {
                printer::line(printer::indented(description, 2));
            }
            for step in job.steps {
                printer::line(printer::indented(&format!("$ {step}"), 2));
            }
        }
        Ok(Exit::Done)
    }
}
