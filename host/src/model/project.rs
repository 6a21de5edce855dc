//! A dbt project as its manifest describes it: an immutable snapshot.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use super::{Asset, AssetKey, Check, Exposure};

/// Where dbt puts packages, unless it is told otherwise.
const PACKAGES: &str = "dbt_packages";

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
    /// dbt's name of it, which is that of its own package; empty where the manifest does not say.
    pub package_name: String,
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

    /// The folder of the file that defines an asset, below the project's folder, such as `models/staging`. What another
    /// package defines is below `dbt_packages` and the package's name. Empty for a file that is in no folder.
    pub fn folder<'a>(&self, asset: &'a Asset) -> Cow<'a, str> {
        let own = asset.original_file_path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if asset.package_name == self.package_name || self.package_name.is_empty() {
            return Cow::Borrowed(own);
        }
        let package = format!("{PACKAGES}/{}", asset.package_name);
        Cow::Owned(if own.is_empty() { package } else { format!("{package}/{own}") })
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::*;
    use crate::model::{AssetShape, ResourceType};

    fn asset(package: &str, file: &str) -> Asset {
        Asset {
            shape: AssetShape {
                key: AssetKey::new([file]),
                group: None,
                owners: Vec::new(),
                tags: std::collections::BTreeMap::new(),
                description: None,
                metadata: std::collections::BTreeMap::new(),
            },
            unique_id: format!("model.{package}.{file}"),
            resource_type: ResourceType::Model,
            name: file.to_owned(),
            package_name: package.to_owned(),
            original_file_path: file.to_owned(),
            fqn: Vec::new(),
            materialized: None,
            relation_name: None,
            kinds: Vec::new(),
            code_version: None,
            upstream: Vec::new(),
            downstream: Vec::new(),
            checks: Vec::new(),
            fresh_within: None,
            dbt_tags: Vec::new(),
            meta: String::new(),
        }
    }

    #[test]
    fn a_folder_is_where_the_file_is_below_the_project() {
        let shop = Project { package_name: "shop".to_owned(), ..Project::default() };
        assert_eq!(shop.folder(&asset("shop", "models/staging/a.sql")), "models/staging");
        assert_eq!(shop.folder(&asset("shop", "a.sql")), "");
        assert_eq!(shop.folder(&asset("utils", "models/a.sql")), "dbt_packages/utils/models");
        assert_eq!(shop.folder(&asset("utils", "a.sql")), "dbt_packages/utils");
        // A manifest that does not name its project.
        assert_eq!(Project::default().folder(&asset("utils", "models/a.sql")), "models");
    }
}
