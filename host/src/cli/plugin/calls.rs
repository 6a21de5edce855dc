//! `tidegate plugin calls`: what a plugin was asked and what it answered, as it is on record.

use std::time::Duration;

use crate::{
    cli::{
        Context, Exit, Failure,
        printer::{self, BAD, FAINT, GOOD, styled},
    },
    dbt::plain,
    model::{PluginCall, nearest},
    plugins::Catalogue,
    view::plugins::{gist, names_of},
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
        let works = known.get(&self.name).and_then(|state| state.works.as_ref());
        for name in names_of(&catalogue, &self.name, works) {
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
