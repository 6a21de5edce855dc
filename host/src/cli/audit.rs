//! `tidegate audit`: who did what.

use super::{
    Context, Exit, Failure,
    printer::{self, FAINT, styled},
};
use crate::{
    dbt::plain,
    store::{AuditFilter, AuditRow},
};

/// Shows who did what, newest first. What started by itself is not in it: `tidegate schedules ticks` shows that.
#[derive(Debug, clap::Args)]
pub struct Audit {
    /// How many to show at most
    #[arg(short = 'n', long, default_value_t = 20, value_name = "NUMBER")]
    limit: u32,
    /// Only what this user or token did
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only this, such as `run.launch` or `token.new`
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Audit {
    /// Shows the trail.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let filter = AuditFilter { user: self.user, action: self.action, before: None, limit: self.limit };
        let rows = context.reader()?.audit(&filter)?;
        if self.json {
            printer::json(&rows)?;
            return Ok(Exit::Done);
        }
        if rows.is_empty() {
            printer::note("nobody has done anything yet");
            return Ok(Exit::Done);
        }
        let mut table =
            vec![["when", "who", "via", "what", "to", "detail"].map(|h| styled(FAINT, h)).to_vec()];
        table.extend(rows.iter().map(line));
        printer::table(&table);
        Ok(Exit::Done)
    }
}

fn line(row: &AuditRow) -> Vec<String> {
    let deed = &row.deed;
    let detail = deed.detail.as_object().into_iter().flatten();
    let words = detail.filter(|(_, value)| !value.is_null()).map(|(key, value)| match value.as_str() {
        Some(text) => format!("{key}={text}"),
        None => format!("{key}={value}"),
    });
    let detail = words.collect::<Vec<_>>().join(" ");
    vec![
        printer::time(row.at),
        plain(&deed.user),
        plain(deed.via.as_deref().unwrap_or_default()),
        plain(&deed.action),
        plain(&deed.object),
        printer::shortened(&plain(&detail), 80),
    ]
}
