//! `tidegate assets show KEY`.

use serde::Serialize;

use super::{
    Context, Exit, Failure,
    asset_json::AssetJson,
    freshness,
    printer::{self, FAINT, STRONG, styled},
};
use crate::{
    dbt::{NodeDetails, plain},
    model::{Asset, AssetFreshness, Project},
    project::Opened,
    store::{Materialization, SourceLook},
    view::{
        self,
        asset::{AssetDetail, CheckDetail, CompiledCode, Neighbour, detail},
        assets::Standings,
    },
};

/// Shows one asset.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// Its key, such as `source/raw/orders`, or dbt's unique id
    key: String,
    /// The project, where there are several
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// How many materializations of its history
    #[arg(long, short = 'n', default_value_t = 10)]
    limit: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ShowJson<'a> {
    #[serde(flatten)]
    asset: AssetJson<'a>,
    definition: Option<&'a NodeDetails>,
    compiled: Option<&'a CompiledCode>,
    parents: &'a [Neighbour],
    children: &'a [Neighbour],
    check_results: &'a [CheckDetail],
    materializations: &'a [Materialization],
    #[serde(skip_serializing_if = "Option::is_none")]
    freshness: Option<&'a AssetFreshness>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    source_freshness: &'a [SourceLook],
}

impl Show {
    /// Shows the asset.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let projects = match &self.project {
            Some(name) => vec![context.project(Some(name))?],
            None => context.config.projects.values().collect(),
        };
        let mut near = None;
        for config in projects {
            let opened = context.look(config)?;
            let project = &opened.project;
            let asset = project.assets_by_key(&self.key).next().or_else(|| project.asset(&self.key));
            let Some(asset) = asset else {
                near = near.or_else(|| project.nearest_key(&self.key).map(ToString::to_string));
                continue;
            };
            return self.show(context, &opened, asset);
        }
        let failure = Failure::new(format!("there is no asset `{}`", plain(&self.key)));
        Err(match near {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`tidegate assets` lists them"),
        })
    }

    fn show(&self, context: &Context, opened: &Opened, asset: &Asset) -> Result<Exit, Failure> {
        let project = &opened.project;
        let reader = context.reader()?;
        let statuses = reader.statuses(&project.name)?;
        let built = reader.materializations(&project.name, &asset.unique_id, self.limit)?;
        let standings = Standings::read(&reader, project)?;
        let detail = detail(&context.config.state_dir, &reader, opened, &standings, asset);
        let detail = detail.map_err(|e| Failure::new(e.to_string()))?;
        let AssetDetail { standing, definition, compiled, parents, children, .. } = &detail;
        let (checks, fresh) = (&detail.check_results, detail.freshness.as_ref());
        let looks = reader.source_looks(&project.name, &asset.unique_id, self.limit)?;
        if self.json {
            printer::json(&ShowJson {
                asset: AssetJson::new(project, asset, &statuses, standing),
                definition: definition.as_ref(),
                compiled: compiled.as_ref(),
                parents,
                children,
                check_results: checks,
                materializations: &built,
                freshness: fresh,
                source_freshness: &looks,
            })?;
            return Ok(Exit::Done);
        }
        head(asset);
        if let Some(status) = statuses.get(&asset.unique_id) {
            let state = styled(printer::of_node(&status.node.state), &status.node.state);
            printer::line(format!(
                "  {} {state} in run {}",
                styled(FAINT, format!("{:<12}", "state")),
                status.run
            ));
            if let Some(message) =
                status.node.message.as_deref().filter(|_| !status.node.state.is_materialized())
            {
                printer::line(printer::indented(message, 16));
            }
        }
        if let Some(fresh) = fresh {
            let (word, since) = (view::freshness::word(fresh), printer::time(fresh.since));
            field("freshness", &format!("{word} since {since}; {}", freshness::limit(&fresh.fresh_within)));
        }
        lineage(project, asset);
        if !checks.is_empty() {
            title("checks");
            for CheckDetail { check, last_result, .. } in checks {
                let state = last_result.as_ref().map_or_else(
                    || styled(FAINT, "not run"),
                    |r| format!("{} in run {}", styled(printer::of_node(&r.state), &r.state), r.run),
                );
                printer::line(format!("  {}  {state}", plain(&check.name)));
                if let Some(message) = last_result.as_ref().and_then(|r| r.message.as_deref()) {
                    printer::line(printer::indented(message, 4));
                }
            }
        }
        if !built.is_empty() {
            title("materializations");
            printer::table(&built.iter().map(materialization).collect::<Vec<_>>());
        }
        if let Some(last) = looks.first() {
            title("freshness");
            let thresholds = freshness::thresholds(last);
            if !thresholds.is_empty() {
                printer::line(styled(FAINT, format!("  {thresholds}")));
            }
            printer::table(&looks.iter().map(look).collect::<Vec<_>>());
        }
        if let Some(definition) = definition {
            define(definition);
        }
        Ok(Exit::Done)
    }
}

fn head(asset: &Asset) {
    printer::line(styled(STRONG, plain(&asset.shape.key.to_string())));
    if let Some(description) = &asset.shape.description {
        printer::line(printer::indented(description, 2));
    }
    let kind = match &asset.materialized {
        Some(materialized) if materialized != asset.resource_type.as_str() => {
            format!("{}, {materialized}", asset.resource_type)
        }
        _ => asset.resource_type.to_string(),
    };
    field("type", &kind);
    field("node", &asset.unique_id);
    field("file", &asset.original_file_path);
    field("relation", asset.relation_name.as_deref().unwrap_or_default());
    field("group", asset.shape.group.as_deref().unwrap_or_default());
    field("owners", &asset.shape.owners.join(", "));
    let tags: Vec<_> = asset
        .shape
        .tags
        .iter()
        .map(|(name, value)| if value.is_empty() { name.clone() } else { format!("{name}={value}") })
        .collect();
    field("tags", &tags.join(", "));
    for (name, value) in &asset.shape.metadata {
        field(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
}

fn lineage(project: &Project, asset: &Asset) {
    let show = |name: &str, ids: &[String]| {
        let labels: Vec<_> = ids
            .iter()
            .map(|id| match project.asset(id) {
                Some(asset) => asset.shape.key.to_string(),
                None => id.clone(),
            })
            .collect();
        field(name, &labels.join(", "));
    };
    show("upstream", &asset.upstream);
    show("downstream", &asset.downstream);
}

fn define(definition: &NodeDetails) {
    if !definition.columns.is_empty() {
        title("columns");
        let rows: Vec<_> = definition
            .columns
            .iter()
            .map(|c| {
                let text = c.description.as_deref().map(plain).unwrap_or_default();
                vec![
                    format!("  {}", plain(&c.name)),
                    c.data_type.as_deref().map(plain).unwrap_or_default(),
                    text.lines().next().unwrap_or_default().to_owned(),
                ]
            })
            .collect();
        printer::table(&rows);
    }
    if let Some(code) = &definition.raw_code {
        title("code");
        printer::line(printer::indented(code.trim_matches('\n'), 2));
    }
}

fn materialization(m: &Materialization) -> Vec<String> {
    vec![
        format!("  {}", printer::time(m.at)),
        format!("run {}", m.run),
        styled(printer::of_node(&m.state), &m.state),
        m.execution_time.map(printer::seconds).unwrap_or_default(),
        m.rows_affected.map(|rows| printer::count(rows as usize, "row")).unwrap_or_default(),
    ]
}

fn look(look: &SourceLook) -> Vec<String> {
    vec![
        format!("  {}", printer::time(look.at)),
        format!("run {}", look.run),
        styled(printer::of_node(&look.state), &look.state),
        look.max_loaded_at.map(|at| format!("newest row {}", printer::time(at))).unwrap_or_default(),
    ]
}

fn field(name: &str, value: &str) {
    if !value.is_empty() {
        printer::line(format!("  {} {}", styled(FAINT, format!("{name:<12}")), plain(value)));
    }
}

fn title(text: &str) {
    printer::line(styled(STRONG, text));
}
