//! What all kinds of plugins share: how a component is taken for one of them, and how it is called.
//!
//! Owns the names of the kinds and of the interfaces that make them, which versions of those are compatible, the checks
//! before the first call, and the two functions that every kind has. Never knows what a kind answers.

use std::fmt;

use serde::Serialize;
use wasmtime::{
    Store,
    component::{
        Component, ComponentExportIndex, ComponentNamedList, ComponentType, InstancePre, Lift, Lower,
        types::ComponentItem,
    },
    error::Context,
};

use super::{
    component::Plugin,
    error::{CallError, LoadFault},
    limits::CallLimits,
    sandbox::{Sandbox, Stage, State},
};
use crate::model::{CallCost, PluginRecord};

/// What a plugin is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginKind {
    /// It says what a dbt node is as an asset.
    Translator,
    /// It says what to do about an attempt that failed.
    RetryPolicy,
    /// It turns a notification into requests to destinations.
    Notifier,
}

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in one sentence.
    pub summary: String,
}

/// What came of a call, and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Called<T> {
    /// The answer, or the plugin's own sentence why there is none; the outer error is a fault of the plugin.
    pub outcome: Result<Result<T, String>, CallError>,
    /// What it cost.
    pub cost: CallCost,
}

impl PluginKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Translator, Self::RetryPolicy, Self::Notifier];

    /// Its name, as it stands in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Translator => "translator",
            Self::RetryPolicy => "retry-policy",
            Self::Notifier => "notifier",
        }
    }

    /// Its name in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Translator => "translator",
            Self::RetryPolicy => "retry policy",
            Self::Notifier => "notifier",
        }
    }

    /// The interface that a plugin of this kind exports, with the version that this host was built with.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Translator => "tidegate:translator/translation@0.1.0",
            Self::RetryPolicy => "tidegate:retry-policy/retrying@0.1.0",
            Self::Notifier => "tidegate:notifier/notifying@0.1.0",
        }
    }

    /// What a plugin is, by what it exports.
    pub fn of(plugin: &Plugin) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.contract(plugin).is_some())
    }

    /// The export that makes a plugin one of this kind, of whatever version.
    pub(super) fn contract(self, plugin: &Plugin) -> Option<&str> {
        let (name, _) = self.interface().split_once('@')?;
        let of_this_name = |export: &&String| export.split('@').next() == Some(name);
        let exports = plugin.exports();
        let best = exports.iter().filter(of_this_name).find(|export| self.reads(export));
        best.or_else(|| exports.iter().find(of_this_name)).map(String::as_str)
    }

    /// Whether a version of the interface can be read: before 1.0, where the second number is the same.
    fn reads(self, interface: &str) -> bool {
        let minor = |name: &str| -> Option<(String, String)> {
            let mut numbers = name.split_once('@')?.1.split('.');
            Some((numbers.next()?.to_owned(), numbers.next()?.to_owned()))
        };
        minor(interface).is_some() && minor(interface) == minor(self.interface())
    }

    /// Links a component against what plugins get, and checks the types of what it exports: the generated code would do so
    /// as late as in each call.
    pub(super) fn link(
        self,
        sandbox: &Sandbox,
        plugin: &Plugin,
        check: impl FnOnce(&Functions<'_>) -> wasmtime::Result<()>,
    ) -> Result<InstancePre<State>, LoadFault> {
        let Some(has) = self.contract(plugin) else {
            return Err(match Self::of(plugin) {
                Some(is) => LoadFault::AnotherKind { is, wanted: self },
                None => LoadFault::AnotherWorld { wanted: Some(self), exports: plugin.exports().to_vec() },
            });
        };
        if !self.reads(has) {
            return Err(LoadFault::AnotherVersion {
                has: has.to_owned(),
                reads: self.interface().to_owned(),
            });
        }
        if let Some(interface) = plugin.denied_import() {
            return Err(LoadFault::NotGranted { interface: interface.clone() });
        }
        let linked = sandbox.linker().instantiate_pre(plugin.component()).map_err(wrong)?;
        check(&Functions::of(plugin.component(), has)).map_err(wrong)?;
        Ok(linked)
    }
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// wasmtime's word on types that do not fit.
pub(super) fn wrong(error: wasmtime::Error) -> LoadFault {
    LoadFault::WrongTypes { detail: format!("{error:#}") }
}

/// The functions of the interface that a component exports.
pub(super) struct Functions<'p> {
    component: &'p Component,
    types: wasmtime::component::types::Component,
    interface: Option<ComponentExportIndex>,
}

impl<'p> Functions<'p> {
    fn of(component: &'p Component, interface: &str) -> Self {
        let interface = component.get_export_index(None, interface);
        Self { component, types: component.component_type(), interface }
    }

    /// Checks the types of one.
    pub(super) fn check<Parameters, Answer>(&self, name: &str) -> wasmtime::Result<()>
    where
        Parameters: ComponentNamedList + Lower,
        Answer: ComponentNamedList + Lift,
    {
        let types = self.types.instance_type();
        match self.component.get_export(self.interface.as_ref(), name) {
            Some((ComponentItem::ComponentFunc(function), _)) => function
                .typecheck::<Parameters, Answer>(&types)
                .with_context(|| format!("the function `{name}`")),
            _ => Err(wasmtime::format_err!("there is no function `{name}`")),
        }
    }

    /// Checks the two that every kind has; the parameter is the kind's own type of a description.
    pub(super) fn check_common<Said: ComponentType + Lift>(&self) -> wasmtime::Result<()> {
        self.check::<(), (Said,)>("describe")?;
        self.check::<(&str,), (Result<(), String>,)>("check-config")
    }
}

impl Sandbox {
    /// Makes an instance of a plugin and calls it, once.
    pub(super) fn call_plugin<I, R>(
        &self,
        limits: &CallLimits,
        instantiate: impl FnOnce(&mut Store<State>) -> wasmtime::Result<I>,
        call: impl FnOnce(&I, &mut Store<State>) -> wasmtime::Result<R>,
    ) -> (Result<R, CallError>, CallCost) {
        self.measured(limits, |store, stage| {
            let instance = instantiate(&mut *store)?;
            *stage = Stage::Calling;
            call(&instance, store)
        })
    }
}

impl Description {
    /// What a plugin said of itself, as it can be shown.
    pub(super) fn new(name: &str, version: &str, summary: &str) -> Self {
        Self { name: sentence(name), version: sentence(version), summary: sentence(summary) }
    }

    /// The record of decisions that it takes.
    pub(super) fn record(&self, kind: PluginKind, digest: &str) -> PluginRecord {
        PluginRecord {
            kind: kind.as_str().to_owned(),
            name: self.name.clone(),
            version: self.version.clone(),
            digest: digest.to_owned(),
        }
    }
}

/// What a plugin says to people: one line, of a length that can be read, without what would disturb a terminal.
pub(super) fn sentence(said: &str) -> String {
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

/// About the bytes that texts take up in a call: a guest has a pointer and a length for each.
pub(super) fn weight<'t>(texts: impl IntoIterator<Item = &'t String>) -> usize {
    texts.into_iter().map(|text| text.len() + 16).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_one_line_that_a_terminal_can_show() {
        assert_eq!(sentence("two\nlines\tand  \u{1b}[31mred\u{202e}"), "two lines and [31mred");
        assert_eq!(sentence(&"é".repeat(5000)).chars().count(), 1001);
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn versions_are_compatible_up_to_the_patch() {
        let kind = PluginKind::Translator;
        assert!(kind.reads("tidegate:translator/translation@0.1.7"));
        assert!(!kind.reads("tidegate:translator/translation@0.2.0"));
        assert!(!kind.reads("tidegate:translator/translation@1.1.0"));
        assert!(!kind.reads("tidegate:translator/translation"));
    }
}
