//! The translator of a project: what its nodes are as assets.
//!
//! Owns the rule for a translator that fails: the assets are what they are without one, there is one warning, and it is
//! not called again. Never prints, and never fails itself.

use std::time::{Duration, Instant};

use serde_json::Value;
use thiserror::Error;

use crate::{
    model::{AssetShape, NodeFacts, PluginRecord},
    plugins::{CallError, LoadError, Origin, PluginSource, Sandbox, Translator},
};

/// How long translating a whole project may take.
pub const PROJECT_TIME: Duration = Duration::from_secs(60);

/// A project's translator, whether or not it works.
pub struct ProjectTranslator {
    plugin: String,
    config: String,
    ready: Option<Translator>,
    record: Option<PluginRecord>,
    notice: Option<String>,
    fault: Option<TranslatorFault>,
    left: Duration,
    translated: usize,
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
    /// Loads a project's translator, asks who it is, and lets it check its configuration. What goes wrong is in
    /// [`Self::fault`].
    pub fn open(sandbox: &Sandbox, source: &PluginSource, config: &Value) -> Self {
        let config = if config.is_null() { "{}".to_owned() } else { config.to_string() };
        let mut project = Self {
            plugin: source.to_string(),
            config,
            ready: None,
            record: None,
            notice: None,
            fault: None,
            left: PROJECT_TIME,
            translated: 0,
        };
        if let Err(fault) = project.load(sandbox, source) {
            project.give_up(fault);
        }
        project
    }

    /// A translator whose plugin is known not to load: a source that could not even be read as one.
    pub fn broken(error: LoadError) -> Self {
        Self {
            plugin: error.plugin.clone(),
            config: String::new(),
            ready: None,
            record: None,
            notice: None,
            fault: Some(TranslatorFault::Load(error)),
            left: Duration::ZERO,
            translated: 0,
        }
    }

    fn load(&mut self, sandbox: &Sandbox, source: &PluginSource) -> Result<(), TranslatorFault> {
        let translator = Translator::load(sandbox, source).map_err(TranslatorFault::Load)?;
        if let Origin::CacheUnusable(why) = translator.plugin().origin() {
            self.notice = Some(format!("plugin `{}` was compiled once more: {why}", self.plugin));
        }
        let plugin = self.plugin.clone();
        let called = |error| TranslatorFault::Call { plugin: plugin.clone(), error };
        let said = translator.describe().map_err(called)?;
        self.record = Some(PluginRecord {
            kind: "translator".to_owned(),
            name: said.name,
            version: said.version,
            digest: translator.plugin().digest().to_owned(),
        });
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

    /// Translates some of the project's nodes, one answer a node. The error of an answer is the plugin's sentence about
    /// that node. Once the translator has failed, each node's answer is its default asset.
    pub fn translate(&mut self, nodes: &[NodeFacts]) -> Vec<Result<AssetShape, String>> {
        let defaults = || nodes.iter().map(|node| Ok(node.default.clone())).collect();
        let Some(translator) = &self.ready else { return defaults() };
        let begun = Instant::now();
        let answers = translator.translate_within(self.left, &self.config, nodes);
        self.left = self.left.saturating_sub(begun.elapsed());
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
