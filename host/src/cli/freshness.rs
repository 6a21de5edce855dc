//! `tidegate freshness`: how fresh sources are, and assets that have to be.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    Context, Exit, Failure,
    printer::{self, FAINT, styled},
};
use crate::{
    dbt::plain,
    model::{Asset, AssetFreshness, FreshWithin, NodeState, Project, ResourceType},
    store::{Reader, SourceLook},
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

/// A source or an asset that has to be fresh.
#[derive(Serialize)]
struct Line<'a> {
    project: &'a str,
    key: String,
    unique_id: &'a str,
    resource_type: &'a ResourceType,
    /// `pass`, `warn`, `error` or `runtime error` of a source; `on time` or `late` of an asset; none where nobody has looked.
    state: Option<String>,
    /// Since when it is so; of a source, when dbt looked last.
    at: Option<Timestamp>,
    /// The newest row of a source; the last materialization of an asset.
    newest: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    look: Option<&'a SourceLook>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fresh_within: Option<&'a FreshWithin>,
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
            let project = &opened.project;
            let looks = looks(&reader, project)?;
            let kept = reader.asset_freshness(&project.name)?;
            let lines = lines(project, &looks, &kept);
            for line in lines.iter().filter(|line| !self.late || line.is_late()) {
                if self.json {
                    json.push(serde_json::to_value(line).map_err(|e| Failure::new(e.to_string()))?);
                } else {
                    rows.push(line.row());
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

/// The last look at each source.
fn looks(reader: &Reader, project: &Project) -> Result<BTreeMap<String, SourceLook>, Failure> {
    let mut looks = BTreeMap::new();
    for source in project.assets.iter().filter(|asset| asset.resource_type == ResourceType::Source) {
        let last = reader.source_looks(&project.name, &source.unique_id, 1)?.into_iter().next();
        looks.extend(last.map(|look| (source.unique_id.clone(), look)));
    }
    Ok(looks)
}

fn lines<'a>(
    project: &'a Project,
    looks: &'a BTreeMap<String, SourceLook>,
    kept: &'a BTreeMap<String, AssetFreshness>,
) -> Vec<Line<'a>> {
    let line = |asset: &'a Asset| {
        let look = looks.get(&asset.unique_id);
        let freshness = kept.get(&asset.unique_id);
        let fresh_within = freshness.map(|kept| &kept.fresh_within).or(asset.fresh_within.as_ref());
        let is_source = asset.resource_type == ResourceType::Source;
        (is_source || fresh_within.is_some()).then(|| Line {
            project: &project.name,
            key: asset.shape.key.to_string(),
            unique_id: &asset.unique_id,
            resource_type: &asset.resource_type,
            state: look.map(|look| look.state.to_string()).or_else(|| freshness.map(|f| word(f).to_owned())),
            at: look.map(|look| look.at).or_else(|| freshness.map(|f| f.since)),
            newest: look.and_then(|look| look.max_loaded_at).or_else(|| freshness.and_then(|f| f.last)),
            look,
            fresh_within,
        })
    };
    project.assets.iter().filter_map(line).collect()
}

/// Whether an asset is late, in words.
pub(super) fn word(freshness: &AssetFreshness) -> &'static str {
    if freshness.late { "late" } else { "on time" }
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

impl Line<'_> {
    fn is_late(&self) -> bool {
        self.state.as_deref().is_some_and(|state| !matches!(state, "pass" | "on time"))
    }

    fn row(&self) -> Vec<String> {
        let state = match self.state.as_deref() {
            None => styled(FAINT, "not looked at"),
            Some("on time") => styled(printer::of_node(&NodeState::Pass), "on time"),
            Some("late") => styled(printer::of_node(&NodeState::Error), "late"),
            Some(word) => styled(printer::of_node(&NodeState::from(word)), word),
        };
        let limit = self.look.map(thresholds).or_else(|| self.fresh_within.map(limit));
        vec![
            plain(&self.key),
            self.resource_type.to_string(),
            state,
            self.at.map(printer::time).unwrap_or_default(),
            self.newest.map(printer::time).unwrap_or_default(),
            limit.unwrap_or_default(),
        ]
    }
}
