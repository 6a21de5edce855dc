//! Looking into pieces of JSON text without building a tree of them.
//!
//! Owns the few ways in which this room reads JSON: every value is a slice of the manifest's text, and is read only
//! where it is used. Never knows what a manifest is.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A string, borrowed from the text wherever it has no escapes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The string that a value is; none for a value of another type.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let inner = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    // Python writes strings that are not valid Unicode as lone surrogates; their escapes are then shown as they are.
    Some(serde_json::from_str::<Text>(value.get()).map_or(Cow::Borrowed(inner), |text| text.0))
}

/// The strings of an array; none for a value of another type, or with anything but strings in it.
pub(super) fn texts(value: &RawValue) -> Option<Vec<Cow<'_, str>>> {
    items(value)?.into_iter().map(text).collect()
}

/// The values of an array; none for a value of another type.
pub(super) fn items(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str::<Items>(value.get()).ok().map(|items| items.0)
}

/// A string, or the strings of an array.
pub(super) fn one_or_more(value: &RawValue) -> Option<Vec<Cow<'_, str>>> {
    text(value).map(|one| vec![one]).or_else(|| texts(value))
}

/// Whether Python would take the value for true: dagster-dbt's rules rest on that.
pub(super) fn truthy(value: &RawValue) -> bool {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => text.len() > 2,
        Some(b'[') => items(value).is_some_and(|items| !items.is_empty()),
        Some(b'{') => !is_empty_object(value),
        Some(b'-' | b'0'..=b'9') => text.parse::<f64>().is_ok_and(|number| number != 0.0),
        _ => text == "true",
    }
}

fn is_empty_object(value: &RawValue) -> bool {
    value.get().strip_prefix('{').is_some_and(|rest| rest.trim_start() == "}")
}

/// Some fields of an object, by name: none for a field that is absent or null, or where the value is no object.
pub(super) fn pick<'a, const N: usize>(
    value: Option<&'a RawValue>,
    keys: [&str; N],
) -> [Option<&'a RawValue>; N] {
    struct Pick<'k, const N: usize>([&'k str; N]);
    impl<'de, const N: usize> Visitor<'de> for Pick<'_, N> {
        type Value = [Option<&'de RawValue>; N];
        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut found: Self::Value = [None; N];
            while let Some(key) = map.next_key::<Text>()? {
                match self.0.iter().position(|wanted| *wanted == key.0) {
                    Some(place) => {
                        let value: &RawValue = map.next_value()?;
                        found[place] = Some(value).filter(|value| !is_null(value));
                    }
                    None => drop(map.next_value::<IgnoredAny>()?),
                }
            }
            Ok(found)
        }
    }
    let Some(value) = value.filter(|value| value.get().starts_with('{')) else { return [None; N] };
    serde_json::Deserializer::from_str(value.get()).deserialize_map(Pick(keys)).unwrap_or([None; N])
}

pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// The fields of an object, in the order of their names, so that nothing depends on the order in which they stand.
#[derive(Default)]
pub(super) struct Fields<'a> {
    sorted: Vec<(Text<'a>, &'a RawValue)>,
    /// The fields of the object before, as they stood. dbt writes thousands of objects with the same names in the same
    /// order, and sorting them was a tenth of the time that a manifest takes.
    names: Vec<Text<'a>>,
    order: Vec<usize>,
}

impl<'a> Fields<'a> {
    /// Reads an object into this list, which is reused from object to object; false for any other value.
    pub fn read(&mut self, object: &'a RawValue) -> bool {
        self.sorted.clear();
        let mut standing = Standing(Vec::with_capacity(self.names.len()));
        let is_object =
            serde_json::Deserializer::from_str(object.get()).deserialize_map(&mut standing).is_ok();
        let standing = standing.0;
        if is_object && standing.iter().map(|(name, _)| name).eq(&self.names) {
            self.sorted.extend(self.order.iter().map(|&place| standing[place].clone()));
            return true;
        }
        self.names = standing.iter().map(|(name, _)| name.clone()).collect();
        self.order = (0..standing.len()).collect();
        self.order.sort_by(|&a, &b| standing[a].0.cmp(&standing[b].0));
        // Of equal names the last one counts.
        self.order = (0..self.order.len())
            .filter(|&at| {
                self.order.get(at + 1).is_none_or(|&next| standing[next].0 != standing[self.order[at]].0)
            })
            .map(|at| self.order[at])
            .collect();
        self.sorted.extend(self.order.iter().map(|&place| standing[place].clone()));
        is_object
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.sorted.iter().map(|(name, value)| (name.0.as_ref(), *value))
    }

    /// A field that is there and not null.
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        let place = self.sorted.binary_search_by(|(name, _)| name.0.as_ref().cmp(key)).ok()?;
        Some(self.sorted[place].1).filter(|value| !is_null(value))
    }

    /// Writes the object with what `say` makes of each value; fields of which it makes nothing are left out.
    pub fn write(&self, to: &mut String, say: impl Fn(&str, &'a RawValue) -> Option<Cow<'a, str>>) {
        to.push('{');
        for (name, value) in &self.sorted {
            let Some(value) = say(&name.0, value) else { continue };
            if !to.ends_with('{') {
                to.push(',');
            }
            match &name.0 {
                Cow::Borrowed(plain) => {
                    to.push('"');
                    to.push_str(plain);
                    to.push('"');
                }
                Cow::Owned(escaped) => to.push_str(&serde_json::Value::from(escaped.as_str()).to_string()),
            }
            to.push(':');
            to.push_str(&value);
        }
        to.push('}');
    }
}

/// Sorts by key; of several values with one key the last stays, as in Python.
pub(super) fn sort_last_wins<'a>(entries: &mut Vec<(Text<'a>, &'a RawValue)>) {
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = later.1;
        }
        same
    });
}

/// The fields of an object as they stand.
struct Standing<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'de> Visitor<'de> for &mut Standing<'de> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(field) = map.next_entry()? {
            self.0.push(field);
        }
        Ok(())
    }
}

struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor;
        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = Items<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(ItemsVisitor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn truth_is_that_of_python() {
        for (text, expected) in [
            ("null", false),
            ("false", false),
            ("true", true),
            ("0", false),
            ("0.0", false),
            ("-0", false),
            ("2", true),
            ("\"\"", false),
            ("\"0\"", true),
            ("[ ]", false),
            ("[null]", true),
            ("{ }", false),
            ("{\"a\": 0}", true),
        ] {
            assert_eq!(truthy(raw(text)), expected, "{text}");
        }
    }

    #[test]
    fn strings_are_decoded_and_odd_ones_are_kept() {
        assert_eq!(text(raw(r#""plain""#)), Some(Cow::Borrowed("plain")));
        assert_eq!(text(raw(r#""a\n\u00e9\u0000""#)).as_deref(), Some("a\né\0"));
        assert_eq!(text(raw(r#""lone \ud800""#)).as_deref(), Some(r"lone \ud800"));
        assert_eq!(text(raw("5")), None);
        assert_eq!(texts(raw(r#"["a", 5]"#)), None);
    }

    #[test]
    fn the_last_of_equal_keys_wins_and_order_does_not_matter() {
        let written = |text: &'static str| {
            let mut fields = Fields::default();
            assert!(fields.read(raw(text)));
            let mut out = String::new();
            fields.write(&mut out, |key, value| (key != "no").then(|| Cow::Borrowed(value.get())));
            out
        };
        assert_eq!(written(r#"{"b": 1, "a": [1, 2], "no": 3, "b": 2}"#), r#"{"a":[1, 2],"b":2}"#);
        assert_eq!(written(r#"{"a": [1, 2], "b": 2}"#), r#"{"a":[1, 2],"b":2}"#);
        assert_eq!(written(r#"{"a\"b": 1}"#), r#"{"a\"b":1}"#);
        assert!(!Fields::default().read(raw("[]")));
    }
}
