//! What the contracts' data has in common: JSON in texts, and named values of later versions.

use serde_json::Value;

/// A JSON object. What is none becomes an empty one: the contract promises an object, and a plugin that trusts it must
/// not trap where a host breaks the promise.
pub(crate) fn object(json: &str) -> Value {
    match serde_json::from_str(json) {
        Ok(value @ Value::Object(_)) => value,
        _ => Value::Object(serde_json::Map::new()),
    }
}

/// The value of a name.
pub(crate) fn named<'a>(values: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = values.iter().find(|(known, _)| known == name)?;
    Some(value)
}
