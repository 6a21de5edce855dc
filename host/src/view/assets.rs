//! The catalogue: where each asset stands, which assets are wanted, and what they can be told apart by.

use std::{
    borrow::Cow,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::health::{Health, Symptoms, health};
use crate::{
    model::{Asset, AssetKey, NodeState, Project, ResourceType, RunId},
    store::{Materialization, Reader, StoreError},
};

/// The word for the state of what no run has had to do with.
const NEVER: &str = "never";

/// Where the assets of a project stand.
#[derive(Debug, Clone, Default)]
pub struct Standings {
    /// By dbt's unique id; what nothing is known of is not there.
    pub assets: BTreeMap<String, AssetStanding>,
}

/// Where an asset stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AssetStanding {
    /// In one word.
    pub health: Health,
    /// dbt's word for how the last run went, or goes, that had to do with it; null where none had.
    pub state: Option<NodeState>,
    /// That run; null where it is forgotten or there was none.
    pub run: Option<RunId>,
    /// When that ended, or began.
    pub at: Option<Timestamp>,
    /// How many of its checks failed when they were made last.
    pub failed_checks: u32,
    /// How many of its checks warned when they were made last.
    pub warned_checks: u32,
    /// Whether it has to be fresh and is not.
    pub late: bool,
    /// When it was built last; null where it never was, and for sources.
    pub last_materialization: Option<Materialization>,
}

impl AssetStanding {
    /// Nothing is known of it.
    const UNKNOWN: Self = Self {
        health: Health::Never,
        state: None,
        run: None,
        at: None,
        failed_checks: 0,
        warned_checks: 0,
        late: false,
        last_materialization: None,
    };
}

impl Standings {
    /// Reads where the assets of a project stand.
    pub fn read(reader: &Reader, project: &Project) -> Result<Self, StoreError> {
        let nodes = reader.standings_of_nodes(&project.name)?;
        let checks = reader.last_checks(&project.name)?;
        let fresh = reader.asset_freshness(&project.name)?;
        let mut built = reader.last_materializations(&project.name)?;
        // What is known of sources is kept longer than the runs that found it.
        let is_forgotten = |asset: &Asset| {
            asset.resource_type == ResourceType::Source && !nodes.contains_key(&asset.unique_id)
        };
        let looks = match project.assets.iter().any(is_forgotten) {
            true => reader.last_looks(&project.name)?,
            false => BTreeMap::new(),
        };
        let mut assets = BTreeMap::new();
        for asset in &project.assets {
            let node = nodes.get(&asset.unique_id);
            let look = looks.get(&asset.unique_id).filter(|_| node.is_none());
            let state = node.map(|node| &node.state).or(look.map(|look| &look.state));
            let last_materialization = built.remove(&asset.unique_id);
            let late = fresh.get(&asset.unique_id).filter(|fresh| fresh.late);
            let results = || asset.checks.iter().filter_map(|id| checks.get(id));
            let failed_checks = results().filter(|state| state.is_failure()).count() as u32;
            let warned_checks = results().filter(|state| **state == NodeState::Warn).count() as u32;
            let symptoms = Symptoms {
                resource_type: &asset.resource_type,
                state,
                built: last_materialization.is_some(),
                failed_checks,
                warned_checks,
                late: late.map(|late| late.fresh_within.severity),
            };
            let standing = AssetStanding {
                health: health(symptoms),
                state: state.cloned(),
                run: node.map(|node| node.attempt.run),
                at: node.and_then(|node| node.at).or(look.map(|look| look.at)),
                failed_checks,
                warned_checks,
                late: late.is_some(),
                last_materialization,
            };
            if standing != AssetStanding::UNKNOWN {
                assets.insert(asset.unique_id.clone(), standing);
            }
        }
        Ok(Self { assets })
    }

    /// Where an asset stands.
    pub fn of(&self, unique_id: &str) -> &AssetStanding {
        self.assets.get(unique_id).unwrap_or(&AssetStanding::UNKNOWN)
    }
}

/// An asset in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AssetRow {
    /// Its project.
    pub project: String,
    /// dbt's id of the node.
    pub unique_id: String,
    /// Its key, from the outermost part to the innermost.
    pub key: AssetKey,
    /// The node's name.
    pub name: String,
    /// dbt's resource type.
    pub resource_type: ResourceType,
    /// How dbt builds it; null for a source.
    pub materialized: Option<String>,
    /// The group that it is shown in.
    pub group: Option<String>,
    /// The folder of its file below the project's, such as `models/staging`; empty where it is in none.
    pub folder: String,
    /// Mail addresses or teams.
    pub owners: Vec<String>,
    /// Tags; the value is empty for a tag that has only a name.
    pub tags: BTreeMap<String, String>,
    /// `dbt` and the adapter.
    pub kinds: Vec<String>,
    /// What it is, its first paragraph.
    pub description: Option<String>,
    /// How many checks it has.
    pub checks: u32,
    /// Where it stands.
    #[serde(flatten)]
    pub standing: AssetStanding,
}

impl AssetRow {
    /// A row of the catalogue.
    pub fn new(project: &Project, asset: &Asset, standing: &AssetStanding) -> Self {
        let paragraph = |text: &String| text.trim().split("\n\n").next().map(str::to_owned);
        Self {
            project: project.name.clone(),
            unique_id: asset.unique_id.clone(),
            key: asset.shape.key.clone(),
            name: asset.name.clone(),
            resource_type: asset.resource_type.clone(),
            materialized: asset.materialized.clone(),
            group: asset.shape.group.clone(),
            folder: project.folder(asset).into_owned(),
            owners: asset.shape.owners.clone(),
            tags: asset.shape.tags.clone(),
            kinds: asset.kinds.clone(),
            description: asset.shape.description.as_ref().and_then(paragraph),
            checks: asset.checks.len() as u32,
            standing: standing.clone(),
        }
    }
}

/// Which assets are wanted. Of several values of one field any will do; all fields have to fit.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Wanted {
    /// Words that all have to be in the key, the name, the unique id or the description, in whatever case.
    pub q: Option<String>,
    /// Only of these projects.
    pub project: Vec<String>,
    /// Only with one of these tags, `NAME` or `NAME=VALUE`.
    pub tag: Vec<String>,
    /// Only of these groups.
    pub group: Vec<String>,
    /// Only of these owners.
    pub owner: Vec<String>,
    /// Only what is defined in one of these folders or below it: paths from the project's folder, such as
    /// `models/staging`.
    pub folder: Vec<String>,
    /// Only of these resource types.
    pub resource_type: Vec<String>,
    /// Only in these states: dbt's words, and `never` for what no run has had to do with.
    pub state: Vec<String>,
    /// Only of this health.
    pub health: Vec<Health>,
    /// Only what is selected: dbt's selection syntax, or `key:ASSET/KEY` with `+` before or behind; several separated by
    /// spaces are united.
    pub select: Option<String>,
}

impl Wanted {
    /// Whether an asset fits, apart from the selection, which takes dbt to be resolved.
    pub fn fits(&self, project: &Project, asset: &Asset, standing: &AssetStanding) -> bool {
        let any = |wanted: &[String], has: &dyn Fn(&str) -> bool| {
            wanted.is_empty() || wanted.iter().any(|one| has(one))
        };
        let tag = |wanted: &str| match wanted.split_once('=') {
            Some((name, value)) => asset.shape.tags.get(name).is_some_and(|has| has == value),
            None => asset.shape.tags.contains_key(wanted),
        };
        let state = standing.state.as_ref().map_or(NEVER, NodeState::as_str);
        any(&self.project, &|name| name == project.name)
            && any(&self.resource_type, &|name| name == asset.resource_type.as_str())
            && any(&self.group, &|name| asset.shape.group.as_deref() == Some(name))
            && any(&self.owner, &|name| asset.shape.owners.iter().any(|owner| owner == name))
            && any(&self.folder, &|name| is_below(&project.folder(asset), name.trim_end_matches('/')))
            && any(&self.tag, &tag)
            && any(&self.state, &|name| name == state)
            && (self.health.is_empty() || self.health.contains(&standing.health))
            && self.q.as_deref().is_none_or(|words| mentions(asset, words))
    }

    /// The selection, word by word; none where there is none.
    pub fn selection(&self) -> Option<Vec<String>> {
        let words: Vec<_> = self.select.as_deref()?.split_whitespace().map(str::to_owned).collect();
        (!words.is_empty()).then_some(words)
    }
}

/// Whether a folder is another one, or in it.
fn is_below(folder: &str, other: &str) -> bool {
    folder.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A folder and those that it is in, the innermost first.
fn folders(folder: &str) -> impl Iterator<Item = &str> {
    let innermost = Some(folder).filter(|folder| !folder.is_empty());
    std::iter::successors(innermost, |&inner| Some(inner.rsplit_once('/')?.0))
}

fn mentions(asset: &Asset, words: &str) -> bool {
    let description = asset.shape.description.as_deref().unwrap_or_default();
    let text = format!("{}\n{}\n{}\n{description}", asset.shape.key, asset.name, asset.unique_id);
    let text = text.to_lowercase();
    words.split_whitespace().all(|word| text.contains(&word.to_lowercase()))
}

/// Where an asset stands in the catalogue, which goes by project, key and unique id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(pub String, pub AssetKey, pub String);

impl Mark {
    /// Of an asset.
    pub fn of(project: &str, asset: &Asset) -> Self {
        Self(project.to_owned(), asset.shape.key.clone(), asset.unique_id.clone())
    }

    /// The assets of a project that come behind it.
    pub fn behind<'a>(&self, project: &'a Project) -> &'a [Asset] {
        let assets = &project.assets[..];
        match project.name.cmp(&self.0) {
            Ordering::Less => &[],
            Ordering::Greater => assets,
            Ordering::Equal => {
                let passed = |asset: &Asset| (&asset.shape.key, &asset.unique_id) <= (&self.1, &self.2);
                &assets[assets.partition_point(passed)..]
            }
        }
    }
}

/// A page of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AssetPage {
    /// The assets, by project and key.
    pub items: Vec<AssetRow>,
    /// The cursor of the next page; null on the last one.
    pub next: Option<String>,
    /// How many assets fit, on all pages together.
    pub total: u32,
}

/// What assets can be told apart by: each value that there is, with the number of assets that have it, most first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Facets {
    /// How many assets there are.
    pub assets: u32,
    /// Projects.
    pub projects: Vec<Facet>,
    /// dbt's resource types.
    pub resource_types: Vec<Facet>,
    /// Groups; what is in none is not counted.
    pub groups: Vec<Facet>,
    /// Owners.
    pub owners: Vec<Facet>,
    /// Folders, each with what is in it or below it.
    pub folders: Vec<Facet>,
    /// Tags, `NAME` or `NAME=VALUE`.
    pub tags: Vec<Facet>,
    /// dbt's words for how the last run went, and `never`.
    pub states: Vec<Facet>,
    /// Their health.
    pub health: Vec<Facet>,
}

/// A value, and how many assets have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Facet {
    /// The value.
    pub value: String,
    /// How many.
    pub count: u32,
}

impl Facets {
    /// Counts what there is.
    pub fn of<'a>(assets: impl Iterator<Item = (&'a Project, &'a Asset, &'a AssetStanding)>) -> Self {
        #[derive(Default)]
        struct Counts<'a>(BTreeMap<Cow<'a, str>, u32>);
        impl<'a> Counts<'a> {
            fn add(&mut self, value: impl Into<Cow<'a, str>>) {
                *self.0.entry(value.into()).or_default() += 1;
            }
            fn most_first(self) -> Vec<Facet> {
                let facet = |(value, count): (Cow<'a, str>, u32)| Facet { value: value.into_owned(), count };
                let mut facets: Vec<_> = self.0.into_iter().map(facet).collect();
                facets.sort_by_key(|facet| std::cmp::Reverse(facet.count));
                facets
            }
        }
        let mut count = 0;
        let [mut projects, mut types, mut groups, mut owners, mut folded, mut tags, mut states, mut healths] =
            std::array::from_fn(|_| Counts::default());
        for (project, asset, standing) in assets {
            count += 1;
            projects.add(project.name.as_str());
            types.add(asset.resource_type.as_str());
            asset.shape.group.iter().for_each(|group| groups.add(group.as_str()));
            let own: BTreeSet<_> = asset.shape.owners.iter().collect();
            own.into_iter().for_each(|owner| owners.add(owner.as_str()));
            match project.folder(asset) {
                Cow::Borrowed(folder) => folders(folder).for_each(|folder| folded.add(folder)),
                Cow::Owned(folder) => folders(&folder).for_each(|folder| folded.add(folder.to_owned())),
            }
            for (name, value) in &asset.shape.tags {
                match value.is_empty() {
                    true => tags.add(name.as_str()),
                    false => tags.add(format!("{name}={value}")),
                }
            }
            states.add(standing.state.as_ref().map_or(NEVER, NodeState::as_str));
            healths.add(standing.health.as_str());
        }
        Self {
            assets: count,
            projects: projects.most_first(),
            resource_types: types.most_first(),
            groups: groups.most_first(),
            owners: owners.most_first(),
            folders: folded.most_first(),
            tags: tags.most_first(),
            states: states.most_first(),
            health: healths.most_first(),
        }
    }
}

/// Where an asset stands, for its colour in a graph.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StateRow {
    /// In one word.
    pub health: Health,
    /// dbt's word for how the last run went, or goes, that had to do with it; null where none had.
    pub state: Option<NodeState>,
    /// That run.
    pub run: Option<RunId>,
    /// When that ended, or began.
    pub at: Option<Timestamp>,
    /// How many of its checks failed when they were made last.
    pub failed_checks: u32,
}

/// Where the assets of a project stand.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProjectStates {
    /// The number of an event that is in it already: live messages up to this one tell nothing new.
    pub as_of: u64,
    /// By dbt's unique id. What nothing is known of is not there.
    pub states: BTreeMap<String, StateRow>,
}

impl ProjectStates {
    /// Where the assets of a project stand.
    pub fn of(standings: &Standings, as_of: u64) -> Self {
        let row = |standing: &AssetStanding| StateRow {
            health: standing.health,
            state: standing.state.clone(),
            run: standing.run,
            at: standing.at,
            failed_checks: standing.failed_checks,
        };
        let states = standings.assets.iter().map(|(id, standing)| (id.clone(), row(standing)));
        Self { as_of, states: states.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_what_is_below_it_and_not_what_is_called_like_it() {
        assert!(is_below("models/staging", "models/staging"));
        assert!(is_below("models/staging/shop", "models/staging"));
        assert!(!is_below("models/staging_old", "models/staging"));
        assert!(!is_below("models", "models/staging"));
        assert!(is_below("", "") && !is_below("models", ""), "what is in no folder");
        assert_eq!(
            folders("models/staging/a").collect::<Vec<_>>(),
            ["models/staging/a", "models/staging", "models"]
        );
        assert_eq!(folders("").count(), 0);
    }
}
