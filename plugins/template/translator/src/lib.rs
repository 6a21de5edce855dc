//! A translator for Tidegate: keys of assets begin with the folders that the node's file lies in.

use serde::Deserialize;
use tidegate_plugin::translator::{Asset, Node, Translator, export_translator};

struct Folders;

/// What can be set in `tidegate.toml`. A setting that is not named here is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Parts that come before the folders.
    #[serde(default)]
    before: Vec<String>,
}

impl Translator for Folders {
    type Config = Config;
    const SUMMARY: &'static str = "Puts the folders of a node's file in front of its key.";

    fn translate(config: &Config, node: &Node) -> Result<Asset, String> {
        // Change what you like and leave the rest: key, group, owners, tags, description, metadata.
        // For example, `if node.meta()["pii"] == true { asset = asset.with_tag("pii", ""); }`.
        let asset = node.default_asset();
        Ok(asset.prefixed(node.folders()).prefixed(&config.before))
    }
}

export_translator!(Folders);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tidegate_plugin::testing;

    #[test]
    fn keys_begin_with_the_folders() {
        let mut node = testing::node("model", "shop", "orders");
        node.original_file_path = "models/marts/finance/orders.sql".into();
        let asset = testing::translate::<Folders>(json!({"before": ["shop"]}), &node).unwrap();
        assert_eq!(asset.key, ["shop", "marts", "finance", "orders"]);
    }
}
