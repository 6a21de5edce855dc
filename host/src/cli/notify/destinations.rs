//! `tidegate notify destinations`: names, kinds, and which secrets are missing.

use crate::{
    cli::{
        Context, Exit, Failure,
        printer::{self, FAINT, GOOD, ODD, STRONG, styled},
    },
    view::alerts::DestinationRow,
};

/// Lists the destinations.
#[derive(Debug, clap::Args)]
pub struct Destinations {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Destinations {
    /// Lists them.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let rows: Vec<_> = context.config.destinations.values().map(DestinationRow::of).collect();
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
            vec![styled(STRONG, &row.name), row.kind.to_owned(), state]
        }));
        printer::table(&table);
        Ok(Exit::Done)
    }
}
