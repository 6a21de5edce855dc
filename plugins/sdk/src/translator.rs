//! Translators: what a dbt node is to Tidegate as an asset.
//!
//! Owns the trait that an author implements, what is worth having on [`Node`] and [`Asset`], and the macro that makes a
//! component of it all. Never changes an asset that the author has not changed: what [`Node::default_asset`] holds comes
//! from the host.
//!
//! ```
//! use tidegate_plugin::NoConfig;
//! use tidegate_plugin::translator::{Asset, Node, Translator, export_translator};
//!
//! struct Raw;
//!
//! impl Translator for Raw {
//!     type Config = NoConfig;
//!     const SUMMARY: &'static str = "Puts seeds into a group of their own.";
//!
//!     fn translate(_: &NoConfig, node: &Node) -> Result<Asset, String> {
//!         let asset = node.default_asset();
//!         Ok(if node.resource_type == "seed" { asset.with_group("seeds") } else { asset })
//!     }
//! }
//!
//! export_translator!(Raw);
//! ```

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use crate::bindings::translator::exports::tidegate::translator::translation::{
    Asset, Description, Node,
};
pub use crate::export_translator;

/// A translator. [`export_translator!`] makes the component of it.
pub trait Translator {
    /// What the operator can set, as `[projects.NAME.translator.config]` in `tidegate.toml`; without that table, serde gets
    /// an empty map. Put `#[serde(deny_unknown_fields)]` on it, so that a misspelt setting is an error; a plugin that has
    /// nothing to set uses [`NoConfig`](crate::NoConfig).
    type Config: DeserializeOwned;

    /// One sentence for listings: what the translator does.
    const SUMMARY: &'static str;

    /// The asset of one node; mostly [`Node::default_asset`] with a change.
    ///
    /// The answer must depend on the arguments alone: Tidegate may ask in any order, and remembers answers. An error is
    /// a sentence for people; the node then keeps its default asset. Do not panic: in a component, the message is lost.
    fn translate(config: &Self::Config, node: &Node) -> Result<Asset, String>;

    /// Says what is wrong with a configuration that serde accepts. The default accepts each of them.
    fn check(_config: &Self::Config) -> Result<(), String> {
        Ok(())
    }
}

impl Node {
    /// Whether the node is a source's table.
    pub fn is_source(&self) -> bool {
        self.resource_type == "source"
    }

    /// The asset that the node is where the translator changes nothing: where to start from.
    pub fn default_asset(&self) -> Asset {
        self.default_asset.clone()
    }

    /// The node's `meta` as a JSON object. A part of it: `node.meta().pointer("/owner/mail")`.
    pub fn meta(&self) -> Value {
        crate::data::object(&self.meta)
    }

    /// The node's entry in dbt's manifest as a JSON object, without its code. For what has no field of its own, such as
    /// `node.entry()["config"]["schema"]`; it differs between dbt's releases, and reading it takes longer than a field.
    pub fn entry(&self) -> Value {
        crate::data::object(&self.entry)
    }

    /// The folders between the project's top folder and the file that defines the node: `marts` and `finance` for
    /// `models/marts/finance/orders.sql`.
    pub fn folders(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = self.original_file_path.split(['/', '\\']).collect();
        parts.pop();
        parts.into_iter().skip(1).collect()
    }

    /// A value that a later version of Tidegate added under this name.
    pub fn extra(&self, name: &str) -> Option<&str> {
        crate::data::named(&self.extra, name)
    }
}

impl Asset {
    /// Puts parts in front of the key: `orders` prefixed by `["shop", "eu"]` is `shop/eu/orders`.
    pub fn prefixed<P: Into<String>>(mut self, parts: impl IntoIterator<Item = P>) -> Self {
        self.key.splice(0..0, parts.into_iter().map(Into::into));
        self
    }

    /// Sets the group.
    pub fn with_group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Adds an owner, unless the asset has it.
    pub fn with_owner(mut self, owner: impl Into<String>) -> Self {
        let owner = owner.into();
        if !self.owners.contains(&owner) {
            self.owners.push(owner);
        }
        self
    }

    /// Sets a tag; `""` is the value of a tag that has only a name.
    pub fn with_tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        set(&mut self.tags, name.into(), value.into());
        self
    }

    /// Sets a piece of metadata.
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        set(&mut self.metadata, name.into(), value.into().to_string());
        self
    }
}

/// Sets the value of a name in a list that is written as a list and read as a map.
fn set(list: &mut Vec<(String, String)>, name: String, value: String) {
    match list.iter_mut().find(|(known, _)| *known == name) {
        Some((_, known)) => *known = value,
        None => list.push((name, value)),
    }
}

/// What the contract's `check-config` answers.
#[doc(hidden)]
pub fn check_config<T: Translator>(config: &str) -> Result<(), String> {
    configured::<T>(config).map(drop)
}

/// What the contract's `translate` answers.
#[doc(hidden)]
pub fn translate<T: Translator>(config: &str, nodes: &[Node]) -> Vec<Result<Asset, String>> {
    match configured::<T>(config) {
        Ok(config) => nodes
            .iter()
            .map(|node| T::translate(&config, node))
            .collect(),
        // The host asks `check-config` first, so nobody should see this.
        Err(error) => nodes.iter().map(|_| Err(error.clone())).collect(),
    }
}

fn configured<T: Translator>(config: &str) -> Result<T::Config, String> {
    let config = crate::config::parse(config)?;
    T::check(&config)?;
    Ok(config)
}

/// Makes the crate a component whose translator is the type that is given, which implements
/// [`Translator`](crate::translator::Translator). The component's name and version are the crate's.
///
/// On other targets than WebAssembly it exports nothing, so that a plugin's tests run natively.
#[macro_export]
macro_rules! export_translator {
    ($translator:ty) => {
        // No `unsafe_code` here: the lint passes over what another crate's macro makes, and allowing it would clash with an
        // author's `forbid`.
        #[allow(dead_code)]
        const _: () = {
            use bindings::exports::tidegate::translator::translation;
            use $crate::bindings::translator as bindings;

            struct Component;

            impl translation::Guest for Component {
                fn describe() -> translation::Description {
                    translation::Description {
                        name: ::core::env!("CARGO_PKG_NAME").into(),
                        version: ::core::env!("CARGO_PKG_VERSION").into(),
                        summary: <$translator as $crate::translator::Translator>::SUMMARY.into(),
                    }
                }

                fn check_config(
                    config: ::std::string::String,
                ) -> ::core::result::Result<(), ::std::string::String> {
                    $crate::translator::check_config::<$translator>(&config)
                }

                fn translate(
                    config: ::std::string::String,
                    nodes: ::std::vec::Vec<translation::Node>,
                ) -> ::std::vec::Vec<
                    ::core::result::Result<translation::Asset, ::std::string::String>,
                > {
                    $crate::translator::translate::<$translator>(&config, &nodes)
                }
            }

            #[cfg(target_arch = "wasm32")]
            bindings::export_component! { Component with_types_in bindings }
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use serde_json::json;

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Limit {
        #[serde(default)]
        longest: usize,
    }

    struct Short;

    impl Translator for Short {
        type Config = Limit;
        const SUMMARY: &'static str = "Refuses long names.";

        fn translate(config: &Limit, node: &Node) -> Result<Asset, String> {
            if node.name.len() > config.longest {
                return Err(format!("`{}` is too long", node.name));
            }
            Ok(node.default_asset())
        }

        fn check(config: &Limit) -> Result<(), String> {
            if config.longest == 0 {
                return Err("longest: must be above 0".to_owned());
            }
            Ok(())
        }
    }

    crate::export_translator!(Short);

    #[test]
    fn each_node_has_its_answer_in_order() {
        let nodes = [
            testing::node("model", "shop", "long"),
            testing::node("model", "shop", "abc"),
        ];
        assert_eq!(
            translate::<Short>(r#"{"longest": 3}"#, &nodes),
            [
                Err("`long` is too long".to_owned()),
                Ok(nodes[1].default_asset())
            ]
        );
    }

    #[test]
    fn a_wrong_configuration_is_refused_before_any_node() {
        assert_eq!(check_config::<Short>(r#"{"longest": 3}"#), Ok(()));
        assert_eq!(
            check_config::<Short>("{}").unwrap_err(),
            "longest: must be above 0"
        );
        assert_eq!(
            check_config::<Short>(r#"{"shortest": 1}"#).unwrap_err(),
            "unknown field `shortest`, expected `longest`"
        );
        let nodes = [
            testing::node("model", "shop", "a"),
            testing::node("model", "shop", "b"),
        ];
        let answers = translate::<Short>("{}", &nodes);
        assert_eq!(answers, vec![Err("longest: must be above 0".to_owned()); 2]);
    }

    #[test]
    fn meta_and_entry_are_objects_whatever_the_host_sends() {
        let mut node = testing::node("model", "shop", "orders");
        node.meta = r#"{"owner": {"mail": "a@b.c"}}"#.to_owned();
        assert_eq!(node.meta().pointer("/owner/mail"), Some(&json!("a@b.c")));
        assert_eq!(node.entry()["name"], json!("orders"));
        for broken in ["", "null", "[1]", "{"] {
            node.meta = broken.to_owned();
            assert_eq!(node.meta(), json!({}), "{broken:?}");
        }
    }

    #[test]
    fn folders_are_those_below_the_top_folder() {
        let mut node = testing::node("model", "shop", "orders");
        for (path, folders) in [
            ("models/marts/finance/orders.sql", vec!["marts", "finance"]),
            ("models\\marts\\orders.sql", vec!["marts"]),
            ("models/orders.sql", vec![]),
            ("orders.sql", vec![]),
            ("", vec![]),
        ] {
            node.original_file_path = path.to_owned();
            assert_eq!(node.folders(), folders, "{path:?}");
        }
    }

    #[test]
    fn extra_is_found_by_name() {
        let mut node = testing::node("model", "shop", "orders");
        node.extra = vec![("engine".to_owned(), "fusion".to_owned())];
        assert_eq!(node.extra("engine"), Some("fusion"));
        assert_eq!(node.extra("other"), None);
    }

    #[test]
    fn an_asset_takes_changes() {
        let asset = testing::node("model", "shop", "orders")
            .default_asset()
            .prefixed(["eu", "shop"])
            .with_group("marts")
            .with_owner("team:data")
            .with_owner("team:data")
            .with_tag("pii", "")
            .with_tag("tier", "2")
            .with_tag("tier", "1")
            .with_metadata("rows", 3)
            .with_metadata("rows", json!({"now": 4}));
        assert_eq!(asset.key, ["eu", "shop", "orders"]);
        assert_eq!(asset.group.as_deref(), Some("marts"));
        assert_eq!(asset.owners, ["team:data"]);
        assert_eq!(
            asset.tags,
            [
                ("pii".to_owned(), String::new()),
                ("tier".to_owned(), "1".to_owned())
            ]
        );
        assert_eq!(
            asset.metadata,
            [("rows".to_owned(), r#"{"now":4}"#.to_owned())]
        );
    }
}
