//! A plugin's configuration: from the JSON that the host passes to the author's own type.
//!
//! Owns the words in which a wrong configuration is refused. Never has an opinion on what a plugin's settings are.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use serde_json::error::Category;
use std::fmt;

/// The configuration of a plugin that has no settings: any setting is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoConfig;

impl<'de> Deserialize<'de> for NoConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NoSettings)
    }
}

struct NoSettings;

impl<'de> Visitor<'de> for NoSettings {
    type Value = NoConfig;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object without settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut settings: A) -> Result<NoConfig, A::Error> {
        match settings.next_key::<String>()? {
            None => Ok(NoConfig),
            Some(name) => Err(A::Error::custom(format!(
                "unknown setting `{name}`: this plugin has none"
            ))),
        }
    }
}

/// Reads a configuration.
pub(crate) fn parse<C: DeserializeOwned>(config: &str) -> Result<C, String> {
    serde_json::from_str(config).map_err(|error| {
        let text = error.to_string();
        if error.classify() != Category::Data {
            return format!("the configuration is not JSON: {text}");
        }
        // A place in JSON that no operator has written helps nobody.
        let place = format!(" at line {} column {}", error.line(), error.column());
        text.strip_suffix(&place).unwrap_or(&text).to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        team: String,
    }

    #[test]
    fn reads_the_authors_type() {
        let settings: Settings = parse(r#"{"team": "data"}"#).unwrap();
        assert_eq!(settings.team, "data");
    }

    #[test]
    fn says_what_is_wrong_in_serdes_words_without_a_position() {
        assert_eq!(parse::<Settings>("{}").unwrap_err(), "missing field `team`");
        assert_eq!(
            parse::<Settings>(r#"{"teem": "data"}"#).unwrap_err(),
            "unknown field `teem`, expected `team`"
        );
        assert_eq!(
            parse::<Settings>(r#"{"team": 1}"#).unwrap_err(),
            "invalid type: integer `1`, expected a string"
        );
    }

    #[test]
    fn refuses_what_is_no_object() {
        for text in ["", "{", "{} {}", "nothing"] {
            let error = parse::<NoConfig>(text).unwrap_err();
            assert!(
                error.starts_with("the configuration is not JSON: "),
                "{text:?}: {error}"
            );
        }
        for text in ["null", "1", "\"a\"", "[]"] {
            let error = parse::<NoConfig>(text).unwrap_err();
            assert!(
                error.ends_with("expected an object without settings"),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn no_config_takes_no_settings() {
        assert_eq!(parse::<NoConfig>("{}"), Ok(NoConfig));
        assert_eq!(
            parse::<NoConfig>(r#"{"a": 1}"#).unwrap_err(),
            "unknown setting `a`: this plugin has none"
        );
    }
}
