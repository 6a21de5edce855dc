//! YAML as PyYAML reads it: YAML 1.1, where `on` is true, `010` is eight, and `<<` merges.
//!
//! Owns what a scalar means, and how large a document may become. A scalar whose value need not be known here (a date, a
//! float, a number in another base) is kept as [`Yaml::Odd`], so that nobody takes its text for its value.

use std::{collections::HashMap, fmt};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

/// How many values a document may hold once its aliases are followed.
const MAX_VALUES: usize = 100_000;

/// How deep values may lie in each other.
const MAX_DEPTH: usize = 60;

/// A value of a YAML document.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Yaml {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number in decimal digits.
    Int(i64),
    /// A float, a date, or whatever else is neither text nor a plain number.
    Odd,
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Yaml>),
    /// A mapping; keys that are no text are kept, since they are no text for dbt either.
    Map(Vec<(Yaml, Yaml)>),
}

/// Why a text is no YAML that can be used.
#[derive(Debug)]
pub(super) struct YamlError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there, without any value of the document.
    pub detail: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.detail)
    }
}

impl Yaml {
    /// The value of a key of a mapping; of two with one name the last counts, as in Python.
    pub fn get(&self, key: &str) -> Option<&Yaml> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().rev().find(|(name, _)| matches!(name, Self::Text(name) if name == key)).map(|(_, v)| v)
    }

    /// Whether Python takes it for false.
    pub fn is_falsy(&self) -> bool {
        match self {
            Self::Null | Self::Bool(false) | Self::Int(0) => true,
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(pairs) => pairs.is_empty(),
            Self::Bool(true) | Self::Int(_) | Self::Odd => false,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Self::Map(pairs) => 1 + pairs.iter().map(|(k, v)| k.size() + v.size()).sum::<usize>(),
            _ => 1,
        }
    }
}

/// A list or a mapping that is not yet complete.
struct Open {
    anchor: usize,
    is_map: bool,
    /// The items; of a mapping, keys and values in turn, each key with whether it merges.
    items: Vec<(Yaml, bool)>,
}

/// Reads the one document of a text; an empty text is null.
pub(super) fn load(text: &str) -> Result<Yaml, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, (Yaml, usize)> = HashMap::new();
    let mut document = None;
    let mut values = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|e| YamlError { line: e.marker().line(), detail: e.info().to_owned() })?;
        let refuse = |detail: &str| YamlError { line: span.start.line(), detail: detail.to_owned() };
        let (value, anchor, merges) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let merges = style == ScalarStyle::Plain && tag.is_none() && text == "<<";
                let value = scalar(&text, style, tag.as_deref()).ok_or_else(|| refuse("an unknown tag"))?;
                (value, anchor, merges)
            }
            Event::Alias(id) => {
                // An alias inside of what it names is not there yet: no finite value.
                let (value, size) = anchors.get(&id).ok_or_else(|| refuse("an alias of nothing"))?;
                values += size;
                if values > MAX_VALUES {
                    return Err(refuse("too many values"));
                }
                (value.clone(), 0, false)
            }
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) if tag.is_some() => {
                let _ = anchor;
                return Err(refuse("an unknown tag"));
            }
            Event::SequenceStart(anchor, _) => {
                open.push(Open { anchor, is_map: false, items: Vec::new() });
                continue;
            }
            Event::MappingStart(anchor, _) => {
                open.push(Open { anchor, is_map: true, items: Vec::new() });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(done) = open.pop() else { return Err(refuse("an end without a start")) };
                let anchor = done.anchor;
                let value = if done.is_map { mapping(done.items).map_err(refuse)? } else { list(done.items) };
                (value, anchor, false)
            }
            Event::DocumentStart(_) if document.is_some() => return Err(refuse("a second document")),
            _ => continue,
        };
        values += 1;
        if values > MAX_VALUES || open.len() > MAX_DEPTH {
            return Err(refuse("too many values"));
        }
        if anchor > 0 {
            let size = value.size();
            anchors.insert(anchor, (value.clone(), size));
        }
        match open.last_mut() {
            Some(parent) => {
                let is_key = parent.is_map && parent.items.len() % 2 == 0;
                parent.items.push((value, merges && is_key));
            }
            None => document = Some(value),
        }
    }
    Ok(document.unwrap_or(Yaml::Null))
}

fn list(items: Vec<(Yaml, bool)>) -> Yaml {
    Yaml::List(items.into_iter().map(|(item, _)| item).collect())
}

/// A mapping, with what it merges in front of what it says itself.
fn mapping(items: Vec<(Yaml, bool)>) -> Result<Yaml, &'static str> {
    let mut merged = Vec::new();
    let mut own = Vec::new();
    let mut items = items.into_iter();
    while let (Some((key, merges)), Some((value, _))) = (items.next(), items.next()) {
        match (merges, value) {
            (false, value) => own.push((key, value)),
            (true, Yaml::Map(pairs)) => merged.extend(pairs),
            (true, Yaml::List(maps)) => {
                // The first of several mappings wins.
                for map in maps.into_iter().rev() {
                    let Yaml::Map(pairs) = map else { return Err("a `<<` of what is no mapping") };
                    merged.extend(pairs);
                }
            }
            (true, _) => return Err("a `<<` of what is no mapping"),
        }
    }
    merged.extend(own);
    Ok(Yaml::Map(merged))
}

/// What a scalar means; none for a tag that is not known.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Option<Yaml> {
    match tag {
        None if style == ScalarStyle::Plain => Some(plain(text)),
        None => Some(Yaml::Text(text.to_owned())),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Some(Yaml::Text(text.to_owned())),
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Some(Yaml::Text(text.to_owned())),
        Some(_) => None,
    }
}

/// What a scalar without quotes means in YAML 1.1, as PyYAML has it.
fn plain(text: &str) -> Yaml {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Yaml::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Yaml::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Yaml::Bool(false);
        }
        "=" | "<<" => return Yaml::Odd,
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0"
        || unsigned.starts_with(|c| ('1'..='9').contains(&c)) && unsigned.bytes().all(|b| b.is_ascii_digit())
    {
        return text.parse().map_or(Yaml::Odd, Yaml::Int);
    }
    if is_odd_number(unsigned) || is_date(text) { Yaml::Odd } else { Yaml::Text(text.to_owned()) }
}

/// Whether a text without its sign is a number of another kind: 010, 0x1f, 1_000, 1:30, 1.5, .5, .inf.
fn is_odd_number(text: &str) -> bool {
    let all = |text: &str, allowed: &str| !text.is_empty() && text.chars().all(|c| allowed.contains(c));
    if matches!(text, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, "0123456789abcdefABCDEF_");
    }
    if let Some(digits) = text.strip_prefix("0b") {
        return all(digits, "01_");
    }
    if !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.strip_prefix('.').is_some_and(|t| t.starts_with(|c: char| c.is_ascii_digit()))
    {
        return false;
    }
    if !text.contains(['.', ':']) {
        return match text.strip_prefix('0') {
            Some(rest) => all(rest, "01234567_"),
            None => all(text, "0123456789_"),
        };
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let signed = |e: &str| e.strip_prefix(['-', '+']).is_some_and(|digits| all(digits, "0123456789"));
    all(mantissa, "0123456789_.:") && mantissa.matches('.').count() <= 1 && exponent.is_none_or(signed)
}

/// Whether a text begins like a date.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let digits = |part: Option<&str>, most: usize| {
        part.is_some_and(|p| (1..=most).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
    };
    let year = parts.next().filter(|year| year.len() == 4);
    if !digits(year, 4) || !digits(parts.next(), 2) {
        return false;
    }
    let rest = parts.next().unwrap_or_default();
    let day = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    (1..=2).contains(&day) && (rest.len() == day || rest[day..].starts_with(['T', 't', ' ', '\t']))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scalars_are_those_of_yaml_1_1() {
        for (text, value) in [
            ("on", Yaml::Bool(true)),
            ("No", Yaml::Bool(false)),
            ("~", Yaml::Null),
            ("-12", Yaml::Int(-12)),
            ("08", Yaml::Text("08".to_owned())),
            ("1e5", Yaml::Text("1e5".to_owned())),
            ("y", Yaml::Text("y".to_owned())),
            ("1.2.3", Yaml::Text("1.2.3".to_owned())),
            ("2024-01", Yaml::Text("2024-01".to_owned())),
            ("'on'", Yaml::Text("on".to_owned())),
            ("!!str 5", Yaml::Text("5".to_owned())),
        ] {
            assert_eq!(load(text).unwrap(), value, "{text}");
        }
        for odd in [
            "010",
            "0x1F",
            "0b1",
            "1_000",
            "1:30",
            "1.5",
            ".5",
            "1.5e+3",
            "-.inf",
            "2024-01-02",
            "99999999999999999999",
        ] {
            assert_eq!(load(odd).unwrap(), Yaml::Odd, "{odd}");
        }
    }

    #[test]
    fn what_is_merged_comes_first_and_may_be_overridden() {
        let text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b]}\nd: {'<<': 5}\n";
        let document = load(text).unwrap();
        let at = |key| document.get("c").unwrap().get(key);
        assert_eq!(
            (at("x"), at("y"), at("z")),
            (Some(&Yaml::Int(1)), Some(&Yaml::Int(1)), Some(&Yaml::Int(3)))
        );
        assert_eq!(document.get("d").unwrap().get("<<"), Some(&Yaml::Int(5)));
    }

    #[test]
    fn what_is_no_single_finite_document_is_refused() {
        let mut laughs = "a0: &a0 [x, x]\n".to_owned();
        for i in 1..40 {
            laughs += &format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1);
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        for text in
            [&laughs, &deep, "a: &a [*a]", "a: 1\n---\nb: 1", "a: !!python/object:x {}", "a: [", "<<: 5"]
        {
            assert!(load(text).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-a-z0-9:{}\\[\\]&*<!'\" #|>\n.,]{0,80}") {
            let _ = load(&text);
        }
    }
}
