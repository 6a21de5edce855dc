//! What someone asks to be run: a job with parameters, or a selection of nodes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RunId;

/// What a launch changes about the steps that it is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Parameters {
    /// Whether incremental models and seeds are built from scratch; none leaves it to the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_refresh: Option<bool>,
    /// Variables, before those of the job and of the project.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, serde_json::Value>,
    /// The target in place of the job's and of the steps'.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How many threads dbt runs with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub threads: Option<u32>,
    /// What the steps of a job select in place of what they say: dbt's selection syntax, or `key:ASSET/KEY`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub select: Vec<String>,
    /// What they leave out in place of what they say, in the same syntax.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

impl Parameters {
    /// Whether they change nothing.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What a selection is done with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeCommand {
    /// Build them and test them.
    #[default]
    Build,
    /// Run the models.
    Run,
    /// Make the tests.
    Test,
    /// Load the seeds.
    Seed,
    /// Take the snapshots.
    Snapshot,
}

impl NodeCommand {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Build, Self::Run, Self::Test, Self::Seed, Self::Snapshot];

    /// dbt's subcommand.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Run => "run",
            Self::Test => "test",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
        }
    }
}

/// How much of the lineage around assets is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The assets themselves.
    #[default]
    This,
    /// With everything that they are made from.
    Upstream,
    /// With everything that is made from them.
    Downstream,
    /// With both.
    Both,
}

/// Which nodes are meant: the union of everything that it says, where `failed` narrows the assets if there are any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Selection {
    /// What is done with them.
    pub command: NodeCommand,
    /// In dbt's selection syntax, or `key:ASSET/KEY` with `+` before or behind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub select: Vec<String>,
    /// What is left out, in the same syntax.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Assets by their unique ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<String>,
    /// How much of the lineage around these assets.
    pub scope: Scope,
    /// Only what failed or was skipped when it was dealt with last: of the assets with their scope, or without assets of the project.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// What is not done of a run: what failed in it, was skipped or was never come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_of: Option<RunId>,
}

/// So many assets are named in the title of a selection.
const NAMED: usize = 3;

impl Selection {
    /// What it is called in listings: dbt's command, and what was chosen as it was chosen, since the selectors that it comes to
    /// are for dbt.
    pub fn title(&self) -> String {
        let mut words = vec![self.command.as_str().to_owned()];
        let (above, below) = match self.scope {
            Scope::This => ("", ""),
            Scope::Upstream => ("+", ""),
            Scope::Downstream => ("", "+"),
            Scope::Both => ("+", "+"),
        };
        // `model.shop.orders` and `source.shop.raw.orders`: names have no dots of their own.
        let named = |id: &String| {
            let name = id.splitn(3, '.').nth(2).unwrap_or(id);
            format!("{above}{name}{below}")
        };
        words.extend(self.assets.iter().take(NAMED).map(named));
        if self.assets.len() > NAMED {
            words.push(format!("and {} more", self.assets.len() - NAMED));
        }
        if self.failed {
            words.push(if self.assets.is_empty() { "what failed" } else { "(what failed)" }.to_owned());
        }
        if let Some(run) = self.failed_of {
            words.push(format!("what is left of run {run}"));
        }
        let flags = [("--select", &self.select), ("--exclude", &self.exclude)];
        for (flag, selectors) in flags.into_iter().filter(|(_, selectors)| !selectors.is_empty()) {
            words.extend([flag.to_owned(), super::shell_words(selectors)]);
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_called_by_what_was_chosen() {
        let assets = |names: &[&str]| names.iter().map(|name| format!("model.shop.{name}")).collect();
        let one = Selection { assets: assets(&["orders"]), scope: Scope::Downstream, ..Selection::default() };
        assert_eq!(one.title(), "build orders+");
        let many = Selection {
            command: NodeCommand::Run,
            assets: assets(&["a", "b", "c", "d", "e"]),
            scope: Scope::Both,
            failed: true,
            ..Selection::default()
        };
        assert_eq!(many.title(), "run +a+ +b+ +c+ and 2 more (what failed)");
        let words = Selection {
            select: vec!["tag:hourly".to_owned(), "key:shop/orders+".to_owned()],
            exclude: vec!["my model".to_owned()],
            ..Selection::default()
        };
        assert_eq!(words.title(), "build --select tag:hourly key:shop/orders+ --exclude 'my model'");
        let failed = Selection { failed: true, ..Selection::default() };
        assert_eq!(failed.title(), "build what failed");
        let left = Selection { failed_of: Some(RunId(8)), ..Selection::default() };
        assert_eq!(left.title(), "build what is left of run 8");
    }
}
