//! Plugins end to end: honest ones, hostile ones, and the commands that work on them.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod catalogue;
mod commands;
mod guest;
mod honest;
mod hostile_calls;
mod hostile_files;
mod kinds;
mod pieces;
mod policy;

use std::{path::PathBuf, time::Duration};

use tempfile::TempDir;
use tidegate::{
    model::{AssetKey, AssetShape, NodeFacts, ResourceType},
    plugins::{Limits, LoadError, PluginSource, Sandbox, Translator},
};

/// Limits that a hostile plugin reaches soon, but for the time that it has: whoever ends by itself does so on however busy
/// a machine.
fn small() -> Limits {
    Limits {
        call_time: Duration::from_secs(300),
        time_per_node: Duration::ZERO,
        memory: 8 << 20,
        answer: 1 << 20,
        memory_ceiling: 8 << 20,
        table_elements: 10_000,
        ..Limits::default()
    }
}

/// The same for one that never ends.
fn hasty() -> Limits {
    Limits { call_time: Duration::from_millis(300), ..small() }
}

fn sandbox() -> Sandbox {
    Sandbox::new(small(), None).unwrap()
}

/// A folder with one plugin in it.
struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new(bytes: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugin.wasm");
        std::fs::write(&path, bytes).unwrap();
        Self { _folder: folder, path }
    }

    fn source(&self) -> PluginSource {
        PluginSource::File(self.path.clone())
    }
}

fn load(sandbox: &Sandbox, bytes: impl AsRef<[u8]>) -> Result<Translator, LoadError> {
    Translator::load(sandbox, &File::new(bytes).source())
}

/// A plugin that was built: from `TIDEGATE_TEST_PLUGINS` where that is set, else the one that is in the repository.
fn built(name: &str) -> PluginSource {
    let prebuilt = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins/prebuilt");
    let folder = std::env::var_os("TIDEGATE_TEST_PLUGINS").map_or_else(prebuilt, PathBuf::from);
    PluginSource::File(folder.join(format!("{name}.wasm")))
}

fn node(resource_type: &str, name: &str) -> NodeFacts {
    let source = resource_type == "source";
    let key = if source { AssetKey::new(["raw", name]) } else { AssetKey::new([name]) };
    NodeFacts {
        unique_id: if source {
            format!("source.shop.raw.{name}")
        } else {
            format!("{resource_type}.shop.{name}")
        },
        resource_type: ResourceType::from(resource_type),
        name: name.to_owned(),
        source_name: source.then(|| "raw".to_owned()),
        package_name: "shop".to_owned(),
        original_file_path: format!("models/{name}.sql"),
        fqn: vec!["shop".to_owned(), name.to_owned()],
        database: Some("warehouse".to_owned()),
        schema: Some("main".to_owned()),
        alias: Some(name.to_owned()),
        materialized: (!source).then(|| "view".to_owned()),
        tags: Vec::new(),
        description: String::new(),
        meta: "{}".to_owned(),
        entry: "{}".to_owned(),
        default: AssetShape {
            key,
            group: None,
            owners: Vec::new(),
            tags: [("nightly".to_owned(), String::new())].into(),
            description: None,
            metadata: [("rows".to_owned(), serde_json::json!([1, null]))].into(),
        },
    }
}
