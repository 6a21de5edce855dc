//! Translators: plugins that say what a dbt node is as an asset.
//!
//! Owns the way from the host's words to the contract's and back, and what an answer must look like. Never decides what
//! happens when there is none.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use wasmtime::{Store, component::types::ComponentItem, error::Context};

use crate::model::{AssetKey, AssetShape, NodeFacts};

use super::{
    component::Plugin,
    error::{CallError, LoadError, LoadFault},
    limits::CallLimits,
    sandbox::{Sandbox, Stage, State},
    source::PluginSource,
};
use bindings::{
    TranslatorPre,
    exports::tidegate::translator::translation::{self, Asset, Node},
};

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated; `wit/` has the documentation")]
mod bindings {
    wasmtime::component::bindgen!({ path: "../wit/translator", world: "translator" });
}

/// The interface that a translator exports, with the version that this host was built with.
pub(super) const INTERFACE: &str = "tidegate:translator/translation@0.1.0";

/// A translator, ready to be called.
pub struct Translator {
    sandbox: Sandbox,
    plugin: Plugin,
    ready: TranslatorPre<State>,
}

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in one sentence.
    pub summary: String,
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
        contract(&self.plugin).unwrap_or(INTERFACE)
    }

    /// Asks the plugin who it is.
    pub fn describe(&self) -> Result<Description, CallError> {
        let said = self.call(&self.limits("", &[]), |translator, store| {
            translator.tidegate_translator_translation().call_describe(store)
        })?;
        Ok(Description {
            name: sentence(&said.name),
            version: sentence(&said.version),
            summary: sentence(&said.summary),
        })
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
        self.translate_within(Duration::MAX, config, nodes)
    }

    /// As [`Self::translate`], in a time that is at most this, and never more than the limits say.
    pub fn translate_within(
        &self,
        time: Duration,
        config: &str,
        nodes: &[NodeFacts],
    ) -> Result<Vec<Result<AssetShape, String>>, CallError> {
        let nodes: Vec<Node> = nodes.iter().map(Node::from).collect();
        let mut limits = self.limits(config, &nodes);
        limits.time = limits.time.min(time);
        let answers = self.call(&limits, |translator, store| {
            translator.tidegate_translator_translation().call_translate(store, config, &nodes)
        })?;
        if answers.len() != nodes.len() {
            let (given, asked) = (answers.len(), nodes.len());
            return Err(CallError::BadAnswer(format!("{given} answers for {asked} nodes")));
        }
        Ok(answers
            .into_iter()
            .map(|answer| answer.map_err(|reason| sentence(&reason)).and_then(shape))
            .collect())
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
        self.sandbox.call(limits, |store, stage| {
            let translator = self.ready.instantiate(&mut *store)?;
            *stage = Stage::Calling;
            call(&translator, store)
        })
    }
}

/// Links a component against what plugins get, and checks the types of what it exports.
fn ready(sandbox: &Sandbox, plugin: &Plugin) -> Result<TranslatorPre<State>, LoadFault> {
    let Some(has) = contract(plugin) else {
        return Err(LoadFault::AnotherWorld { exports: plugin.exports().to_vec() });
    };
    if !compatible(has) {
        return Err(LoadFault::AnotherVersion { has: has.to_owned(), reads: INTERFACE.to_owned() });
    }
    if let Some(interface) = plugin.denied_import() {
        return Err(LoadFault::NotGranted { interface: interface.clone() });
    }
    let wrong = |error: wasmtime::Error| LoadFault::WrongTypes { detail: format!("{error:#}") };
    let linked = sandbox.linker().instantiate_pre(plugin.component()).map_err(wrong)?;
    check_types(plugin, has).map_err(wrong)?;
    TranslatorPre::new(linked).map_err(wrong)
}

/// Checks the functions of the exported interface. The generated code would do so as late as in each call.
fn check_types(plugin: &Plugin, interface: &str) -> wasmtime::Result<()> {
    let component = plugin.component();
    let kind = component.component_type();
    let types = kind.instance_type();
    let instance = component.get_export_index(None, interface);
    let function = |name: &str| match component.get_export(instance.as_ref(), name) {
        Some((ComponentItem::ComponentFunc(function), _)) => Ok(function),
        _ => Err(wasmtime::format_err!("there is no function `{name}`")),
    };
    let named = |name: &str| format!("the function `{name}`");
    function("describe")?
        .typecheck::<(), (translation::Description,)>(&types)
        .with_context(|| named("describe"))?;
    function("check-config")?
        .typecheck::<(&str,), (Result<(), String>,)>(&types)
        .with_context(|| named("check-config"))?;
    function("translate")?
        .typecheck::<(&str, &[Node]), (Vec<Result<Asset, String>>,)>(&types)
        .with_context(|| named("translate"))
}

/// The export that makes a plugin a translator, of whatever version.
fn contract(plugin: &Plugin) -> Option<&str> {
    let (name, _) = INTERFACE.split_once('@')?;
    let of_this_name = |export: &&String| export.split('@').next() == Some(name);
    let exports = plugin.exports();
    let best = exports.iter().filter(of_this_name).find(|export| compatible(export));
    best.or_else(|| exports.iter().find(of_this_name)).map(String::as_str)
}

/// Versions before 1.0 are compatible where the second number is the same.
fn compatible(interface: &str) -> bool {
    let minor = |name: &str| -> Option<(String, String)> {
        let mut numbers = name.split_once('@')?.1.split('.');
        Some((numbers.next()?.to_owned(), numbers.next()?.to_owned()))
    };
    minor(interface).is_some() && minor(interface) == minor(INTERFACE)
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

/// What a plugin says to people: one line, of a length that can be read, without what would disturb a terminal.
fn sentence(said: &str) -> String {
    // The last are the marks that make text run backwards.
    let disturbs = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let words: Vec<_> =
        said.split(|c: char| disturbs(c) || c == ' ').filter(|word| !word.is_empty()).collect();
    let mut line = words.join(" ");
    if let Some((end, _)) = line.char_indices().nth(1000) {
        line.truncate(end);
        line.push('…');
    }
    line
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

    #[test]
    fn sentences_are_one_line_that_a_terminal_can_show() {
        assert_eq!(sentence("two\nlines\tand  \u{1b}[31mred\u{202e}"), "two lines and [31mred");
        assert_eq!(sentence(&"é".repeat(5000)).chars().count(), 1001);
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn versions_are_compatible_up_to_the_patch() {
        assert!(compatible("tidegate:translator/translation@0.1.7"));
        assert!(!compatible("tidegate:translator/translation@0.2.0"));
        assert!(!compatible("tidegate:translator/translation@1.1.0"));
        assert!(!compatible("tidegate:translator/translation"));
    }
}
