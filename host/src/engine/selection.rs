//! Selections: dbt's own syntax goes to dbt as it is; `key:ASSET/KEY` becomes the selector of the node that has that key, and an
//! asset with its surroundings becomes one that people can read.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use super::{Refusal, real};
use crate::{
    config,
    dbt::{check_selector, exact_selectors},
    model::{Asset, Project, ResourceType, Scope},
    project::Opened,
};

/// The method that selects by asset key.
const KEY: &str = "key:";

/// A selection for dbt's `--select`. Opens the project only where a key has to be looked up.
pub fn to_dbt<E: From<Refusal>>(
    selection: &[String],
    open: impl FnOnce() -> Result<Arc<Opened>, E>,
) -> Result<Vec<String>, E> {
    for part in selection {
        check_selector(part).map_err(|refusal| E::from(refusal.into()))?;
    }
    if !selection.iter().any(|part| part.contains(KEY)) {
        return Ok(selection.to_vec());
    }
    let opened = open()?;
    let by_key = |part: &String| by_key(&opened.project, part).map_err(E::from);
    selection.iter().map(by_key).collect()
}

/// The selectors of some assets, with as much of the lineage around them as is meant.
pub fn around(project: &Project, unique_ids: &[String], scope: Scope) -> Result<Vec<String>, Refusal> {
    let (before, after) = match scope {
        Scope::This => ("", ""),
        Scope::Upstream => ("+", ""),
        Scope::Downstream => ("", "+"),
        Scope::Both => ("+", "+"),
    };
    let mut selectors = Vec::with_capacity(unique_ids.len());
    for id in unique_ids {
        let selector = plain(project, asset_of(project, id)?);
        let selector = selector.or_else(|| exact_selectors(project, [id.as_str()]).into_iter().next());
        match selector {
            Some(selector) if !selector.contains(',') => selectors.push(format!("{before}{selector}{after}")),
            // dbt would take an operator for each part of an intersection by itself.
            _ => {
                let mut ids = BTreeSet::from([id.clone()]);
                if !before.is_empty() {
                    let above = project.reach(id, true, None);
                    let is_source = |id: &String| ResourceType::of_unique_id(id) == ResourceType::Source;
                    ids.extend(above.into_iter().filter(|id| !is_source(id)));
                }
                if !after.is_empty() {
                    ids.extend(project.reach(id, false, None));
                }
                selectors.extend(exact_selectors(project, ids.iter().map(String::as_str)));
            }
        }
    }
    let mut seen = BTreeSet::new();
    selectors.retain(|selector| seen.insert(selector.clone()));
    Ok(selectors)
}

/// Of some nodes those that belong to assets with as much of the lineage around them as is meant: assets of it, and checks on one
/// of these.
pub fn among(
    project: &Project,
    mut ids: BTreeSet<String>,
    unique_ids: &[String],
    scope: Scope,
) -> Result<BTreeSet<String>, Refusal> {
    let mut meant = BTreeSet::new();
    for id in unique_ids {
        asset_of(project, id)?;
        meant.insert(id.clone());
        if matches!(scope, Scope::Upstream | Scope::Both) {
            meant.extend(project.reach(id, true, None));
        }
        if matches!(scope, Scope::Downstream | Scope::Both) {
            meant.extend(project.reach(id, false, None));
        }
    }
    ids.retain(|id| {
        let is_check_on = || project.check(id).is_some_and(|c| c.assets.iter().any(|id| meant.contains(id)));
        meant.contains(id) || is_check_on()
    });
    Ok(ids)
}

fn asset_of<'p>(project: &'p Project, id: &str) -> Result<&'p Asset, Refusal> {
    project.asset(id).ok_or_else(|| {
        Refusal::new(format!("project `{}` has no asset with the unique id `{id}`", project.name))
    })
}

/// The selector that people would write, where dbt selects nothing else by it: neither what lies in a folder of that name, nor
/// what has the same name in another package.
fn plain(project: &Project, asset: &Asset) -> Option<String> {
    let is_plain = |part: &String| part.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    if !asset.fqn.iter().all(is_plain) {
        return None;
    }
    if asset.resource_type == ResourceType::Source {
        return Some(asset.selector());
    }
    let begins = |fqn: &[String]| fqn.starts_with(&asset.fqn);
    let is_meant = |fqn: &[String]| begins(fqn) || fqn.get(1..).is_some_and(begins);
    let assets = project.assets.iter().filter(|other| other.resource_type != ResourceType::Source);
    let fqns = assets.map(|other| &other.fqn).chain(project.checks.iter().map(|check| &check.fqn));
    (fqns.filter(|fqn| is_meant(fqn)).count() == 1).then(|| asset.selector())
}

/// Keys of a selection that are those of no asset of a project.
pub fn unknown_keys(project: &Project, selection: &[String]) -> BTreeSet<String> {
    let keys = selection.iter().flat_map(|part| part.split(',')).filter_map(split).map(|(_, key, _)| key);
    let is_unknown = |key: &&str| project.assets_by_key(key).next().is_none();
    keys.filter(is_unknown).map(str::to_owned).collect()
}

/// A selection without the parts that select nothing in a project, since they have a key that is that of none of its assets.
pub fn without_unknown(project: &Project, mut selection: Vec<String>) -> Vec<String> {
    selection.retain(|part| unknown_keys(project, std::slice::from_ref(part)).is_empty());
    selection
}

/// The unique ids that a selection holds, those of checks included. dbt is asked where it takes more than keys, once for
/// each state of the project.
pub fn resolve(
    state_dir: &Path,
    config: &config::Project,
    opened: &Opened,
    selection: &[String],
) -> Result<BTreeSet<String>, Refusal> {
    let ask = |args: &[String]| real::select(state_dir, config, opened, args).map(Some);
    found(&opened.project, selection, ask).map(Option::unwrap_or_default)
}

/// The same without asking dbt; none where it would have to be asked.
pub fn known(
    state_dir: &Path,
    config: &config::Project,
    opened: &Opened,
    selection: &[String],
) -> Result<Option<BTreeSet<String>>, Refusal> {
    found(&opened.project, selection, |args| Ok(real::selected(state_dir, config, opened, args)))
}

fn found(
    project: &Project,
    selection: &[String],
    ask: impl FnOnce(&[String]) -> Result<Option<Vec<String>>, Refusal>,
) -> Result<Option<BTreeSet<String>>, Refusal> {
    for part in selection {
        check_selector(part)?;
    }
    if let Some(found) = by_keys(project, selection) {
        return found.map(Some);
    }
    let mut args = vec!["ls".to_owned(), "--select".to_owned()];
    let keyed = |part: &String| by_key(project, part);
    args.extend(selection.iter().map(keyed).collect::<Result<Vec<_>, _>>()?);
    Ok(ask(&args)?.map(|found| found.into_iter().collect()))
}

/// The unique ids that keys select without dbt; none where the selection needs dbt.
pub fn by_keys(project: &Project, selection: &[String]) -> Option<Result<BTreeSet<String>, Refusal>> {
    let found: Option<Vec<_>> = selection.iter().map(|part| natively(project, part)).collect();
    Some(found?.into_iter().collect::<Result<Vec<_>, _>>().map(|lists| lists.into_iter().flatten().collect()))
}

/// Replaces the keys in one selection, which may be an intersection: `key:a/b+,tag:x`.
fn by_key(project: &Project, selection: &str) -> Result<String, Refusal> {
    let parts = selection.split(',').map(|part| {
        let Some((before, key, after)) = split(part) else { return Ok(part.to_owned()) };
        let mut assets = project.assets_by_key(key);
        let asset = assets.next().ok_or_else(|| {
            let hint = match project.nearest_key(key) {
                Some(near) => format!("did you mean `key:{near}`?"),
                None => "`tidegate assets` lists them".to_owned(),
            };
            let message = format!("no asset of project `{}` has the key `{key}`", project.name);
            Refusal { message, hint: Some(hint) }
        })?;
        if let Some(other) = assets.next() {
            let (one, other) = (&asset.unique_id, &other.unique_id);
            let message = format!("the key `{key}` is that of {one} and of {other}");
            return Err(Refusal { message, hint: Some("select one of them in dbt's own syntax".to_owned()) });
        }
        Ok(format!("{before}{}{after}", asset.selector()))
    });
    Ok(parts.collect::<Result<Vec<_>, _>>()?.join(","))
}

/// dbt's graph operators before and behind a `key:`: `2+`, `+`, `@`, and `+`, `+3`.
fn split(part: &str) -> Option<(&str, &str, &str)> {
    let at = part.find(KEY)?;
    let (before, rest) = (&part[..at], &part[at + KEY.len()..]);
    let operator = before.strip_suffix('+').map(|n| n.chars().all(|c| c.is_ascii_digit()));
    if !(before.is_empty() || before == "@" || operator == Some(true)) {
        return None;
    }
    let digits = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    let end = digits.strip_suffix('+').map_or(rest.len(), str::len);
    Some((before, &rest[..end], &rest[end..]))
}

/// The unique ids that keys select without dbt; none where the selection needs dbt.
fn natively(project: &Project, selection: &str) -> Option<Result<Vec<String>, Refusal>> {
    let (before, key, after) = split(selection)?;
    if selection.contains(',') || before == "@" {
        return None;
    }
    let steps = |operator: &str| -> Option<Option<u32>> {
        let digits = operator.trim_matches('+');
        (!operator.is_empty()).then(|| digits.parse().ok())
    };
    let found = by_key(project, &format!("key:{key}")).map(|_| {
        let mut ids = BTreeSet::new();
        for asset in project.assets_by_key(key) {
            ids.insert(asset.unique_id.clone());
            if let Some(steps) = steps(before) {
                ids.extend(project.reach(&asset.unique_id, true, steps));
            }
            if let Some(steps) = steps(after) {
                ids.extend(project.reach(&asset.unique_id, false, steps));
            }
        }
        ids.into_iter().collect()
    });
    Some(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{AssetKey, AssetShape, Check, Severity};

    fn asset(fqn: &[&str], upstream: &[&str], downstream: &[&str]) -> Asset {
        let name = fqn[fqn.len() - 1];
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        Asset {
            shape: AssetShape {
                key: AssetKey::new([name]),
                group: None,
                owners: Vec::new(),
                tags: BTreeMap::new(),
                description: None,
                metadata: BTreeMap::new(),
            },
            unique_id: format!("model.{}.{name}", fqn[0]),
            resource_type: ResourceType::Model,
            name: name.to_owned(),
            package_name: fqn[0].to_owned(),
            original_file_path: format!("models/{name}.sql"),
            dbt_tags: Vec::new(),
            meta: String::new(),
            fqn: fqn.iter().map(|part| (*part).to_owned()).collect(),
            materialized: None,
            relation_name: None,
            kinds: Vec::new(),
            code_version: None,
            upstream: ids(upstream),
            downstream: ids(downstream),
            checks: Vec::new(),
            fresh_within: None,
        }
    }

    #[test]
    fn an_asset_is_selected_as_people_would_unless_dbt_would_select_more() {
        let assets = vec![
            asset(&["shop", "plain"], &["source.shop.raw.rows"], &["model.shop.odd"]),
            asset(&["shop", "orders"], &[], &["model.shop.lines"]),
            // Another model lies in a folder that is called like the one before.
            asset(&["shop", "orders", "lines"], &["model.shop.orders"], &[]),
            asset(&["shop", "odd"], &["model.shop.plain"], &[]),
            // Without its package it is called like another one with its own.
            asset(&["other", "shop", "odd"], &[], &[]),
        ];
        let project = Project::new(assets, Vec::new(), Vec::new());
        let said = |id: &str, scope| around(&project, &[id.to_owned()], scope).unwrap().join(" ");
        assert_eq!(said("model.shop.plain", Scope::Both), "+fqn:shop.plain+");
        assert_eq!(said("model.shop.orders", Scope::This), "fqn:shop.order[s]");
        assert_eq!(said("model.shop.orders", Scope::Downstream), "fqn:shop.order[s]+");
        // An intersection takes no operator: what is above is named as well.
        let both = said("model.shop.odd", Scope::Upstream);
        assert_eq!(both, "fqn:shop.od[d],resource_type:model,package:shop,file:odd.sql fqn:shop.plai[n]");
        assert!(around(&project, &["model.shop.gone".to_owned()], Scope::This).is_err());
    }

    fn check(name: &str, assets: &[&str]) -> Check {
        let assets: Vec<_> = assets.iter().map(|id| (*id).to_owned()).collect();
        Check {
            unique_id: format!("test.shop.{name}"),
            name: name.to_owned(),
            resource_type: ResourceType::Test,
            fqn: vec!["shop".to_owned(), name.to_owned()],
            severity: Severity::Error,
            description: None,
            original_file_path: "models/checks.yml".to_owned(),
            upstream: assets.clone(),
            assets,
            column: None,
            column_of: 0,
            dbt_tags: Vec::new(),
            meta: String::new(),
        }
    }

    #[test]
    fn of_what_failed_only_that_is_meant_which_belongs_to_the_assets_and_their_scope() {
        let assets = vec![
            asset(&["shop", "raw"], &[], &["model.shop.orders"]),
            asset(&["shop", "orders"], &["model.shop.raw"], &["model.shop.report"]),
            asset(&["shop", "report"], &["model.shop.orders"], &[]),
            asset(&["shop", "other"], &[], &[]),
        ];
        let checks = vec![
            check("of_orders", &["model.shop.orders"]),
            check("of_other", &["model.shop.other"]),
            check("of_two", &["model.shop.orders", "model.shop.other"]),
        ];
        let project = Project::new(assets, checks, Vec::new());
        let all = ["model.shop.raw", "model.shop.orders", "model.shop.report", "model.shop.other"];
        let all = all.into_iter().map(str::to_owned);
        let failed: BTreeSet<_> = all.chain(project.checks.iter().map(|c| c.unique_id.clone())).collect();
        let of = |scope| {
            let found = among(&project, failed.clone(), &["model.shop.orders".to_owned()], scope).unwrap();
            let names = found.iter().map(|id| id.splitn(3, '.').last().unwrap_or_default());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(Scope::This), "orders of_orders of_two");
        assert_eq!(of(Scope::Upstream), "orders raw of_orders of_two");
        assert_eq!(of(Scope::Downstream), "orders report of_orders of_two");
        assert_eq!(of(Scope::Both), "orders raw report of_orders of_two");
        // What went well is not made again, and an asset that is none is refused.
        let none = among(&project, BTreeSet::new(), &["model.shop.orders".to_owned()], Scope::Both);
        assert_eq!(none.unwrap(), BTreeSet::new());
        assert!(among(&project, BTreeSet::new(), &["model.shop.gone".to_owned()], Scope::This).is_err());
    }

    #[test]
    fn operators_stay_with_the_key() {
        assert_eq!(split("key:source/raw/orders+"), Some(("", "source/raw/orders", "+")));
        assert_eq!(split("2+key:a/b+3"), Some(("2+", "a/b", "+3")));
        assert_eq!(split("@key:a"), Some(("@", "a", "")));
        assert_eq!(split("+key:v2"), Some(("+", "v2", "")));
        assert_eq!(split("tag:x"), None);
        assert_eq!(split("config.key:x"), None);
    }
}
