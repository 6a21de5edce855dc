//! Records of which a case gives a part: the rest comes from a template.
//!
//! In a template, an object of the one key `?` is a record that is absent where the case does not give it, and a list of one
//! record is a list whose elements each have that template. A key that the template does not have is a mistake.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

/// The record that a case means. `at` is where it stands, for messages.
pub(super) fn fill(template: Value, given: Option<Value>, at: &str) -> Result<Value> {
    match (template, given) {
        (Value::Object(mut template), given) if template.contains_key("?") => {
            let inner = template.remove("?").unwrap_or_default();
            match given {
                None => Ok(Value::Null),
                given => fill(inner, given, at),
            }
        }
        (Value::Object(template), given) => fill_record(template, given, at),
        (Value::Array(template), given) if is_list_of_records(&template) => {
            let element = template.into_iter().next().unwrap_or_default();
            match given {
                None => Ok(json!([])),
                Some(Value::Array(given)) => {
                    let filled = given.into_iter().map(|given| fill(element.clone(), Some(given), at));
                    Ok(Value::Array(filled.collect::<Result<_>>()?))
                }
                Some(_) => bail!("`{at}` should be a list of tables"),
            }
        }
        (template, given) => Ok(given.unwrap_or(template)),
    }
}

fn is_list_of_records(template: &[Value]) -> bool {
    matches!(template, [Value::Object(_)])
}

fn fill_record(template: Map<String, Value>, given: Option<Value>, at: &str) -> Result<Value> {
    let mut given = match given {
        None => Map::new(),
        Some(Value::Object(given)) => given,
        Some(_) => bail!("`{at}` should be a table"),
    };
    if let Some(unknown) = given.keys().find(|key| !template.contains_key(*key)) {
        let known = template.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        bail!("unknown field `{unknown}` in `{at}`; known are {known}");
    }
    let fields = template.into_iter().map(|(key, template)| {
        let value = fill(template, given.remove(&key), &format!("{at}.{key}"))?;
        Ok((key, value))
    });
    Ok(Value::Object(fields.collect::<Result<_>>()?))
}

/// Gives a field a value, where it has none.
pub(super) fn default(record: &mut Value, key: &str, value: impl FnOnce(&Value) -> Value) {
    if record[key].is_null() {
        let value = value(record);
        record[key] = value;
    }
}

/// dbt's id of a node that a case names.
pub(super) fn unique_id(node: &Value) -> Value {
    let text = |key: &str| node[key].as_str().unwrap_or_default().to_owned();
    json!(format!("{}.shop.{}", text("resource_type"), text("name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_comes_from_the_template() {
        let template = json!({
            "a": 1, "words": ["x"], "run": {"?": {"id": 1, "state": "failed"}}, "nodes": [{"name": "n", "took": null}],
        });
        let fill = |given: Value| fill(template.clone(), Some(given), "case");
        assert_eq!(fill(json!({})).unwrap(), json!({"a": 1, "words": ["x"], "run": null, "nodes": []}));
        assert_eq!(
            fill(json!({"words": [], "run": {"id": 2}, "nodes": [{}, {"name": "m"}]})).unwrap(),
            json!({
                "a": 1, "words": [], "run": {"id": 2, "state": "failed"},
                "nodes": [{"name": "n", "took": null}, {"name": "m", "took": null}],
            })
        );
        let refused = |given| fill(given).unwrap_err().to_string();
        assert_eq!(refused(json!({"b": 1})), "unknown field `b` in `case`; known are a, nodes, run, words");
        assert_eq!(
            refused(json!({"nodes": [{"nmae": 1}]})),
            "unknown field `nmae` in `case.nodes`; known are name, took"
        );
        assert_eq!(refused(json!({"run": 1})), "`case.run` should be a table");
        assert_eq!(refused(json!({"nodes": 1})), "`case.nodes` should be a list of tables");
    }
}
