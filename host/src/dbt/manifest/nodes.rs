//! The entries of a manifest as assets, checks and exposures, each still with the names of what it depends on.
//!
//! Owns which entry becomes what, and which fields it must have. Never follows a dependency: `graph` does.

use std::{borrow::Cow, collections::HashMap, path::Path};

use serde_json::value::RawValue;

use super::{
    ManifestError, Remark,
    digest::Digester,
    document::Document,
    freshness,
    json::{Fields, one_or_more, pick, text, texts},
    shape::{self, Config, Groups, Subject, effective_meta},
};
use crate::model::{Asset, Check, Exposure, FreshWithin, ResourceType, Severity};

/// Everything in a manifest that has a place in the graph.
#[derive(Default)]
pub(super) struct Nodes<'a> {
    /// Assets without their neighbours, with their entries and what they depend on.
    pub assets: Vec<AssetNode<'a>>,
    /// Checks without their assets.
    pub checks: Vec<CheckNode<'a>>,
    /// Exposures without what they use, with the nodes that they depend on.
    pub exposures: Vec<(Exposure, Ids<'a>)>,
    /// What the nodes depend on that are none of these: ephemeral models, metrics, analyses and the like.
    pub bridges: HashMap<Cow<'a, str>, Ids<'a>>,
    /// Settings that were passed over.
    pub remarks: Vec<Remark>,
}

/// Unique ids, as the manifest's text has them.
pub(super) type Ids<'a> = Vec<Cow<'a, str>>;

/// An asset without its neighbours.
pub(super) struct AssetNode<'a> {
    pub asset: Asset,
    pub depends_on: Ids<'a>,
    pub entry: &'a RawValue,
}

/// A check without its assets.
pub(super) struct CheckNode<'a> {
    pub check: Check,
    /// The nodes that it is a check on.
    pub looks_at: Ids<'a>,
    /// All that it reads.
    pub reads: Ids<'a>,
    /// The node that has its column.
    pub column_of: Option<Cow<'a, str>>,
}

/// Sections whose entries only lead from one asset to another.
const BRIDGES: [&str; 4] = ["functions", "metrics", "saved_queries", "semantic_models"];

impl<'a> Nodes<'a> {
    /// Reads every entry that has a place in the graph, and adds all entries to a digest.
    pub fn read(
        document: &Document<'a>,
        adapter_type: &str,
        digester: &mut Digester,
    ) -> Result<Self, ManifestError> {
        let mut nodes = Self::default();
        let mut fields = Fields::default();
        let mut groups = Groups::default();
        for (_, entry) in document.section("groups")? {
            fields.read(entry);
            groups.add(&fields);
        }
        for section in ["nodes", "sources", "unit_tests", "exposures"].into_iter().chain(BRIDGES) {
            document.section(section)?;
        }
        for section in document.section_names() {
            for (key, raw) in document.entries(section) {
                let is_object = fields.read(raw);
                digester.add(section, &key.0, raw, is_object.then_some(&fields));
                let entry = Entry { path: document.path(), unique_id: &key.0, fields: &fields };
                nodes.add(section, &entry, raw, is_object, &groups, adapter_type)?;
            }
        }
        Ok(nodes)
    }

    fn add(
        &mut self,
        section: &str,
        entry: &Entry<'_, 'a>,
        raw: &'a RawValue,
        is_object: bool,
        groups: &Groups,
        adapter_type: &str,
    ) -> Result<(), ManifestError> {
        let is_bridge = BRIDGES.contains(&section);
        if !is_bridge && !["nodes", "sources", "unit_tests", "exposures"].contains(&section) {
            return Ok(());
        }
        if !is_object {
            let (path, unique_id) = (entry.path.to_owned(), entry.unique_id.to_string());
            return Err(ManifestError::Entry { path, unique_id });
        }
        match section {
            "nodes" | "sources" => self.add_node(entry, raw, groups, adapter_type),
            "unit_tests" => self.add_check(entry, ResourceType::UnitTest, &Config::of(entry.fields)),
            "exposures" => self.add_exposure(entry),
            _ => self.add_bridge(entry),
        }
    }

    fn add_node(
        &mut self,
        entry: &Entry<'_, 'a>,
        raw: &'a RawValue,
        groups: &Groups,
        adapter_type: &str,
    ) -> Result<(), ManifestError> {
        let config = Config::of(entry.fields);
        if !config.enabled {
            return Ok(());
        }
        let resource_type = entry.text("resource_type")?.map_or_else(
            || ResourceType::of_unique_id(entry.unique_id),
            |resource_type| ResourceType::from(resource_type.as_ref()),
        );
        let is_ephemeral =
            resource_type == ResourceType::Model && config.materialized.as_deref() == Some("ephemeral");
        if resource_type.is_check() {
            return self.add_check(entry, resource_type, &config);
        }
        if !resource_type.is_asset() || is_ephemeral {
            return self.add_bridge(entry);
        }
        let name = entry.required("name")?;
        let package_name = entry.text("package_name")?.unwrap_or_default();
        for key in ["description", "alias", "source_name"] {
            entry.text(key)?;
        }
        let subject = Subject {
            unique_id: entry.unique_id,
            resource_type: &resource_type,
            name: &name,
            package_name: &package_name,
            entry: entry.fields,
            config: &config,
        };
        let shape = shape::default_shape(&subject, groups, &mut self.remarks);
        let fresh_within = self.fresh_within(entry, &resource_type, &config);
        let meta = entry.meta(&config);
        let asset = Asset {
            kinds: shape::kinds(adapter_type, &shape.tags),
            shape,
            unique_id: entry.unique_id.to_string(),
            name: name.into_owned(),
            package_name: package_name.into_owned(),
            original_file_path: entry.text("original_file_path")?.unwrap_or_default().into_owned(),
            fqn: entry.strings("fqn"),
            materialized: config
                .materialized
                .filter(|_| resource_type != ResourceType::Source)
                .map(Cow::into_owned),
            relation_name: entry.text("relation_name")?.map(Cow::into_owned),
            code_version: shape::code_version(entry.fields),
            resource_type,
            upstream: Vec::new(),
            downstream: Vec::new(),
            checks: Vec::new(),
            fresh_within,
            dbt_tags: entry.tags(),
            meta,
        };
        self.assets.push(AssetNode { asset, depends_on: entry.depends_on()?, entry: raw });
        Ok(())
    }

    fn fresh_within(
        &mut self,
        entry: &Entry<'_, 'a>,
        resource_type: &ResourceType,
        config: &Config<'a>,
    ) -> Option<FreshWithin> {
        let meta = effective_meta(config, entry.fields);
        if *resource_type == ResourceType::Source || meta.is_none() {
            return None;
        }
        let [own, dagster] = pick(meta, ["tidegate", "dagster"]);
        let [own] = pick(own, ["fresh_within"]);
        let [check] = pick(dagster, ["freshness_check"]);
        for key in own.map(freshness::unknown_keys).unwrap_or_default() {
            let (unique_id, setting) = (entry.unique_id.to_string(), "meta.tidegate.fresh_within");
            self.remarks.push(Remark { unique_id, setting, unknown: Some(key) });
        }
        freshness::fresh_within(own, check).unwrap_or_else(|setting| {
            self.remarks.push(Remark { unique_id: entry.unique_id.to_string(), setting, unknown: None });
            None
        })
    }

    /// A test is a check on the node that dbt attached it to; a test that dbt attached to none looks at every node that
    /// it reads. A unit test looks at the model that it tests.
    fn add_check(
        &mut self,
        entry: &Entry<'_, 'a>,
        resource_type: ResourceType,
        config: &Config<'a>,
    ) -> Result<(), ManifestError> {
        if !config.enabled {
            return Ok(());
        }
        let attached = entry.text("attached_node")?.or(entry.text("tested_node_unique_id")?);
        let reads = entry.depends_on()?;
        let looks_at = attached.map_or_else(|| reads.clone(), |node| vec![node]);
        let (column, column_of) = column(entry.fields, &looks_at).unzip();
        let description = entry.text("description")?.filter(|text| !text.is_empty()).or_else(|| {
            let [description] = pick(effective_meta(config, entry.fields), ["description"]);
            description.and_then(text)
        });
        let is_warning = config.severity.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("warn"));
        let check = Check {
            unique_id: entry.unique_id.to_string(),
            name: entry.required("name")?.into_owned(),
            resource_type,
            fqn: entry.strings("fqn"),
            severity: if is_warning { Severity::Warn } else { Severity::Error },
            description: description.map(Cow::into_owned),
            original_file_path: entry.text("original_file_path")?.unwrap_or_default().into_owned(),
            assets: Vec::new(),
            upstream: Vec::new(),
            column,
            column_of: 0,
            dbt_tags: entry.tags(),
            meta: entry.meta(config),
        };
        self.checks.push(CheckNode { check, looks_at, reads, column_of });
        Ok(())
    }

    fn add_exposure(&mut self, entry: &Entry<'_, 'a>) -> Result<(), ManifestError> {
        if !Config::of(entry.fields).enabled {
            return Ok(());
        }
        let given = |key| Ok(entry.text(key)?.filter(|text| !text.is_empty()).map(Cow::into_owned));
        let [email, owner_name] = pick(entry.fields.get("owner"), ["email", "name"]);
        let owners = email.or(owner_name).and_then(one_or_more).unwrap_or_default();
        let exposure = Exposure {
            unique_id: entry.unique_id.to_string(),
            name: entry.required("name")?.into_owned(),
            label: given("label")?,
            exposure_type: entry.text("type")?.unwrap_or_default().into_owned(),
            url: given("url")?,
            owner: Some(owners.join(", ")).filter(|owner| !owner.is_empty()),
            description: given("description")?,
            upstream: Vec::new(),
        };
        self.exposures.push((exposure, entry.depends_on()?));
        Ok(())
    }

    fn add_bridge(&mut self, entry: &Entry<'_, 'a>) -> Result<(), ManifestError> {
        self.bridges.insert(entry.unique_id.clone(), entry.depends_on()?);
        Ok(())
    }
}

/// The column that a test is on, and the node that has it, where that is one of those that the test looks at.
///
/// dbt attaches no test to a source: of several nodes it is the one that the test's `model` argument names. What a test of
/// a whole node is told of as `column_name` is its column as well.
fn column<'a>(fields: &Fields<'a>, looks_at: &Ids<'a>) -> Option<(String, Cow<'a, str>)> {
    let [kwargs] = pick(fields.get("test_metadata"), ["kwargs"]);
    let [named, model] = pick(kwargs, ["column_name", "model"]);
    let column = fields.get("column_name").or(named).and_then(text)?;
    let column = unquoted(column.trim());
    if column.is_empty() {
        return None;
    }
    let of = match looks_at.as_slice() {
        [only] => only,
        several => {
            let model = model.and_then(text)?;
            let is_named = |id: &&Cow<str>| {
                let name = id.rsplit('.').next().unwrap_or_default();
                ['\'', '"'].iter().any(|quote| model.contains(&format!("{quote}{name}{quote}")))
            };
            let mut named = several.iter().filter(is_named);
            named.next().filter(|_| named.next().is_none())?
        }
    };
    Some((column.to_owned(), of.clone()))
}

/// The name of a column that dbt has quoted as its adapter does.
fn unquoted(column: &str) -> &str {
    let quotes = [('"', '"'), ('`', '`'), ('[', ']')];
    let inner = quotes.iter().find_map(|(open, close)| column.strip_prefix(*open)?.strip_suffix(*close));
    inner.unwrap_or(column)
}

/// An entry, and how to complain about it.
struct Entry<'e, 'a> {
    path: &'e Path,
    unique_id: &'e Cow<'a, str>,
    fields: &'e Fields<'a>,
}

impl<'a> Entry<'_, 'a> {
    fn error(&self, key: &'static str, expected: &'static str) -> ManifestError {
        let (path, unique_id) = (self.path.to_owned(), self.unique_id.to_string());
        ManifestError::Field { path, unique_id, key, expected }
    }

    fn text(&self, key: &'static str) -> Result<Option<Cow<'a, str>>, ManifestError> {
        let value = self.fields.get(key);
        value.map(|value| text(value).ok_or_else(|| self.error(key, "a string"))).transpose()
    }

    fn required(&self, key: &'static str) -> Result<Cow<'a, str>, ManifestError> {
        self.text(key)?.ok_or_else(|| self.error(key, "a string"))
    }

    /// Strings, where there are some.
    fn strings(&self, key: &'static str) -> Vec<String> {
        let values = self.fields.get(key).and_then(texts).unwrap_or_default();
        values.into_iter().map(Cow::into_owned).collect()
    }

    /// dbt's tags: a text, or a list of texts.
    fn tags(&self) -> Vec<String> {
        let tags = self.fields.get("tags").and_then(one_or_more).unwrap_or_default();
        tags.into_iter().map(Cow::into_owned).collect()
    }

    fn meta(&self, config: &Config<'a>) -> String {
        let meta = effective_meta(config, self.fields).map(RawValue::get);
        meta.filter(|meta| meta.starts_with('{')).unwrap_or("{}").to_owned()
    }

    fn depends_on(&self) -> Result<Ids<'a>, ManifestError> {
        let Some(depends_on) = self.fields.get("depends_on") else { return Ok(Vec::new()) };
        let [ids] = pick(Some(depends_on), ["nodes"]);
        match ids {
            Some(ids) => texts(ids).ok_or_else(|| self.error("depends_on.nodes", "a list of strings")),
            None if depends_on.get().starts_with('{') => Ok(Vec::new()),
            None => Err(self.error("depends_on", "a JSON object")),
        }
    }
}
