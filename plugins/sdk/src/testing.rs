//! What a plugin's own tests need: nodes to try it on, and the call that the host would make.
//!
//! Owns plausible examples, no more: `tidegate plugin test` runs the built component itself on the cases in `cases/`, and
//! only the host knows a real node's default asset.
//!
//! ```
//! # use tidegate_plugin::NoConfig;
//! # use tidegate_plugin::translator::{Asset, Node, Translator};
//! # struct Same;
//! # impl Translator for Same {
//! #     type Config = NoConfig;
//! #     const SUMMARY: &'static str = "";
//! #     fn translate(_: &NoConfig, node: &Node) -> Result<Asset, String> { Ok(node.default_asset()) }
//! # }
//! use tidegate_plugin::testing;
//!
//! let node = testing::node("model", "shop", "orders");
//! let asset = testing::translate::<Same>(serde_json::json!({}), &node).unwrap();
//! assert_eq!(asset.key, ["orders"]);
//! ```

use crate::translator::{Asset, Node, Translator};
use serde_json::{Value, json};

/// A model, seed or snapshot of a package: a node without tags, meta or a schema of its own. Its fields are there to be
/// changed.
pub fn node(resource_type: &str, package: &str, name: &str) -> Node {
    let (folder, extension, materialized) = match resource_type {
        "seed" => ("seeds", "csv", "seed"),
        "snapshot" => ("snapshots", "sql", "snapshot"),
        _ => ("models", "sql", "view"),
    };
    let unique_id = format!("{resource_type}.{package}.{name}");
    Node {
        resource_type: resource_type.to_owned(),
        name: name.to_owned(),
        source_name: None,
        package_name: package.to_owned(),
        original_file_path: format!("{folder}/{name}.{extension}"),
        fqn: vec![package.to_owned(), name.to_owned()],
        database: Some("warehouse".to_owned()),
        schema: Some("main".to_owned()),
        alias: Some(name.to_owned()),
        materialized: Some(materialized.to_owned()),
        tags: Vec::new(),
        description: String::new(),
        meta: "{}".to_owned(),
        entry: entry(&unique_id, resource_type, package, name),
        extra: Vec::new(),
        default_asset: asset(&[name]),
        unique_id,
    }
}

/// A table of a source that the package declares.
pub fn source(package: &str, source: &str, table: &str) -> Node {
    let unique_id = format!("source.{package}.{source}.{table}");
    Node {
        source_name: Some(source.to_owned()),
        original_file_path: "models/sources.yml".to_owned(),
        fqn: vec![package.to_owned(), source.to_owned(), table.to_owned()],
        schema: Some(source.to_owned()),
        materialized: None,
        entry: entry(&unique_id, "source", package, table),
        default_asset: asset(&[source, table]),
        unique_id,
        ..node("source", package, table)
    }
}

/// Translates a node as the host would: reads and checks the configuration, then asks for the asset.
pub fn translate<T: Translator>(config: Value, node: &Node) -> Result<Asset, String> {
    let mut answers =
        crate::translator::translate::<T>(&config.to_string(), std::slice::from_ref(node));
    answers
        .pop()
        .unwrap_or_else(|| Err("the translator gave no answer".to_owned()))
}

fn entry(unique_id: &str, resource_type: &str, package: &str, name: &str) -> String {
    json!({
        "unique_id": unique_id,
        "resource_type": resource_type,
        "package_name": package,
        "name": name,
    })
    .to_string()
}

fn asset(key: &[&str]) -> Asset {
    Asset {
        key: key.iter().map(|&part| part.to_owned()).collect(),
        group: None,
        owners: Vec::new(),
        tags: Vec::new(),
        description: None,
        metadata: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_look_like_dbts_nodes() {
        let seed = node("seed", "shop", "countries");
        assert_eq!(seed.unique_id, "seed.shop.countries");
        assert_eq!(seed.original_file_path, "seeds/countries.csv");
        assert!(!seed.is_source());

        let table = source("shop", "raw", "orders");
        assert_eq!(table.unique_id, "source.shop.raw.orders");
        assert_eq!(table.default_asset().key, ["raw", "orders"]);
        assert_eq!(table.resource_type, "source");
        assert_eq!(table.entry()["unique_id"], json!("source.shop.raw.orders"));
        assert!(table.is_source() && table.materialized.is_none());
    }
}
