//! `tidegate jobs`.

use super::{Context, Exit, Failure, printer};
use crate::model::{RetryRule, shell_words};

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
    time_zone: &'a str,
    after: Vec<&'a str>,
    sensors: Vec<String>,
    retry: Option<&'a RetryRule>,
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
                schedule: &job.automated.expressions,
                time_zone: &job.automated.zone,
                after: job.automated.after.iter().map(|after| after.job.as_str()).collect(),
                sensors: job.automated.sensors.iter().map(|sensor| sensor.trigger().to_string()).collect(),
                retry: job.retry.as_ref(),
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
            let mut when = job.schedule.to_vec();
            when.extend(job.after.iter().map(|other| format!("after {other}")));
            when.extend(job.sensors.iter().map(|sensor| format!("on {sensor}")));
            let when = if when.is_empty() { "by hand".to_owned() } else { when.join(", ") };
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
            if let Some(rule) = job.retry {
                let retry = format!("retry by {}", policy(rule));
                printer::line(printer::styled(printer::FAINT, printer::indented(&retry, 2)));
            }
        }
        Ok(Exit::Done)
    }
}

/// A retry rule as one line: the plugin and what it is told.
pub(super) fn policy(rule: &RetryRule) -> String {
    let settings = rule.config.as_object().into_iter().flatten();
    let settings: Vec<_> = settings
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name} {text}"),
            None => format!("{name} {value}"),
        })
        .collect();
    if settings.is_empty() {
        rule.plugin.clone()
    } else {
        format!("{} ({})", rule.plugin, settings.join(", "))
    }
}
