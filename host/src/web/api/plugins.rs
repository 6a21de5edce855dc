//! Plugins: what is loaded, what each may do, and what it was asked.

use axum::extract::State;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    model::{PluginCall, PluginRecord},
    store::Reader,
    view::plugins::{self, CallLine, PluginDetail, PluginRow, Report},
    web::{
        Problem,
        extract::{Json, Path, Query},
        page::{Page, Paging},
        state::{Web, missing},
    },
};

/// So many calls are shown with a plugin.
const CALLS: u32 = 50;

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(calls))
        .routes(routes!(call))
}

/// The plugins of the folder, those that the configuration names, and those that Tidegate carries.
#[utoipa::path(get, path = "/plugins", tag = "plugins", responses(
    (status = 200, body = Vec<PluginRow>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(web): State<Web>) -> Result<Json<Vec<PluginRow>>, Problem> {
    Ok(Json(web.read(rows).await?))
}

/// A plugin: what it may do, and its last calls.
#[utoipa::path(get, path = "/plugins/{name}", tag = "plugins", params(
    ("name" = String, Path, description = "What the list calls it, such as `builtin:slack`"),
), responses(
    (status = 200, body = PluginDetail),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such plugin"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn one(State(web): State<Web>, Path(name): Path<String>) -> Result<Json<PluginDetail>, Problem> {
    let detail = web.read(move |web, reader| {
        let row = row(web, reader, &name)?;
        let catalogue = web.front().catalogue();
        let report = catalogue.plugin(&name).and_then(|plugin| {
            let limits = catalogue.limits(&name)?;
            Ok(Report::of(&limits, &plugin))
        });
        let (calls, _) = calls_of(web, reader, &row, None, CALLS)?;
        let faults = calls.iter().filter(|call| call.verdict != "ok").count() as u32;
        Ok(PluginDetail { row, report: report.ok(), calls, faults })
    });
    Ok(Json(detail.await?))
}

/// What a plugin was asked, newest first.
#[utoipa::path(get, path = "/plugins/{name}/calls", tag = "plugins", params(
    ("name" = String, Path, description = "What the list calls it, such as `builtin:slack`"),
    Paging,
), responses(
    (status = 200, body = Page<CallLine>),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The cursor or the limit makes no sense"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such plugin"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn calls(
    State(web): State<Web>,
    Path(name): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<CallLine>>, Problem> {
    let page = web.read(move |web, reader| {
        let row = row(web, reader, &name)?;
        Ok(Page::of(calls_of(web, reader, &row, paging.behind()?, paging.limit())?))
    });
    Ok(Json(page.await?))
}

/// One call of a plugin, with what it was told and all that it answered.
#[utoipa::path(get, path = "/plugins/{name}/calls/{call}", tag = "plugins", params(
    ("name" = String, Path, description = "What the list calls it, such as `builtin:slack`"),
    ("call" = u64, Path, description = "The call's number"),
), responses(
    (status = 200, body = PluginCall),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such plugin or call"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn call(
    State(web): State<Web>,
    Path((name, id)): Path<(String, u64)>,
) -> Result<Json<PluginCall>, Problem> {
    let call = web.read(move |web, reader| {
        let row = row(web, reader, &name)?;
        let names = plugins::names_of(web.front().catalogue(), &row.name, record(&row).as_ref());
        let call = reader.call(id)?.filter(|call| names.contains(&call.plugin.name));
        call.ok_or_else(|| Problem::missing(format!("plugin `{name}` has no call {id} on record")))
    });
    Ok(Json(call.await?))
}

fn rows(web: &Web, reader: &Reader) -> Result<Vec<PluginRow>, Problem> {
    let config = web.front().configuration().current();
    Ok(plugins::rows(&config, web.front().catalogue(), Some(&reader.plugins()?), true))
}

/// A plugin of the list. No other file is looked at, whatever path someone asks for.
fn row(web: &Web, reader: &Reader, name: &str) -> Result<PluginRow, Problem> {
    let rows = rows(web, reader)?;
    let found = rows.iter().find(|row| row.name == name).cloned();
    found.ok_or_else(|| missing("plugin", name, rows.iter().map(|row| &row.name)))
}

fn record(row: &PluginRow) -> Option<PluginRecord> {
    row.plugin.as_ref().map(|used| PluginRecord {
        kind: used.kind.clone(),
        name: used.says.clone(),
        version: used.version.clone(),
        digest: used.digest.clone(),
    })
}

/// The calls of all names that a plugin may go by, newest first.
fn calls_of(
    web: &Web,
    reader: &Reader,
    row: &PluginRow,
    behind: Option<u64>,
    limit: u32,
) -> Result<(Vec<CallLine>, Option<u64>), Problem> {
    let names = plugins::names_of(web.front().catalogue(), &row.name, record(row).as_ref());
    let mut calls = Vec::new();
    let mut more = false;
    for name in names {
        let (part, next) = reader.calls_behind(&name, behind, limit)?;
        more |= next.is_some();
        calls.extend(part.into_iter().map(CallLine::from));
    }
    calls.sort_by_key(|call| std::cmp::Reverse(call.id));
    more |= calls.len() > limit as usize;
    calls.truncate(limit as usize);
    let next = calls.last().map(|call| call.id).filter(|_| more);
    Ok((calls, next))
}
