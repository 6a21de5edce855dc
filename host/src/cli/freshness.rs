//! `tidegate freshness`: how fresh sources are, and assets that have to be.

use jiff::SignedDuration;

use super::{
    Context, Exit, Failure,
    printer::{self, FAINT, styled},
};
use crate::{
    dbt::plain,
    model::FreshWithin,
    store::SourceLook,
    view::freshness::{self, FreshnessRow},
};

/// Shows how fresh sources are, and assets that have to be.
#[derive(Debug, clap::Args)]
pub struct Freshness {
    /// Only those that are late
    #[arg(long)]
    late: bool,
    /// The project, where there are several
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Freshness {
    /// Shows the list.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let projects = match &self.project {
            Some(name) => vec![context.project(Some(name))?],
            None => context.config.projects.values().collect(),
        };
        let reader = context.reader()?;
        let mut rows =
            vec![["asset", "type", "state", "since", "newest", "limit"].map(|h| styled(FAINT, h)).to_vec()];
        let mut json = Vec::new();
        for config in projects {
            let opened = context.look(config)?;
            let lines = freshness::rows(&reader, &opened.project)?;
            for line in lines.iter().filter(|line| !self.late || line.is_late()) {
                if self.json {
                    json.push(serde_json::to_value(line).map_err(|e| Failure::new(e.to_string()))?);
                } else {
                    rows.push(cells(line));
                }
            }
        }
        if self.json {
            printer::json(&json)?;
        } else if rows.len() > 1 {
            printer::table(&rows);
        } else if self.late {
            printer::note("nothing is late");
        } else {
            printer::note("no source, and no asset that has to be fresh");
        }
        Ok(Exit::Done)
    }
}

/// How fresh an asset has to be, in words.
pub(super) fn limit(fresh: &FreshWithin) -> String {
    let deadline = fresh.deadline.as_ref();
    let at = deadline.map(|d| format!(" at `{}` in {}", d.expression, d.time_zone)).unwrap_or_default();
    format!("built within {}{at}", span(fresh.within))
}

/// A span for people, without seconds that nobody wrote.
fn span(span: SignedDuration) -> String {
    format!("{span:#}")
}

/// The thresholds of a source, in words.
pub(super) fn thresholds(look: &SourceLook) -> String {
    let Some(found) = &look.found else { return String::new() };
    let warn = found.warn_after.as_ref().map(|after| format!("warn after {after}"));
    let error = found.error_after.as_ref().map(|after| format!("error after {after}"));
    [warn, error].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn cells(row: &FreshnessRow) -> Vec<String> {
    let state = match (row.as_node_state(), row.state.as_deref()) {
        (Some(state), Some(word)) => styled(printer::of_node(&state), word),
        _ => styled(FAINT, "not looked at"),
    };
    let limit = row.look.as_ref().map(thresholds).or_else(|| row.fresh_within.as_ref().map(limit));
    vec![
        plain(&row.key),
        row.resource_type.to_string(),
        state,
        row.at.map(printer::time).unwrap_or_default(),
        row.newest.map(printer::time).unwrap_or_default(),
        limit.unwrap_or_default(),
    ]
}
