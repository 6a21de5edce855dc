//! The asset that a node is when no translator says otherwise: what dagster-dbt 0.29 would have made of it.
//!
//! Owns the default key, group, owners, tags, description, kinds and code version. Never reads files, and never refuses
//! a node: where dagster-dbt refuses to load (an owner that is no mail address, a group name with a dash in it), the
//! node keeps what its author wrote; a key that cannot be used is passed over, with a remark.
//!
//! The rules, in dagster-dbt's order:
//!
//! - key: `asset_key` of the `dagster` block in `config.meta`, or in `meta` where `config.meta` is empty (the two are
//!   not merged): a list of parts, or a string as the only part; for a source its name and the table's name; for a
//!   model with a version its alias; else `config.schema`, where there is one, and the name;
//! - group: `meta.dagster.group`, else `config.group`;
//! - owners: `meta.dagster.owners`, else the mail address or addresses of the owner of the node's dbt group;
//! - tags: dbt's tags that are valid as Dagster's tag keys, without values; others are dropped;
//! - description: the node's description, or `dbt model orders` where it has none. **The one deliberate difference**:
//!   dagster-dbt adds the node's SQL to it, which Tidegate shows on its own (see `NodeDetails`);
//! - kinds: `dbt` and the adapter, and what tags such as `dagster/kind/python` name;
//! - code version: the sha1 of the code, else dbt's checksum;
//! - metadata: none.
//!
//! A `tidegate` block wins over all of that, key by key. It is looked up in `config.meta`, and in `meta` where
//! `config.meta` has none. Its `asset_key` and `owners` are lists of strings or one string, `group` is a string, and
//! `tags` is a string, a list of strings, or an object of names and values. What it gives replaces dbt's and Dagster's
//! as a whole. Empty values count as absent, as they do for Dagster.

use std::{borrow::Cow, collections::BTreeMap, collections::HashMap};

use serde_json::value::RawValue;
use sha1::{Digest, Sha1};

use super::json::{Fields, one_or_more, pick, text, truthy};
use crate::model::{AssetKey, AssetShape, ResourceType};

/// The `config` of a node, as far as it is used.
pub(super) struct Config<'a> {
    pub enabled: bool,
    pub schema: Option<Cow<'a, str>>,
    pub materialized: Option<Cow<'a, str>>,
    pub group: Option<Cow<'a, str>>,
    pub severity: Option<Cow<'a, str>>,
    pub meta: Option<&'a RawValue>,
}

impl<'a> Config<'a> {
    /// The config of an entry; each field is none where it is absent, null, or not of its type.
    pub fn of(entry: &Fields<'a>) -> Self {
        let [enabled, schema, materialized, group, severity, meta] =
            pick(entry.get("config"), ["enabled", "schema", "materialized", "group", "severity", "meta"]);
        Self {
            enabled: enabled.is_none_or(|value| value.get() != "false"),
            schema: schema.and_then(text),
            materialized: materialized.and_then(text),
            group: group.and_then(text),
            severity: severity.and_then(text),
            meta,
        }
    }
}

/// The `meta` that dagster-dbt takes for keys: that of the config, or the node's where that is empty.
pub(super) fn effective_meta<'a>(config: &Config<'a>, entry: &Fields<'a>) -> Option<&'a RawValue> {
    config.meta.filter(|meta| truthy(meta)).or_else(|| entry.get("meta"))
}

/// dbt's groups: who owns what.
#[derive(Default)]
pub(super) struct Groups {
    by_package: HashMap<(String, String), Vec<String>>,
    by_name: HashMap<String, Vec<String>>,
}

impl Groups {
    /// Adds a group of the manifest.
    pub fn add(&mut self, group: &Fields) {
        let Some(name) = group.get("name").and_then(text) else { return };
        let package = group.get("package_name").and_then(text).unwrap_or_default();
        let [email] = pick(group.get("owner"), ["email"]);
        let owners = strings(email).unwrap_or_default();
        self.by_package.insert((package.into_owned(), name.to_string()), owners.clone());
        self.by_name.insert(name.into_owned(), owners);
    }

    /// The owners of a group, first of all of the one in the node's own package.
    fn owners(&self, package: &str, name: &str) -> Vec<String> {
        let own = self.by_package.get(&(package.to_owned(), name.to_owned()));
        own.or_else(|| self.by_name.get(name)).cloned().unwrap_or_default()
    }
}

/// A setting in a node's `meta` that is passed over because of its type, or a key in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// dbt's id of the node.
    pub unique_id: String,
    /// The setting, such as `meta.dagster.asset_key`.
    pub setting: &'static str,
    /// A key in it that nobody knows; none where the setting as a whole is passed over.
    pub unknown: Option<String>,
}

/// A node, with what its default shape is made of.
pub(super) struct Subject<'n, 'a> {
    pub unique_id: &'n str,
    pub resource_type: &'n ResourceType,
    pub name: &'n str,
    pub package_name: &'n str,
    pub entry: &'n Fields<'a>,
    pub config: &'n Config<'a>,
}

/// The default shape of a node.
pub(super) fn default_shape(node: &Subject, groups: &Groups, remarks: &mut Vec<Remark>) -> AssetShape {
    let mut settings = Settings { unique_id: node.unique_id, remarks };
    let [config_block] = pick(node.config.meta, ["tidegate"]);
    let [node_block, node_dagster] = pick(node.entry.get("meta"), ["tidegate", "dagster"]);
    let own = pick(config_block.or(node_block), ["asset_key", "group", "owners", "tags"]);
    let [own_key, own_group, own_owners, own_tags] = own.map(|value| value.filter(|value| truthy(value)));
    let [key_block] = pick(effective_meta(node.config, node.entry), ["dagster"]);
    let [dagster_key] = pick(key_block, ["asset_key"]);
    let [dagster_group, dagster_owners] = pick(node_dagster, ["group", "owners"]);

    let key = settings
        .read("meta.tidegate.asset_key", own_key, key_parts)
        .or_else(|| settings.read("meta.dagster.asset_key", dagster_key, key_parts))
        .unwrap_or_else(|| derived_key(node));
    let group = settings
        .read("meta.tidegate.group", own_group, |value| Some(text(value)?.into_owned()))
        .or_else(|| {
            settings.read("meta.dagster.group", dagster_group, |value| Some(text(value)?.into_owned()))
        })
        .or_else(|| Some(node.config.group.as_deref()?.to_owned()))
        .filter(|group| !group.is_empty());
    let owners = settings
        .read("meta.tidegate.owners", own_owners, |value| strings(Some(value)))
        .or_else(|| settings.read("meta.dagster.owners", dagster_owners, |value| strings(Some(value))))
        .unwrap_or_else(|| {
            let group = node.entry.get("group").and_then(text);
            group.map(|group| groups.owners(node.package_name, &group)).unwrap_or_default()
        });
    let tags = settings.read("meta.tidegate.tags", own_tags, own_tag_values).unwrap_or_else(|| {
        let tags = node.entry.get("tags").and_then(one_or_more).unwrap_or_default();
        let valid = tags.into_iter().filter(|tag| is_tag_key(tag));
        valid.map(|tag| (tag.into_owned(), String::new())).collect()
    });
    let description = node.entry.get("description").and_then(text).filter(|text| !text.is_empty());
    let description =
        description.map_or_else(|| format!("dbt {} {}", node.resource_type, node.name), Cow::into_owned);
    AssetShape {
        key: AssetKey(key),
        group,
        owners,
        tags,
        description: Some(description),
        metadata: BTreeMap::new(),
    }
}

/// `dbt` and the adapter, and the kinds that tags name.
pub(super) fn kinds(adapter_type: &str, tags: &BTreeMap<String, String>) -> Vec<String> {
    let mut kinds = vec!["dbt".to_owned()];
    let named = tags.keys().filter_map(|tag| tag.strip_prefix("dagster/kind/"));
    for kind in [adapter_type].into_iter().chain(named) {
        if !kind.is_empty() && !kinds.iter().any(|known| known == kind) {
            kinds.push(kind.to_owned());
        }
    }
    kinds
}

/// The sha1 of the node's code, else dbt's checksum of its file.
pub(super) fn code_version(entry: &Fields) -> Option<String> {
    let mut code = ["raw_sql", "raw_code"].iter().filter_map(|key| entry.get(key).and_then(text));
    match code.find(|code| !code.is_empty()) {
        Some(code) => Some(Sha1::digest(code.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()),
        None => {
            let [checksum] = pick(entry.get("checksum"), ["checksum"]);
            checksum.and_then(text).filter(|checksum| !checksum.is_empty()).map(Cow::into_owned)
        }
    }
}

struct Settings<'s> {
    unique_id: &'s str,
    remarks: &'s mut Vec<Remark>,
}

impl Settings<'_> {
    /// What a setting says; none, with a remark, where it cannot be used.
    fn read<T>(
        &mut self,
        setting: &'static str,
        value: Option<&RawValue>,
        read: impl Fn(&RawValue) -> Option<T>,
    ) -> Option<T> {
        let value = value.filter(|value| truthy(value))?;
        let result = read(value);
        if result.is_none() {
            self.remarks.push(Remark { unique_id: self.unique_id.to_owned(), setting, unknown: None });
        }
        result
    }
}

fn derived_key(node: &Subject) -> Vec<String> {
    let field = |key| node.entry.get(key).and_then(text).filter(|text| !text.is_empty());
    let parts = match node.resource_type {
        ResourceType::Source => vec![field("source_name"), Some(Cow::Borrowed(node.name))],
        _ if node.entry.get("version").is_some_and(truthy) => {
            vec![field("alias").or(Some(Cow::Borrowed(node.name)))]
        }
        _ => vec![node.config.schema.clone(), Some(Cow::Borrowed(node.name))],
    };
    let parts: Vec<_> =
        parts.into_iter().flatten().filter(|part| !part.is_empty()).map(Cow::into_owned).collect();
    if parts.is_empty() { vec![node.unique_id.to_owned()] } else { parts }
}

fn key_parts(value: &RawValue) -> Option<Vec<String>> {
    strings(Some(value)).filter(|parts| !parts.is_empty() && parts.iter().all(|part| !part.is_empty()))
}

fn strings(value: Option<&RawValue>) -> Option<Vec<String>> {
    Some(one_or_more(value?)?.into_iter().map(Cow::into_owned).collect())
}

fn own_tag_values(value: &RawValue) -> Option<BTreeMap<String, String>> {
    let mut fields = Fields::default();
    let tags: BTreeMap<_, _> = if fields.read(value) {
        let value_text = |value: &RawValue| match value.get().as_bytes().first()? {
            b'[' | b'{' => None,
            _ if value.get() == "null" => Some(String::new()),
            _ => Some(text(value).map_or_else(|| value.get().to_owned(), Cow::into_owned)),
        };
        let pairs = fields.iter().map(|(name, value)| Some((name.to_owned(), value_text(value)?)));
        pairs.collect::<Option<_>>()?
    } else {
        strings(Some(value))?.into_iter().map(|tag| (tag, String::new())).collect()
    };
    (!tags.contains_key("")).then_some(tags)
}

/// Whether Dagster takes a tag: up to 63 letters, digits, `_`, `-` or `.`, perhaps after a namespace of the same kind.
fn is_tag_key(tag: &str) -> bool {
    let is_part = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    let name = match tag.strip_prefix("dagster/kind/") {
        Some(kind) => kind,
        None => match tag.split_once('/') {
            Some((namespace, name)) if is_part(namespace) => name,
            Some(_) => return false,
            None => tag,
        },
    };
    is_part(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{manifest, parsed};
    use super::*;
    use crate::model::Asset;

    /// The only asset of a manifest with this node in it.
    fn asset_with_remarks(unique_id: &str, node: Value) -> (Asset, Vec<Remark>) {
        let section = if unique_id.starts_with("source.") { "sources" } else { "nodes" };
        let mut text = manifest(json!({section: {unique_id: node}}));
        text["groups"] = json!({
            "group.shop.finance": {"name": "finance", "package_name": "shop", "owner": {"email": "f@shop.example"}},
            "group.other.finance": {"name": "finance", "package_name": "other", "owner": {"email": ["o@other.example"]}},
            "group.shop.silent": {"name": "silent", "package_name": "shop", "owner": {"email": null, "name": "S"}},
        });
        let manifest = parsed(&text).unwrap();
        (manifest.assets.into_iter().next().unwrap(), manifest.remarks)
    }

    fn asset(unique_id: &str, node: Value) -> Asset {
        let (asset, remarks) = asset_with_remarks(unique_id, node);
        assert_eq!(remarks, []);
        asset
    }

    fn key(unique_id: &str, node: Value) -> Vec<String> {
        asset(unique_id, node).shape.key.0
    }

    #[test]
    fn keys_are_those_of_dagster() {
        let model = |more: Value| {
            let mut node = json!({"name": "orders", "alias": "orders", "config": {"schema": null}});
            node.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            key("model.shop.orders", node)
        };
        assert_eq!(model(json!({})), ["orders"]);
        assert_eq!(model(json!({"config": {"schema": "marts"}})), ["marts", "orders"]);
        assert_eq!(
            model(json!({"config": {"schema": "marts"}, "version": 2, "alias": "orders_v2"})),
            ["orders_v2"]
        );
        assert_eq!(model(json!({"version": "2a", "alias": "orders_v2a"})), ["orders_v2a"]);
        assert_eq!(model(json!({"version": 0, "alias": "orders_v0"})), ["orders"]);
        assert_eq!(model(json!({"alias": "elsewhere"})), ["orders"]);
        assert_eq!(model(json!({"meta": {"dagster": {"asset_key": ["a", "b"]}}})), ["a", "b"]);
        assert_eq!(model(json!({"meta": {"dagster": {"asset_key": "solo"}}})), ["solo"]);
        assert_eq!(model(json!({"meta": {"dagster": {"asset_key": "a/b"}}})), ["a/b"]);
        assert_eq!(model(json!({"meta": {"dagster": {"asset_key": []}}})), ["orders"]);
        assert_eq!(
            model(json!({"config": {"meta": {"x": 1}}, "meta": {"dagster": {"asset_key": ["a"]}}})),
            ["orders"]
        );
        assert_eq!(model(json!({"config": {"meta": {}}, "meta": {"dagster": {"asset_key": ["a"]}}})), ["a"]);
        assert_eq!(
            key(
                "source.shop.raw.customers",
                json!({"name": "customers", "source_name": "raw", "identifier": "cst", "schema": "landing",
                       "config": {}})
            ),
            ["raw", "customers"]
        );
        assert_eq!(key("seed.shop.c", json!({"name": "c", "config": {"schema": "s"}})), ["s", "c"]);
        assert_eq!(
            key("snapshot.shop.c", json!({"name": "c", "schema": "history", "config": {"schema": null}})),
            ["c"]
        );
    }

    #[test]
    fn a_key_that_cannot_be_used_is_passed_over_with_a_remark() {
        for bad in [json!(["a", ""]), json!(["a", 5]), json!({"a": 1}), json!(7)] {
            let node = json!({"name": "m", "meta": {"dagster": {"asset_key": bad}}});
            let (asset, remarks) = asset_with_remarks("model.shop.m", node);
            assert_eq!(asset.shape.key.0, ["m"]);
            assert_eq!(remarks[0].setting, "meta.dagster.asset_key");
        }
        assert_eq!(key("model.shop.m", json!({"name": ""})), ["model.shop.m"]);
    }

    #[test]
    fn groups_and_owners_are_those_of_dagster() {
        let model = |node: Value| asset("model.shop.m", node).shape;
        let in_group = |group: &str| json!({"name": "m", "package_name": "shop", "group": group, "config": {"group": group}});
        assert_eq!(model(in_group("finance")).group.as_deref(), Some("finance"));
        assert_eq!(model(in_group("finance")).owners, ["f@shop.example"]);
        assert!(model(in_group("silent")).owners.is_empty());
        assert!(model(in_group("unheard_of")).owners.is_empty());
        let mut other = in_group("finance");
        other["package_name"] = json!("other");
        assert_eq!(model(other).owners, ["o@other.example"]);
        let mut mine = in_group("finance");
        mine["meta"] = json!({"dagster": {"group": "g", "owners": ["team:x", "a@b.example"]}});
        assert_eq!(model(mine.clone()).group.as_deref(), Some("g"));
        assert_eq!(model(mine).owners, ["team:x", "a@b.example"]);
        let only_config = json!({"name": "m", "config": {"meta": {"dagster": {"group": "g"}}}});
        assert_eq!(
            model(only_config).group,
            None,
            "dagster-dbt looks for groups in the node's own meta alone"
        );
    }

    #[test]
    fn tags_descriptions_kinds_and_versions_are_those_of_dagster() {
        let long = "x".repeat(64);
        let tags =
            json!(["nightly", "team/birds", "a b", "a/b/c", "/a", "a/", "dagster/kind/python", long, ""]);
        let node = json!({"name": "m", "tags": tags, "raw_code": "select 1", "description": "d"});
        let model = asset("model.shop.m", node);
        assert_eq!(
            model.shape.tags.keys().collect::<Vec<_>>(),
            ["dagster/kind/python", "nightly", "team/birds"]
        );
        assert_eq!(model.kinds, ["dbt", "duckdb", "python"]);
        assert_eq!(model.shape.description.as_deref(), Some("d"));
        assert_eq!(model.code_version.as_deref(), Some("3232003928f9fe86a9cb634f450d5a53a4025819"));
        let seed =
            asset("seed.shop.s", json!({"name": "s", "raw_code": "", "checksum": {"checksum": "abc"}}));
        assert_eq!(seed.code_version.as_deref(), Some("abc"));
        assert_eq!(seed.shape.description.as_deref(), Some("dbt seed s"));
        let source = asset("source.shop.r.t", json!({"name": "t", "source_name": "r"}));
        assert_eq!(source.code_version, None);
    }

    #[test]
    fn our_own_block_wins_key_by_key() {
        let node = json!({
            "name": "m", "package_name": "shop", "group": "finance", "tags": ["nightly"],
            "config": {"group": "finance", "meta": {"tidegate": {
                "asset_key": ["ours", "m"], "group": "g", "owners": "me@shop.example",
                "tags": {"level": "gold", "rank": 2, "bare": null}
            }}},
            "meta": {"tidegate": {"asset_key": "hidden"}, "dagster": {"asset_key": "theirs", "owners": ["t"]}},
        });
        let shape = asset("model.shop.m", node).shape;
        assert_eq!(shape.key.0, ["ours", "m"]);
        assert_eq!(shape.group.as_deref(), Some("g"));
        assert_eq!(shape.owners, ["me@shop.example"]);
        let tags: Vec<_> = shape.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(tags, ["bare=", "level=gold", "rank=2"]);
        let part = json!({"name": "m", "tags": ["nightly"], "meta": {"tidegate": {"tags": [], "asset_key": "ours"},
            "dagster": {"asset_key": "theirs", "group": "g"}}});
        let shape = asset("model.shop.m", part).shape;
        assert_eq!((shape.key.0, shape.group.as_deref()), (vec!["ours".to_owned()], Some("g")));
        assert!(shape.tags.contains_key("nightly"));
    }
}
