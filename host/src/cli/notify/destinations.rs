//! `tidegate notify destinations`: names, kinds, and which secrets are missing.

use serde::Serialize;

use crate::{
    cli::{
        Context, Exit, Failure,
        printer::{self, FAINT, GOOD, ODD, STRONG, styled},
    },
    deliver,
};

/// Lists the destinations.
#[derive(Debug, clap::Args)]
pub struct Destinations {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    kind: &'static str,
    unusable: Vec<Lack>,
}

/// A secret that is not there, or with which nothing can be sent.
#[derive(Serialize)]
struct Lack {
    key: String,
    reason: String,
}

impl Destinations {
    /// Lists them.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let rows: Vec<_> = context
            .config
            .destinations
            .values()
            .map(|destination| Row {
                name: &destination.name,
                kind: destination.kind(),
                unusable: deliver::unusable(destination)
                    .into_iter()
                    .map(|(key, reason)| Lack { key, reason })
                    .collect(),
            })
            .collect();
        if self.json {
            printer::json(&rows)?;
            return Ok(Exit::Done);
        }
        if rows.is_empty() {
            printer::note("no destination is configured: add `[destinations.NAME]` to tidegate.toml");
            return Ok(Exit::Done);
        }
        let mut table = vec![["name", "kind", "state"].map(|title| styled(FAINT, title)).to_vec()];
        table.extend(rows.iter().map(|row| {
            let lacks: Vec<_> =
                row.unusable.iter().map(|lack| format!("`{}` {}", lack.key, lack.reason)).collect();
            let state = match lacks.is_empty() {
                true => styled(GOOD, "ready"),
                false => styled(ODD, lacks.join("; ")),
            };
            vec![styled(STRONG, row.name), row.kind.to_owned(), state]
        }));
        printer::table(&table);
        Ok(Exit::Done)
    }
}
