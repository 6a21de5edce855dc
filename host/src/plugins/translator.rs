//! Translators: plugins that say what a dbt node is as an asset.
//!
//! Owns the way from the host's words to the contract's and back, and what an answer must look like. Never decides what
//! happens when there is none.

use std::{collections::BTreeMap, time::Duration};

use wasmtime::Store;

use super::{
    component::Plugin,
    contract::{Description, Functions, PluginKind, sentence, wrong},
    error::{CallError, LoadError, LoadFault},
    limits::CallLimits,
    sandbox::{Sandbox, State},
    source::PluginSource,
};
use crate::model::{AssetKey, AssetShape, CallCost, NodeFacts, PluginRecord};
use bindings::{
    TranslatorPre,
    exports::tidegate::translator::translation::{self, Asset, Node},
};

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated; `wit/` has the documentation")]
mod bindings {
    wasmtime::component::bindgen!({ path: "../wit/translator", world: "translator" });
}

/// A translator, ready to be called.
pub struct Translator {
    sandbox: Sandbox,
    plugin: Plugin,
    ready: TranslatorPre<State>,
}

impl Translator {
    /// Opens a plugin and takes it for a translator.
    pub fn load(sandbox: &Sandbox, source: &PluginSource) -> Result<Self, LoadError> {
        Self::new(sandbox, sandbox.open(source)?)
    }

    /// Takes a plugin for a translator.
    pub fn new(sandbox: &Sandbox, plugin: Plugin) -> Result<Self, LoadError> {
        match ready(sandbox, &plugin) {
            Ok(ready) => Ok(Self { sandbox: sandbox.clone(), plugin, ready }),
            Err(fault) => Err(fault.of(plugin.source())),
        }
    }

    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// The interface that it implements, with its version.
    pub fn contract(&self) -> &str {
        let kind = PluginKind::Translator;
        kind.contract(&self.plugin).unwrap_or(kind.interface())
    }

    /// Asks the plugin who it is.
    pub fn describe(&self) -> Result<Description, CallError> {
        let said = self.call(&self.limits("", &[]), |translator, store| {
            translator.tidegate_translator_translation().call_describe(store)
        })?;
        Ok(Description::new(&said.name, &said.version, &said.summary))
    }

    /// Asks the plugin who it is, for the record of a run.
    pub fn record(&self) -> Result<PluginRecord, CallError> {
        Ok(self.describe()?.record(PluginKind::Translator, self.plugin.digest()))
    }

    /// Asks whether a configuration, a JSON object, can be used. The inner error is the plugin's sentence why not.
    pub fn check_config(&self, config: &str) -> Result<Result<(), String>, CallError> {
        let verdict = self.call(&self.limits(config, &[]), |translator, store| {
            translator.tidegate_translator_translation().call_check_config(store, config)
        })?;
        Ok(verdict.map_err(|reason| sentence(&reason)))
    }

    /// Translates nodes: one answer a node, in order. The error of an answer is a sentence about that node.
    pub fn translate(
        &self,
        config: &str,
        nodes: &[NodeFacts],
    ) -> Result<Vec<Result<AssetShape, String>>, CallError> {
        self.translate_within(Duration::MAX, config, nodes).0
    }

    /// As [`Self::translate`], in a time that is at most this, and never more than the limits say; with what it cost.
    pub fn translate_within(
        &self,
        time: Duration,
        config: &str,
        nodes: &[NodeFacts],
    ) -> (Result<Vec<Result<AssetShape, String>>, CallError>, CallCost) {
        let nodes: Vec<Node> = nodes.iter().map(Node::from).collect();
        let mut limits = self.limits(config, &nodes);
        limits.time = limits.time.min(time);
        let (answers, cost) = self.measured(&limits, |translator, store| {
            translator.tidegate_translator_translation().call_translate(store, config, &nodes)
        });
        let answers = answers.and_then(|answers| {
            if answers.len() != nodes.len() {
                let (given, asked) = (answers.len(), nodes.len());
                return Err(CallError::BadAnswer(format!("{given} answers for {asked} nodes")));
            }
            let answers = answers.into_iter();
            Ok(answers.map(|answer| answer.map_err(|reason| sentence(&reason)).and_then(shape)).collect())
        });
        (answers, cost)
    }

    fn limits(&self, config: &str, nodes: &[Node]) -> CallLimits {
        let bytes = config.len() + nodes.iter().map(size).sum::<usize>();
        self.sandbox.limits().for_call(nodes.len(), bytes)
    }

    fn call<R>(
        &self,
        limits: &CallLimits,
        call: impl FnOnce(&bindings::Translator, &mut Store<State>) -> wasmtime::Result<R>,
    ) -> Result<R, CallError> {
        self.measured(limits, call).0
    }

    fn measured<R>(
        &self,
        limits: &CallLimits,
        call: impl FnOnce(&bindings::Translator, &mut Store<State>) -> wasmtime::Result<R>,
    ) -> (Result<R, CallError>, CallCost) {
        self.sandbox.call_plugin(limits, |store| self.ready.instantiate(store), call)
    }
}

fn ready(sandbox: &Sandbox, plugin: &Plugin) -> Result<TranslatorPre<State>, LoadFault> {
    let check = |functions: &Functions<'_>| {
        functions.check_common::<translation::Description>()?;
        functions.check::<(&str, &[Node]), (Vec<Result<Asset, String>>,)>("translate")
    };
    TranslatorPre::new(PluginKind::Translator.link(sandbox, plugin, check)?).map_err(wrong)
}

/// About the bytes that a node takes up.
fn size(node: &Node) -> usize {
    let strings =
        [&node.unique_id, &node.name, &node.original_file_path, &node.description, &node.meta, &node.entry];
    let lists = node.fqn.iter().chain(&node.tags).map(|s| s.len() + 16).sum::<usize>();
    // The default asset repeats what the node says.
    512 + strings.iter().map(|s| s.len()).sum::<usize>() + node.description.len() + lists
}

impl From<&NodeFacts> for Node {
    fn from(node: &NodeFacts) -> Self {
        Self {
            unique_id: node.unique_id.clone(),
            resource_type: node.resource_type.to_string(),
            name: node.name.clone(),
            source_name: node.source_name.clone(),
            package_name: node.package_name.clone(),
            original_file_path: node.original_file_path.clone(),
            fqn: node.fqn.clone(),
            database: node.database.clone(),
            schema: node.schema.clone(),
            alias: node.alias.clone(),
            materialized: node.materialized.clone(),
            tags: node.tags.clone(),
            description: node.description.clone(),
            meta: node.meta.clone(),
            entry: node.entry.clone(),
            extra: Vec::new(),
            default_asset: Asset::from(&node.default),
        }
    }
}

impl From<&AssetShape> for Asset {
    fn from(shape: &AssetShape) -> Self {
        Self {
            key: shape.key.0.clone(),
            group: shape.group.clone(),
            owners: shape.owners.clone(),
            tags: shape.tags.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            description: shape.description.clone(),
            metadata: shape.metadata.iter().map(|(name, value)| (name.clone(), value.to_string())).collect(),
        }
    }
}

/// An answer as the host's own type, if it keeps the contract's rules.
fn shape(asset: Asset) -> Result<AssetShape, String> {
    if asset.key.is_empty() {
        return Err("the translator gave it a key without parts".to_owned());
    }
    if asset.key.iter().any(|part| part.trim().is_empty()) {
        return Err(format!("the translator gave it a key with an empty part: {:?}", asset.key));
    }
    let mut metadata = BTreeMap::new();
    for (name, json) in asset.metadata {
        let value = serde_json::from_str(&json)
            .map_err(|error| format!("the translator gave it metadata `{name}` that is not JSON: {error}"))?;
        if metadata.insert(name.clone(), value).is_some() {
            return Err(format!("the translator gave it the metadata `{name}` twice"));
        }
    }
    let mut tags = BTreeMap::new();
    for (name, value) in asset.tags {
        if tags.contains_key(&name) {
            return Err(format!("the translator gave it the tag `{name}` twice"));
        }
        tags.insert(name, value);
    }
    Ok(AssetShape {
        key: AssetKey(asset.key),
        group: asset.group,
        owners: asset.owners,
        tags,
        description: asset.description,
        metadata,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(key: &[&str]) -> Asset {
        Asset {
            key: key.iter().map(|part| (*part).to_owned()).collect(),
            group: None,
            owners: Vec::new(),
            tags: Vec::new(),
            description: None,
            metadata: Vec::new(),
        }
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn shapes_go_there_and_back() {
        let there = Asset {
            group: Some("marts".to_owned()),
            owners: vec!["team:data".to_owned()],
            tags: vec![pair("pii", "")],
            description: Some("Orders.".to_owned()),
            metadata: vec![pair("rows", r#"{"now":[1,null]}"#)],
            ..asset(&["shop", "orders"])
        };
        let shape = shape(there).unwrap();
        let again = super::shape(Asset::from(&shape)).unwrap();
        assert_eq!(shape, again);
        assert_eq!(shape.metadata["rows"], serde_json::json!({"now": [1, null]}));
    }

    #[test]
    fn an_answer_that_breaks_the_rules_is_an_error_of_its_node() {
        let error = |asset| shape(asset).unwrap_err();
        assert_eq!(error(asset(&[])), "the translator gave it a key without parts");
        assert!(error(asset(&["a", " "])).contains("an empty part: [\"a\", \" \"]"));
        let with = |metadata| Asset { metadata, ..asset(&["a"]) };
        assert!(error(with(vec![pair("x", "{")])).contains("metadata `x` that is not JSON"));
        assert!(error(with(vec![pair("x", "1"), pair("x", "1")])).contains("twice"));
        let tags = vec![pair("x", ""), pair("x", "1")];
        assert!(error(Asset { tags, ..asset(&["a"]) }).contains("tag `x` twice"));
    }
}
