//! The prefix: one or more parts of a key.
//!
//! Owns what counts as a prefix, and the words in which anything else is refused. Never sees a node.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;

/// Parts to put in front of a key: at least one, none empty, none with a slash in it.
#[derive(Debug, PartialEq)]
pub struct Prefix(Vec<String>);

impl Prefix {
    /// The parts, from the outermost on.
    pub fn parts(&self) -> &[String] {
        &self.0
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self(vec!["source".to_owned()])
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrNames)
    }
}

/// Reads a prefix. Serde's own way to say "one of two types" would answer a mistake with the names of Rust types.
struct NameOrNames;

impl<'de> Visitor<'de> for NameOrNames {
    type Value = Prefix;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name or a list of names as `prefix`")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Prefix, E> {
        Ok(Prefix(vec![part(name)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Prefix, A::Error> {
        let mut parts = Vec::new();
        while let Some(name) = names.next_element::<String>()? {
            parts.push(part(&name)?);
        }
        if parts.is_empty() {
            return Err(A::Error::custom("`prefix` is an empty list: give it at least one name"));
        }
        Ok(Prefix(parts))
    }
}

fn part<E: Error>(name: &str) -> Result<String, E> {
    if name.trim().is_empty() {
        return Err(E::custom("`prefix` has an empty name: every part of a key needs one"));
    }
    if name.contains('/') {
        // A key shows with slashes between its parts, so this would look like two parts and be one.
        let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
        return Err(E::custom(format!(
            "`prefix` has a slash in \"{name}\": for several parts write {parts:?}"
        )));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn refusal(value: Value) -> String {
        Prefix::deserialize(value).unwrap_err().to_string()
    }

    #[test]
    fn a_name_is_one_part_and_a_list_several() {
        assert_eq!(Prefix::deserialize(json!("raw")).unwrap().parts(), ["raw"]);
        assert_eq!(Prefix::deserialize(json!(["lake", "raw"])).unwrap().parts(), ["lake", "raw"]);
    }

    #[test]
    fn empty_parts_are_refused() {
        for value in [json!(""), json!("  "), json!([""]), json!(["lake", ""])] {
            assert_eq!(refusal(value), "`prefix` has an empty name: every part of a key needs one");
        }
        assert_eq!(refusal(json!([])), "`prefix` is an empty list: give it at least one name");
    }

    #[test]
    fn a_slash_is_answered_with_the_list_to_write() {
        assert_eq!(
            refusal(json!("lake/raw")),
            "`prefix` has a slash in \"lake/raw\": for several parts write [\"lake\", \"raw\"]"
        );
    }

    #[test]
    fn other_types_are_refused_in_words() {
        assert_eq!(
            refusal(json!(1)),
            "invalid type: integer `1`, expected a name or a list of names as `prefix`"
        );
        assert_eq!(refusal(json!([1])), "invalid type: integer `1`, expected a string");
    }
}
