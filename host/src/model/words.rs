//! What is written one way as another: a command line as one text, TOML as JSON.

/// The words as a shell would take them.
pub fn shell_words(args: &[String]) -> String {
    shlex::try_join(args.iter().map(String::as_str)).unwrap_or_else(|_| args.join(" "))
}

/// A span of time as one writes it: `90s`, `10m`, `1h 30m`, `2d`; longer than nothing.
pub fn span(text: &str) -> Option<jiff::SignedDuration> {
    let span: jiff::Span = text.parse().ok()?;
    let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
    span.is_positive().then_some(span)
}

/// What TOML says, as JSON. JSON has no dates and no infinite numbers: a date becomes the text that was written, and there is
/// none for a number that is not finite.
pub fn json_of(value: toml::Value) -> Option<serde_json::Value> {
    Some(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)?.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json_of).collect::<Option<Vec<_>>>()?.into(),
        toml::Value::Table(table) => serde_json::Value::Object(
            table.into_iter().map(|(k, v)| Some((k, json_of(v)?))).collect::<Option<_>>()?,
        ),
    })
}

/// A node's name without dbt's resource type, package and hash: for nodes that are no assets.
pub fn short_name(unique_id: &str) -> String {
    let mut parts = unique_id.splitn(3, '.');
    let (kind, name) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or(unique_id));
    // A generic test's id ends in a hash of ten hexadecimal digits.
    let bare = name.rsplit_once('.').filter(|(_, hash)| {
        kind == "test" && hash.len() == 10 && hash.chars().all(|c| c.is_ascii_hexdigit())
    });
    bare.map_or(name, |(bare, _)| bare).to_owned()
}
