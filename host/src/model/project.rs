//! A dbt project as its manifest describes it: an immutable snapshot.

use std::collections::{BTreeSet, HashMap};

use super::{Asset, AssetKey, Check, Exposure};

/// A dbt project: what it consists of, and how it hangs together.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// The name that `tidegate.toml` gives it.
    pub name: String,
    /// Changes when anything in the manifest does that could change a selection or an asset.
    pub digest: String,
    /// The dbt version that wrote the manifest.
    pub dbt_version: String,
    /// The adapter, such as `duckdb`.
    pub adapter_type: String,
    /// Sorted by key.
    pub assets: Vec<Asset>,
    /// Sorted by unique id.
    pub checks: Vec<Check>,
    /// Sorted by unique id.
    pub exposures: Vec<Exposure>,
    by_unique_id: HashMap<String, usize>,
}

impl Project {
    /// Puts the parts of a project together, in their order. The name is the caller's to set.
    pub fn new(mut assets: Vec<Asset>, mut checks: Vec<Check>, mut exposures: Vec<Exposure>) -> Self {
        assets.sort_by(|a, b| (&a.shape.key, &a.unique_id).cmp(&(&b.shape.key, &b.unique_id)));
        checks.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
        exposures.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
        let by_unique_id = assets.iter().enumerate().map(|(i, a)| (a.unique_id.clone(), i)).collect();
        Self { assets, checks, exposures, by_unique_id, ..Self::default() }
    }

    /// The asset of a dbt node.
    pub fn asset(&self, unique_id: &str) -> Option<&Asset> {
        self.by_unique_id.get(unique_id).map(|&i| &self.assets[i])
    }

    /// The assets that have this key as it is shown (two keys can look the same: `a/b` may be one part or two).
    pub fn assets_by_key<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Asset> {
        self.assets.iter().filter(move |a| a.shape.key.to_string() == key)
    }

    /// A check by the unique id of its test.
    pub fn check(&self, unique_id: &str) -> Option<&Check> {
        self.checks.binary_search_by(|c| c.unique_id.as_str().cmp(unique_id)).ok().map(|i| &self.checks[i])
    }

    /// The unique ids reached from `start` within so many steps (none: without end), `start` included.
    pub fn reach(&self, start: &str, upstream: bool, steps: Option<u32>) -> BTreeSet<String> {
        let mut seen = BTreeSet::from([start.to_owned()]);
        let mut front = vec![start.to_owned()];
        let mut left = steps;
        while !front.is_empty() && left != Some(0) {
            left = left.map(|n| n - 1);
            let next = front.iter().filter_map(|id| self.asset(id)).flat_map(|asset| {
                let ids = if upstream { &asset.upstream } else { &asset.downstream };
                ids.iter().filter(|id| self.asset(id).is_some()).cloned()
            });
            front = next.collect::<BTreeSet<_>>().into_iter().filter(|id| seen.insert(id.clone())).collect();
        }
        seen
    }

    /// The known key that looks most like a mistyped one.
    pub fn nearest_key(&self, key: &str) -> Option<&AssetKey> {
        let score = |a: &Asset| strsim::jaro_winkler(&a.shape.key.to_string(), key);
        self.assets
            .iter()
            .map(|a| (score(a), &a.shape.key))
            .filter(|(score, _)| *score > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, key)| key)
    }
}
