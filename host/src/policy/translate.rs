//! The translator of a project: what its nodes are as assets.
//!
//! Owns the rule for a translator that fails: the assets are what they are without one, there is one warning, and it is
//! not called again. Never prints, and never fails itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::{
    model::{AssetShape, CallCost, NodeFacts, PluginCall, PluginRecord, json_of},
    plugins::{CallError, Catalogue, LoadError, Translator},
};

/// How long translating a whole project may take.
pub const PROJECT_TIME: Duration = Duration::from_secs(60);

/// A project's translator, whether or not it works.
pub struct ProjectTranslator {
    plugin: String,
    config: String,
    ready: Option<Arc<Translator>>,
    record: Option<PluginRecord>,
    notice: Option<String>,
    fault: Option<TranslatorFault>,
    left: Duration,
    translated: usize,
    /// All calls, as if they had been one.
    asked: Asked,
}

/// What the translator was asked, and what it answered.
#[derive(Default)]
struct Asked {
    at: Option<Timestamp>,
    nodes: Vec<String>,
    answers: Map<String, Value>,
    cost: CallCost,
}

/// Why a translator is not used, or not any more.
#[derive(Debug, Error)]
pub enum TranslatorFault {
    /// It could not be loaded.
    #[error(transparent)]
    Load(LoadError),
    /// It refuses its configuration.
    #[error("plugin `{plugin}` refuses its configuration: {reason}")]
    Config {
        /// The plugin, as its source was written.
        plugin: String,
        /// Its sentence.
        reason: String,
    },
    /// A call of it failed.
    #[error("plugin `{plugin}` {error}")]
    Call {
        /// The plugin, as its source was written.
        plugin: String,
        /// How.
        error: CallError,
    },
    /// All calls together took too long.
    #[error("plugin `{plugin}` took longer than {} s for the project", .time.as_secs())]
    TooSlow {
        /// The plugin, as its source was written.
        plugin: String,
        /// The time that it had.
        time: Duration,
    },
}

impl TranslatorFault {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Load(error) => error.hint(),
            Self::Config { .. } => {
                Some("change `config` of the project's translator in `tidegate.toml`".to_owned())
            }
            Self::Call { .. } | Self::TooSlow { .. } => {
                Some("`tidegate plugin test` runs a plugin on cases, in the same sandbox".to_owned())
            }
        }
    }
}

impl ProjectTranslator {
    /// Loads a project's translator, asks who it is, and lets it check its configuration; where the project gives none, the
    /// one beside the plugin counts. What goes wrong is in [`Self::fault`].
    pub fn open(catalogue: &Catalogue, reference: &str, config: &Value) -> Self {
        let mut project = Self {
            plugin: reference.to_owned(),
            config: String::new(),
            ready: None,
            record: None,
            notice: None,
            fault: None,
            left: PROJECT_TIME,
            translated: 0,
            asked: Asked::default(),
        };
        if let Err(fault) = project.load(catalogue, config) {
            project.give_up(fault);
        }
        project
    }

    fn load(&mut self, catalogue: &Catalogue, config: &Value) -> Result<(), TranslatorFault> {
        let translator = catalogue.translator(&self.plugin).map_err(TranslatorFault::Load)?;
        self.config = configuration(config, &catalogue.settings(&self.plugin));
        let recompiled = translator.plugin().recompiled();
        self.notice = recompiled.map(|why| format!("plugin `{}` was compiled once more: {why}", self.plugin));
        let plugin = self.plugin.clone();
        let called = |error| TranslatorFault::Call { plugin: plugin.clone(), error };
        self.record = Some(translator.record().map_err(called)?);
        if let Err(reason) = translator.check_config(&self.config).map_err(called)? {
            return Err(TranslatorFault::Config { plugin, reason });
        }
        self.ready = Some(translator);
        Ok(())
    }

    /// The plugin, for the record of a run; none where it could not be loaded. It stays where the plugin failed later.
    pub fn record(&self) -> Option<&PluginRecord> {
        self.record.as_ref()
    }

    /// Why the translator is not used, or not any more.
    pub fn fault(&self) -> Option<&TranslatorFault> {
        self.fault.as_ref()
    }

    /// The fault as the one warning that it is worth.
    pub fn warning(&self) -> Option<String> {
        let fault = self.fault.as_ref()?;
        Some(format!("{fault}\nassets are what they are without a translator"))
    }

    /// Something that is worth a line and no warning.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Whether the translator failed after some nodes had been translated. A project must not be half translated, so
    /// whoever has kept those answers throws them away and takes each node's default asset.
    pub fn is_partial(&self) -> bool {
        self.fault.is_some() && self.translated > 0
    }

    /// What is kept of its calls, all in one; none where it was never asked. The nodes stand in it by their ids: what they
    /// are stands in the manifest.
    pub fn call(&self, subject: String) -> Option<PluginCall> {
        let Asked { at, nodes, answers, cost } = &self.asked;
        let config: Value = serde_json::from_str(&self.config).unwrap_or_default();
        Some(PluginCall {
            at: (*at)?,
            plugin: self.record.clone()?,
            subject,
            input: json!({ "config": config, "nodes": nodes }),
            answer: self.fault.is_none().then(|| Value::Object(answers.clone())),
            cost: *cost,
            verdict: match &self.fault {
                None => "ok".to_owned(),
                Some(TranslatorFault::Call { error, .. }) => error.to_string(),
                Some(fault) => fault.to_string(),
            },
        })
    }

    /// Translates some of the project's nodes, one answer a node. The error of an answer is the plugin's sentence about
    /// that node. Once the translator has failed, each node's answer is its default asset.
    pub fn translate(&mut self, nodes: &[NodeFacts]) -> Vec<Result<AssetShape, String>> {
        let defaults = || nodes.iter().map(|node| Ok(node.default.clone())).collect();
        let Some(translator) = &self.ready else { return defaults() };
        let begun = Instant::now();
        let at = Timestamp::now();
        let (answers, cost) = translator.translate_within(self.left, &self.config, nodes);
        self.left = self.left.saturating_sub(begun.elapsed());
        self.asked.add(at, nodes, answers.as_deref().unwrap_or_default(), cost);
        match answers {
            Ok(answers) => {
                self.translated += nodes.len();
                answers
            }
            Err(error) => {
                let plugin = self.plugin.clone();
                self.give_up(match error {
                    CallError::TimedOut(_) if self.left.is_zero() => {
                        TranslatorFault::TooSlow { plugin, time: PROJECT_TIME }
                    }
                    error => TranslatorFault::Call { plugin, error },
                });
                defaults()
            }
        }
    }

    fn give_up(&mut self, fault: TranslatorFault) {
        self.ready = None;
        self.fault = Some(fault);
    }
}

impl Asked {
    fn add(
        &mut self,
        at: Timestamp,
        nodes: &[NodeFacts],
        answers: &[Result<AssetShape, String>],
        cost: CallCost,
    ) {
        self.at.get_or_insert(at);
        self.nodes.extend(nodes.iter().map(|node| node.unique_id.clone()));
        for (node, answer) in nodes.iter().zip(answers) {
            let answer = match answer {
                Ok(shape) => json!(shape.key.to_string()),
                Err(reason) => json!({ "error": reason }),
            };
            self.answers.insert(node.unique_id.clone(), answer);
        }
        self.cost.micros += cost.micros;
        self.cost.peak_memory = self.cost.peak_memory.max(cost.peak_memory);
    }
}

/// The configuration that counts, as JSON: what the project says, or what stands beside the plugin.
fn configuration(said: &Value, beside: &toml::Table) -> String {
    if said.as_object().is_some_and(|said| !said.is_empty()) {
        return said.to_string();
    }
    let beside = beside.get("config").cloned().and_then(json_of);
    beside.map_or_else(|| "{}".to_owned(), |config| config.to_string())
}
