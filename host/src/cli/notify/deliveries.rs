//! `tidegate notify deliveries`: what was sent where, and what came of it.

use std::collections::BTreeSet;

use super::super::{
    Context, Exit, Failure,
    printer::{self, BAD, FAINT, GOOD, ODD, styled},
};
use crate::dbt::plain;

/// Shows what was sent where, newest first.
#[derive(Debug, clap::Args)]
pub struct Deliveries {
    /// How many
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Deliveries {
    /// Shows them.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let rows = context.reader()?.deliveries(self.limit)?;
        if self.json {
            printer::json(&rows)?;
            return Ok(Exit::Done);
        }
        if rows.is_empty() {
            printer::note("nothing has been sent yet");
            return Ok(Exit::Done);
        }
        let header = ["raised", "alert", "to", "state", "tries", "notification"];
        let mut table = vec![header.map(|h| styled(FAINT, h)).to_vec()];
        for row in &rows {
            let state = match row.state.as_str() {
                "delivered" => styled(GOOD, "delivered"),
                "failed" => styled(BAD, "failed"),
                _ if row.tries > 0 => styled(ODD, "failing"),
                other => other.to_owned(),
            };
            let title = printer::shortened(&plain(&row.title), 60);
            let tries = row.tries.to_string();
            let told = format!("{} {title}", row.notification);
            table.push(vec![
                printer::time(row.at),
                row.alert.clone(),
                row.destination.clone(),
                state,
                tries,
                told,
            ]);
        }
        printer::table(&table);
        // Errors are longer than any column.
        for row in rows.iter().filter(|row| row.error.is_some()) {
            let next = row.next_at.map(|at| format!("; next try {}", printer::time(at))).unwrap_or_default();
            let error = plain(row.error.as_deref().unwrap_or_default());
            printer::line(format!("{} to {}: {error}{next}", row.notification, row.destination));
        }
        let faults =
            rows.iter().filter_map(|row| Some((row.notification, &row.alert, row.fault.as_deref()?)));
        for (notification, alert, fault) in faults.collect::<BTreeSet<_>>().into_iter().rev() {
            let fault = plain(fault);
            printer::line(format!("{notification} of {alert}: sent as a plain message: {fault}"));
        }
        Ok(Exit::Done)
    }
}
