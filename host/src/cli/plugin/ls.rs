//! `tidegate plugin ls`: the plugins of the folder and those that the configuration names, with what is wrong with them.
//!
//! Owns the list, for people and as JSON. It looks at the files itself, with what the host looks with; where a host works
//! here, it says what that one uses.

use crate::{
    cli::{
        Context, Exit, Failure,
        printer::{self, BAD, FAINT, GOOD, ODD, styled},
    },
    dbt::plain,
    engine,
    plugins::Catalogue,
    view::plugins::{self, PluginRow, PluginStanding, Used},
};

/// Arguments of `tidegate plugin ls`.
#[derive(Debug, clap::Args)]
pub struct Ls {
    /// Those that Tidegate carries too, whether used or not
    #[arg(long, short = 'a')]
    all: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Ls {
    /// Lists the plugins.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let catalogue = context.catalogue()?;
        if let Some(problem) = catalogue.scan(false).unreadable {
            return Err(Failure::new(problem));
        }
        let hosted = engine::is_hosted(&context.config.state_dir);
        let known = if hosted { Some(context.reader()?.plugins()?) } else { None };
        let rows = plugins::rows(&context.config, &catalogue, known.as_ref(), self.all);
        if self.json {
            printer::json(&rows)?;
        } else {
            print(&rows, &catalogue);
        }
        Ok(Exit::Done)
    }
}

fn print(rows: &[PluginRow], catalogue: &Catalogue) {
    if rows.is_empty() {
        let folder = catalogue.folder().map(|folder| folder.display().to_string()).unwrap_or_default();
        printer::note(format!("there are no plugins in {folder}; --all shows those that Tidegate carries"));
        return;
    }
    let header = ["plugin", "kind", "version", "digest", "used by", "state"];
    let mut table = vec![header.map(|h| styled(FAINT, h)).to_vec()];
    for row in rows {
        let used = |part: fn(&Used) -> &str| plain(row.plugin.as_ref().map_or("", part));
        let state = match row.state {
            PluginStanding::Ready => styled(GOOD, "ready"),
            PluginStanding::Waiting => styled(ODD, "not taken up yet"),
            PluginStanding::Refused if row.plugin.is_some() => styled(BAD, "refused; the one before is used"),
            PluginStanding::Refused => styled(BAD, "refused"),
        };
        table.push(vec![
            plain(&row.name),
            used(|used| &used.kind),
            used(|used| &used.version),
            styled(FAINT, used(|used| used.digest.get(..12).unwrap_or(&used.digest))),
            row.used_by.join(", "),
            state,
        ]);
    }
    printer::table(&table);
    for row in rows {
        if let Some(reason) = &row.reason {
            printer::line(format!("{} {}: {}", styled(BAD, "refused"), plain(&row.name), plain(reason)));
            if let Some(hint) = &row.hint {
                printer::line(printer::indented(&format!("hint: {}", plain(hint)), 2));
            }
        }
    }
}
