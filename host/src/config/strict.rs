//! Holds a TOML document against the JSON Schema of its types: unknown keys, missing keys and wrong types, all of them,
//! each with its line, and unknown keys with the nearest known one.
//!
//! serde stops at the first mistake and knows no neighbours; the schema is generated from the same types.

use serde_json::Value as Schema;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::ConfigProblem;
use crate::model::nearest;

/// What a document has and should not, or has not and should.
#[derive(Debug, Default)]
pub struct Mistakes {
    /// Keys that nobody knows. Without them the document can be read.
    pub unknown: Vec<ConfigProblem>,
    /// Values that cannot be read.
    pub unreadable: Vec<ConfigProblem>,
}

/// Finds every mistake of a document.
pub fn check(text: &str, table: &DeTable<'_>, schema: &Schema) -> Mistakes {
    let mut mistakes = Mistakes::default();
    Walk { text, root: schema, out: &mut mistakes }.table(table, 0, schema, &mut Vec::new());
    mistakes
}

/// Takes out every key that nobody knows.
pub fn without_unknown<'i>(table: &mut DeTable<'i>, schema: &Schema) {
    strip(table, schema, schema);
}

fn strip(table: &mut DeTable<'_>, schema: &Schema, root: &Schema) {
    let names: Vec<_> = table.keys().map(|key| key.get_ref().to_string()).collect();
    for name in names.iter().filter(|name| matches!(inner(schema, name), Key::Unknown)) {
        table.remove(name.as_str());
    }
    for (key, value) in table.iter_mut() {
        let Key::Known(inner) = inner(schema, key.get_ref()) else { continue };
        if let DeValue::Table(table) = value.get_mut()
            && let Some(schema) = fitting(root, inner, "object")
        {
            strip(table, schema, root);
        }
    }
}

/// What an object's schema says of a key.
enum Key<'s> {
    Known(&'s Schema),
    Anything,
    Unknown,
}

fn inner<'s>(schema: &'s Schema, name: &str) -> Key<'s> {
    match (schema.get("properties").and_then(|known| known.get(name)), schema.get("additionalProperties")) {
        (Some(inner), _) => Key::Known(inner),
        (None, Some(Schema::Bool(false))) => Key::Unknown,
        (None, Some(inner @ Schema::Object(_))) => Key::Known(inner),
        (None, _) => Key::Anything,
    }
}

/// What a schema allows, references followed and alternatives laid out. Null is not among it: TOML has none.
fn options<'s>(root: &'s Schema, schema: &'s Schema) -> Vec<&'s Schema> {
    if let Some(name) = schema.get("$ref").and_then(Schema::as_str) {
        return name
            .strip_prefix('#')
            .and_then(|name| root.pointer(name))
            .map_or(Vec::new(), |s| options(root, s));
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(all) = schema.get(word).and_then(Schema::as_array) {
            return all.iter().flat_map(|option| options(root, option)).collect();
        }
    }
    if types(schema) == ["null"] { Vec::new() } else { vec![schema] }
}

fn types(schema: &Schema) -> Vec<&str> {
    match schema.get("type") {
        Some(Schema::String(name)) => vec![name],
        Some(Schema::Array(names)) => names.iter().filter_map(Schema::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The texts of which a value has to be one, where there are such.
fn constants<'s>(options: &[&'s Schema]) -> Vec<&'s str> {
    options.iter().flat_map(|option| named_constants(option)).collect()
}

/// Those of one option: variants with a comment are options of their own, and those without stand in one list.
fn named_constants(option: &Schema) -> Vec<&str> {
    let list = option.get("enum").and_then(Schema::as_array).into_iter().flatten();
    option.get("const").into_iter().chain(list).filter_map(Schema::as_str).collect()
}

fn fitting<'s>(root: &'s Schema, schema: &'s Schema, kind: &str) -> Option<&'s Schema> {
    options(root, schema).into_iter().find(|option| types(option).is_empty() || types(option).contains(&kind))
}

/// A value's type: JSON Schema's name, and the word for people.
fn kind(value: &DeValue<'_>) -> (&'static str, &'static str) {
    match value {
        DeValue::String(_) => ("string", "a text"),
        DeValue::Integer(_) => ("integer", "a whole number"),
        DeValue::Float(_) => ("number", "a number"),
        DeValue::Boolean(_) => ("boolean", "true or false"),
        DeValue::Datetime(_) => ("date", "a date"),
        DeValue::Array(_) => ("array", "a list"),
        DeValue::Table(_) => ("object", "a table"),
    }
}

fn word(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        _ => return None,
    })
}

struct Walk<'a> {
    text: &'a str,
    root: &'a Schema,
    out: &'a mut Mistakes,
}

impl<'a> Walk<'a> {
    fn table(&mut self, table: &DeTable<'_>, at: usize, schema: &'a Schema, path: &mut Vec<String>) {
        for (key, value) in table.iter() {
            let name = key.get_ref().as_ref();
            match inner(schema, name) {
                Key::Known(inner) => {
                    path.push(name.to_owned());
                    self.value(value, None, key.span().start, inner, path);
                    path.pop();
                }
                Key::Unknown => self.unknown(name, key.span().start, schema, path),
                Key::Anything => {}
            }
        }
        let required = schema.get("required").and_then(Schema::as_array).into_iter().flatten();
        for name in required.filter_map(Schema::as_str) {
            if !table.iter().any(|(key, _)| key.get_ref() == name) {
                let problem = ConfigProblem::new(format!("`{name}` is missing{}", place(path)));
                self.out.unreadable.push(problem.at(self.text, at));
            }
        }
    }

    /// `at` is where the value's key stands; `item` its place in a list, from 1.
    fn value(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        item: Option<usize>,
        at: usize,
        allowed: &'a Schema,
        path: &mut Vec<String>,
    ) {
        let (kind, _) = kind(value.get_ref());
        let Some(schema) = fitting(self.root, allowed, kind) else {
            return self.misfit(value, item, at, allowed, path);
        };
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, at, schema, path),
            DeValue::Array(items) => {
                let Some(inner) = schema.get("items") else { return };
                for (number, item) in (1..).zip(items.iter()) {
                    self.value(item, Some(number), item.span().start, inner, path);
                }
            }
            DeValue::String(text) => {
                let known = constants(&options(self.root, allowed));
                if !known.is_empty() && !known.contains(&text.as_ref()) {
                    self.misfit(value, item, at, allowed, path);
                }
            }
            DeValue::Integer(number) => {
                let number = i128::from_str_radix(number.as_str(), number.radix()).ok();
                let least = schema.get("minimum").and_then(Schema::as_i64).map(i128::from);
                let most = schema.get("maximum").and_then(Schema::as_i64).map(i128::from).or_else(|| {
                    let small = schema.get("format").and_then(Schema::as_str) == Some("uint32");
                    small.then_some(i128::from(u32::MAX))
                });
                if let (Some(least), Some(most)) = (least, most)
                    && !number.is_some_and(|n| (least..=most).contains(&n))
                {
                    let message = format!("{} should be from {least} to {most}", named(path, item));
                    self.out.unreadable.push(ConfigProblem::new(message).at(self.text, at));
                }
            }
            _ => {}
        }
    }

    fn misfit(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        item: Option<usize>,
        at: usize,
        allowed: &'a Schema,
        path: &[String],
    ) {
        let options = options(self.root, allowed);
        let known = constants(&options);
        // What stands where a secret is expected may be one, in the wrong shape.
        let secret = |key: &String| ["destinations", "webhook"].contains(&key.as_str());
        let hidden = path.iter().any(secret) && known.is_empty();
        let free = options.iter().filter(|option| named_constants(option).is_empty());
        let words = free.flat_map(|option| types(option)).filter_map(word).map(str::to_owned);
        let expected: Vec<_> = known.iter().map(|c| format!("`{c}`")).chain(words).collect();
        let found = match value.get_ref() {
            DeValue::String(text) if text.len() <= 40 && !hidden => format!("`{text}`"),
            other => kind(other).1.to_owned(),
        };
        let message = format!("{} should be {}, not {found}", named(path, item), expected.join(" or "));
        let near = match value.get_ref() {
            DeValue::String(text) => nearest(text, known.iter().copied()),
            _ => None,
        };
        let mut problem = ConfigProblem::new(message).at(self.text, at);
        problem.hint = near.map(|near| format!("did you mean `{near}`?"));
        self.out.unreadable.push(problem);
    }

    fn unknown(&mut self, name: &str, at: usize, schema: &'a Schema, path: &[String]) {
        let known = schema.get("properties").and_then(Schema::as_object);
        let known: Vec<_> = known.into_iter().flat_map(|k| k.keys().map(String::as_str)).collect();
        let problem = ConfigProblem::new(format!("unknown key `{name}`{}", place(path))).at(self.text, at);
        self.out.unknown.push(match nearest(name, known.iter().copied()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None if known.is_empty() => problem.hint("it has no keys"),
            None => problem.hint(format!("known keys are {}", known.join(", "))),
        });
    }
}

fn place(path: &[String]) -> String {
    if path.is_empty() { String::new() } else { format!(" in `[{}]`", path.join(".")) }
}

fn named(path: &[String], item: Option<usize>) -> String {
    let item = item.map(|number| format!("item {number} of ")).unwrap_or_default();
    match path {
        [above @ .., name] => format!("{item}`{name}`{}", place(above)),
        [] => "the file".to_owned(),
    }
}
