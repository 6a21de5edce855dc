//! `tidegate assets`.

use std::collections::BTreeSet;

use super::{
    Context, Exit, Failure,
    asset_json::AssetJson,
    assets_show,
    printer::{self, FAINT, styled},
};
use crate::{
    config,
    dbt::plain,
    engine,
    model::Asset,
    project::Opened,
    store::{AssetStatus, Materialization},
    view::assets::Standings,
};

/// Lists the assets, or shows one.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Assets {
    #[command(subcommand)]
    verb: Option<AssetsVerb>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum AssetsVerb {
    /// Show one asset: lineage, definition, last materialization, checks, history
    Show(assets_show::Show),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only these: dbt's selection syntax, or `key:ASSET/KEY` with `+` before or behind
    #[arg(value_name = "SELECTION")]
    selection: Vec<String>,
    /// The project, where there are several
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Assets {
    /// Lists the assets, or shows one.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.verb {
            Some(AssetsVerb::Show(show)) => show.run(context),
            None => self.list.run(context),
        }
    }
}

impl List {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let projects = match &self.project {
            Some(name) => vec![context.project(Some(name))?],
            None => context.config.projects.values().collect(),
        };
        let reader = context.reader()?;
        let mut json = Vec::new();
        let mut rows =
            vec![["asset", "type", "group", "state", "materialized"].map(|h| styled(FAINT, h)).to_vec()];
        for project in projects {
            let opened = context.look(project)?;
            let selected = select(context, project, &opened, &self.selection)?;
            let statuses = reader.statuses(&project.name)?;
            let standings = Standings::read(&reader, &opened.project)?;
            let wanted = |asset: &&Asset| selected.as_ref().is_none_or(|ids| ids.contains(&asset.unique_id));
            for asset in opened.project.assets.iter().filter(wanted) {
                let standing = standings.of(&asset.unique_id);
                if self.json {
                    let asset = AssetJson::new(&opened.project, asset, &statuses, standing);
                    json.push(serde_json::to_value(asset).map_err(|e| Failure::new(e.to_string()))?);
                } else {
                    let built = standing.last_materialization.as_ref();
                    rows.push(row(asset, statuses.get(&asset.unique_id), built));
                }
            }
        }
        if self.json {
            printer::json(&json)?;
        } else if rows.len() > 1 {
            printer::table(&rows);
        } else {
            printer::note("no assets");
        }
        Ok(Exit::Done)
    }
}

fn row(asset: &Asset, status: Option<&AssetStatus>, built: Option<&Materialization>) -> Vec<String> {
    vec![
        plain(&asset.shape.key.to_string()),
        asset.resource_type.to_string(),
        asset.shape.group.as_deref().map(plain).unwrap_or_default(),
        status.map(|s| styled(printer::of_node(&s.node.state), &s.node.state)).unwrap_or_default(),
        built.map(|m| printer::time(m.at)).unwrap_or_default(),
    ]
}

/// The unique ids that a selection holds; none where there is no selection, which is all.
fn select(
    context: &Context,
    project: &config::Project,
    opened: &Opened,
    selection: &[String],
) -> Result<Option<BTreeSet<String>>, Failure> {
    if selection.is_empty() {
        return Ok(None);
    }
    if engine::selection::by_keys(&opened.project, selection).is_none() {
        printer::note(styled(FAINT, "resolving the selection (dbt ls)"));
    }
    let found = engine::selection::resolve(&context.config.state_dir, project, opened, selection)?;
    Ok(Some(found))
}
