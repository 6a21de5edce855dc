//! A translator that puts a prefix in front of the keys of sources, so that sources and models never share a namespace:
//! the table `orders` of the source `raw` becomes `source/raw/orders`.
//!
//! Owns that one change. Never touches anything else of an asset, nor the asset of any other node.

mod prefix;

use prefix::Prefix;
use serde::Deserialize;
use tidegate_plugin::translator::{Asset, Node, Translator, export_translator};

struct SourcePrefix;

/// What the operator can set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The prefix: a name, or a list of names.
    #[serde(default)]
    prefix: Prefix,
}

impl Translator for SourcePrefix {
    type Config = Config;
    const SUMMARY: &'static str = "Puts a prefix in front of the keys of sources.";

    fn translate(config: &Config, node: &Node) -> Result<Asset, String> {
        let asset = node.default_asset();
        Ok(if node.is_source() { asset.prefixed(config.prefix.parts()) } else { asset })
    }
}

export_translator!(SourcePrefix);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tidegate_plugin::testing;

    fn key(config: Value, node: &Node) -> Result<Vec<String>, String> {
        testing::translate::<SourcePrefix>(config, node).map(|asset| asset.key)
    }

    #[test]
    fn sources_get_the_prefix() {
        let node = testing::source("shop", "raw", "orders");
        assert_eq!(key(json!({}), &node).unwrap(), ["source", "raw", "orders"]);
        assert_eq!(key(json!({"prefix": "lake"}), &node).unwrap(), ["lake", "raw", "orders"]);
        assert_eq!(key(json!({"prefix": ["lake", "in"]}), &node).unwrap(), ["lake", "in", "raw", "orders"]);
    }

    #[test]
    fn only_the_key_changes() {
        let mut node = testing::source("shop", "raw", "orders");
        node.default_asset =
            node.default_asset().with_group("ingest").with_owner("team:data").with_tag("pii", "");
        let asset = testing::translate::<SourcePrefix>(json!({}), &node).unwrap();
        assert_eq!(asset, node.default_asset().prefixed(["source"]));
    }

    #[test]
    fn other_nodes_stay_as_they_are() {
        for resource_type in ["model", "seed", "snapshot"] {
            let node = testing::node(resource_type, "shop", "orders");
            assert_eq!(testing::translate::<SourcePrefix>(json!({}), &node), Ok(node.default_asset()));
        }
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        let node = testing::source("shop", "raw", "orders");
        assert_eq!(
            key(json!({"prefx": "a"}), &node).unwrap_err(),
            "unknown field `prefx`, expected `prefix`"
        );
    }
}
