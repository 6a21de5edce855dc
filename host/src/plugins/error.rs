//! What can be wrong with a plugin: two closed sets, one for loading and one for calling.
//!
//! Owns the words, and the hints beside them. Never logs. Each variant has an entry in the corpus of `tests/plugins.rs`
//! or beside the code that raises it.

use std::{fmt, path::PathBuf, time::Duration};

use thiserror::Error;

use super::{contract::PluginKind, limits::Shortage};

/// A plugin that could not be loaded.
#[derive(Debug, Clone, Error)]
#[error("plugin `{plugin}`: {fault}")]
pub struct LoadError {
    /// The plugin, as its source was written.
    pub plugin: String,
    /// What is wrong with it.
    pub fault: LoadFault,
}

impl LoadError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        self.fault.hint()
    }
}

/// Why a plugin could not be loaded.
#[derive(Debug, Clone, Error)]
pub enum LoadFault {
    /// No file is there.
    #[error("there is no such file")]
    NotFound(PathBuf),
    /// The file cannot be read.
    #[error("it cannot be read: {1}")]
    Unreadable(PathBuf, String),
    /// It is a URL or the like.
    #[error("plugins are files of this machine: `{0}` is not one")]
    NotLocal(String),
    /// No built-in plugin has this name.
    #[error("there is no built-in plugin `{name}`")]
    UnknownBuiltin {
        /// The name.
        name: String,
        /// A name that looks like it.
        nearest: Option<&'static str>,
    },
    /// The file holds nothing.
    #[error("the file is empty")]
    Empty,
    /// The file is larger than any plugin may be.
    #[error("the file has {size} bytes, and a plugin may have {limit}")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The largest size.
        limit: u64,
    },
    /// It is WebAssembly's text format.
    #[error("the file holds WebAssembly as text")]
    TextFormat,
    /// It is a native artifact of wasmtime or another program, which would run outside of any sandbox.
    #[error("the file holds native code, which is never loaded: only WebAssembly can be kept in a sandbox")]
    NativeCode,
    /// It is a core module.
    #[error("the file holds a core module, not a component")]
    CoreModule,
    /// It is something else altogether.
    #[error("the file holds no WebAssembly")]
    NotWasm,
    /// It ends early.
    #[error("the component ends early, at byte {offset}: the file is truncated")]
    Truncated {
        /// Where it ends.
        offset: u64,
    },
    /// It breaks a rule of WebAssembly.
    #[error("the component is not valid{}: {detail}", at(.offset))]
    Invalid {
        /// Where, where that is known.
        offset: Option<u64>,
        /// What is wrong with it.
        detail: String,
    },
    /// It uses a part of WebAssembly that is switched off.
    #[error("the component needs a feature of WebAssembly that plugins do not get: {feature}")]
    NeedsFeature {
        /// Which.
        feature: String,
    },
    /// Compiling it took too long.
    #[error("compiling it took longer than {} s", .0.as_secs_f32())]
    CompileTimeout(Duration),
    /// The compiler failed, or panicked.
    #[error("the compiler gave up on it: {0}")]
    Compiler(String),
    /// It implements no interface that Tidegate calls.
    #[error("it exports nothing that Tidegate calls: {}", listed(.exports))]
    AnotherWorld {
        /// What it was to be; none where any kind would do.
        wanted: Option<PluginKind>,
        /// What it exports instead.
        exports: Vec<String>,
    },
    /// It is a plugin of another kind.
    #[error("it is a {}, and a {} is wanted here", .is.noun(), .wanted.noun())]
    AnotherKind {
        /// What it is.
        is: PluginKind,
        /// What it was to be.
        wanted: PluginKind,
    },
    /// It implements another version of the contract.
    #[error("it implements `{has}`, and this Tidegate reads `{reads}`")]
    AnotherVersion {
        /// The interface with the version that it has.
        has: String,
        /// The interface with the version that can be read.
        reads: String,
    },
    /// It imports what no plugin gets.
    #[error("it imports `{interface}`, which plugins do not get")]
    NotGranted {
        /// The first such interface.
        interface: String,
    },
    /// It cannot even be asked who it is.
    #[error("asked who it is, it {0}")]
    Silent(CallError),
    /// The settings beside it cannot be used.
    #[error("{}: {reason}", .file.display())]
    Settings {
        /// The `.toml` beside it.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It refuses the configuration beside it.
    #[error("it refuses the `config` in {}: {reason}", .file.display())]
    Config {
        /// The `.toml` beside it.
        file: PathBuf,
        /// Its sentence.
        reason: String,
    },
    /// Its file's name cannot be the name of a plugin.
    #[error("`{0}` cannot be the name of a plugin")]
    Name(String),
    /// The plugins folder has none of this name.
    #[error("there is no plugin `{name}` in {}", place(.folder))]
    NotInFolder {
        /// The name.
        name: String,
        /// The folder; none where there is none.
        folder: Option<PathBuf>,
    },
    /// The names are right and the types are not.
    #[error("it does not fit the contract that it names: {detail}")]
    WrongTypes {
        /// Where it does not.
        detail: String,
    },
}

fn at(offset: &Option<u64>) -> String {
    offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default()
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "it exports nothing at all".to_owned(),
        names => {
            format!("it exports {}", names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", "))
        }
    }
}

fn place(folder: &Option<PathBuf>) -> String {
    folder.as_ref().map_or("the plugins folder".to_owned(), |folder| folder.display().to_string())
}

impl LoadFault {
    /// Puts the plugin's name to it.
    pub(super) fn of(self, plugin: impl fmt::Display) -> LoadError {
        LoadError { plugin: plugin.to_string(), fault: self }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound(path) if path.extension().is_none() => {
                "a plugin is a `.wasm` file, or `builtin:NAME`".to_owned()
            }
            Self::NotFound(_) => "the path is relative to the file that names it; has the plugin been built?".to_owned(),
            Self::NotLocal(_) => "download the plugin, and name the file".to_owned(),
            Self::UnknownBuiltin { nearest: Some(nearest), .. } => format!("did you mean `builtin:{nearest}`?"),
            Self::UnknownBuiltin { nearest: None, .. } => {
                format!("built-in plugins: {}", super::builtin::names().collect::<Vec<_>>().join(", "))
            }
            Self::Empty | Self::Truncated { .. } | Self::NotWasm | Self::Invalid { .. } => {
                "copy or build the plugin once more".to_owned()
            }
            Self::TextFormat => "turn it into a binary with `wasm-tools parse`".to_owned(),
            Self::NativeCode => "give the `.wasm` file that it was compiled from".to_owned(),
            Self::CoreModule => {
                "link it with `wasm-component-ld`, as the folder that `tidegate plugin new` makes does, or turn it \
                 into a component with `wasm-tools component new`"
                    .to_owned()
            }
            Self::NeedsFeature { .. } => "build it without that feature".to_owned(),
            Self::AnotherWorld { wanted, .. } => {
                let kinds = PluginKind::ALL.into_iter().filter(|kind| wanted.is_none_or(|wanted| wanted == *kind));
                let exports = |kind: PluginKind| format!("a {} exports `{}`", kind.noun(), kind.interface());
                kinds.map(exports).collect::<Vec<_>>().join(", ")
            }
            Self::AnotherKind { wanted, .. } => format!("name a plugin that exports `{}`", wanted.interface()),
            Self::Silent(_) => "`tidegate plugin inspect` calls it in the same sandbox".to_owned(),
            Self::Settings { .. } | Self::Config { .. } => "the plugin is taken up once the file is right".to_owned(),
            Self::Name(_) => {
                "call the file by lowercase letters, digits, `-` and `_`, such as `team-owners.wasm`".to_owned()
            }
            Self::NotInFolder { name, .. } => {
                format!("put `{name}.wasm` there, or name a path or `builtin:NAME`")
            }
            Self::AnotherVersion { .. } => {
                "build the plugin with the SDK of this Tidegate's release".to_owned()
            }
            Self::NotGranted { .. } => {
                "plugins are pure: no network, no files, no clock. What a decision needs comes in as the node and \
                 the configuration"
                    .to_owned()
            }
            Self::WrongTypes { .. } => "generate the plugin's bindings from Tidegate's own `wit/` folder".to_owned(),
            Self::Unreadable(..) | Self::TooLarge { .. } | Self::CompileTimeout(_) | Self::Compiler(_) => return None,
        })
    }
}

/// Why a call of a plugin gave no answer. The sentences go on from the plugin's name.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum CallError {
    /// The deadline passed.
    #[error("gave no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// It wanted more than it may have.
    #[error("wanted more {}", wanted(.0))]
    OutOfMemory(Shortage),
    /// It called itself too deeply.
    #[error("ran out of stack: its calls go too deep, or never end")]
    StackOverflow,
    /// Its answer is too large.
    #[error("gave an answer of more than {} MiB", .0 >> 20)]
    TooMuchData(usize),
    /// It broke off: a panic, an exception, or any other trap.
    #[error("broke off: {reason}{}", said(.log))]
    Trapped {
        /// What the machine says.
        reason: String,
        /// The last of what it wrote to its standard streams.
        log: String,
    },
    /// Its answer breaks the contract.
    #[error("gave an answer that breaks the contract: {0}")]
    BadAnswer(String),
    /// Nothing of the above: the machinery failed.
    #[error("could not be called: {0}")]
    Other(String),
}

fn wanted(shortage: &Shortage) -> String {
    match shortage {
        Shortage::Memory(limit) => format!("memory than its {} MiB", limit >> 20),
        Shortage::TableElements(limit) => format!("room in its tables than {limit} elements"),
        Shortage::Parts => "instances, memories or tables than a plugin may have".to_owned(),
    }
}

fn said(log: &str) -> String {
    if log.is_empty() { String::new() } else { format!("; the last that it wrote was:\n{log}") }
}

/// The sandbox itself could not be set up.
#[derive(Debug, Error)]
#[error("the sandbox for plugins could not be set up: {0}")]
pub struct SandboxError(pub(super) String);
