//! `tidegate plugin calls`: what a plugin was asked and what it answered, as it is on record.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use crate::{
    cli::{
        Context, Exit, Failure,
        printer::{self, BAD, FAINT, GOOD, styled},
    },
    dbt::plain,
    model::{PluginCall, nearest},
    plugins::Catalogue,
};

/// The longest answer that a line shows, in characters.
const LONGEST: usize = 72;

/// Arguments of `tidegate plugin calls`.
#[derive(Debug, clap::Args)]
pub struct Calls {
    /// The plugin: what it calls itself, the name of its file in the folder, or `builtin:NAME`
    name: String,
    /// How many
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
    /// As JSON, with what it was told and all that it answered
    #[arg(long)]
    json: bool,
}

impl Calls {
    /// Shows the calls.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let catalogue = context.catalogue()?;
        let reader = context.reader()?;
        let mut calls = Vec::new();
        let known = reader.plugins()?;
        for name in self.names(&catalogue, known.get(&self.name).and_then(|state| state.works.as_ref())) {
            calls.extend(reader.plugin_calls(&name, self.limit)?);
        }
        calls.sort_by_key(|call| std::cmp::Reverse(call.at));
        calls.truncate(self.limit as usize);
        if self.json {
            printer::json(&calls)?;
            return Ok(Exit::Done);
        }
        if calls.is_empty() {
            printer::note(format!("there are no calls of `{}` on record", plain(&self.name)));
            let builtins: Vec<_> = Catalogue::builtins().collect();
            let builtins = builtins.iter().map(|name| name.trim_start_matches("builtin:"));
            let names = known.keys().map(String::as_str).chain(builtins);
            if let Some(near) = nearest(&self.name, names).filter(|near| *near != self.name) {
                printer::note(format!("did you mean `{near}`? `tidegate plugin ls --all` lists them"));
            }
            return Ok(Exit::Done);
        }
        let header = ["when", "about", "version", "answer", "time", "memory"];
        let mut table = vec![header.map(|h| styled(FAINT, h)).to_vec()];
        table.extend(calls.iter().map(line));
        printer::table(&table);
        Ok(Exit::Done)
    }

    /// What the plugin may call itself: calls are on record by that name.
    fn names(&self, catalogue: &Catalogue, works: Option<&crate::model::PluginRecord>) -> BTreeSet<String> {
        let mut names = BTreeSet::from([self.name.clone()]);
        names.extend(works.map(|record| record.name.clone()));
        if works.is_none() && self.name.contains([':', '/']) {
            let record = catalogue.plugin(&self.name).ok().and_then(|plugin| plugin.record().ok());
            names.extend(record.map(|record| record.name));
        }
        names
    }
}

fn line(call: &PluginCall) -> Vec<String> {
    let answer = match &call.answer {
        Some(answer) if call.verdict == "ok" => {
            styled(GOOD, printer::shortened(&plain(&gist(answer)), LONGEST))
        }
        _ => styled(BAD, printer::shortened(&plain(&call.verdict), LONGEST)),
    };
    vec![
        printer::time(call.at),
        plain(&call.subject),
        plain(&call.plugin.version),
        answer,
        format!("{:.1?}", Duration::from_micros(call.cost.micros)),
        format!("{} KiB", call.cost.peak_memory >> 10),
    ]
}

/// An answer in a few words.
fn gist(answer: &Value) -> String {
    let text = |key: &str| answer[key].as_str().unwrap_or_default();
    match answer {
        Value::Object(_) if text("decision") == "give_up" => format!("give up: {}", text("reason")),
        Value::Object(_) if text("decision") == "retry" => {
            format!("retry {}: {}", text("scope"), text("reason"))
        }
        Value::Array(requests) if requests.is_empty() => "nothing to send".to_owned(),
        Value::Array(requests) => {
            let to: BTreeSet<_> =
                requests.iter().filter_map(|request| request["destination"].as_str()).collect();
            let number = printer::count(requests.len(), "request");
            if to.is_empty() {
                number
            } else {
                format!("{number} to {}", to.into_iter().collect::<Vec<_>>().join(", "))
            }
        }
        Value::Object(keys) if keys.values().all(|key| key.is_string() || key.is_object()) => {
            printer::count(keys.len(), "asset")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_told_in_a_few_words() {
        let retry = json!({"decision": "retry", "after": "PT60S", "scope": "unfinished", "threads": null, "reason": "locked"});
        assert_eq!(gist(&retry), "retry unfinished: locked");
        assert_eq!(
            gist(&json!({"decision": "give_up", "reason": "a failed test"})),
            "give up: a failed test"
        );
        assert_eq!(gist(&json!([])), "nothing to send");
        let request = json!({"destination": "ops"});
        assert_eq!(gist(&json!([request, request])), "2 requests to ops");
        assert_eq!(gist(&json!({"model.shop.a": "a", "model.shop.b": {"error": "no"}})), "2 assets");
        assert_eq!(gist(&json!(7)), "7");
    }
}
