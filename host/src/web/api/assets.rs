//! The catalogue of assets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::extract::State;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::{Refusal, selection},
    project::Opened,
    store::Reader,
    view::{
        assets::{AssetPage, AssetRow, Facets, Mark, Standings, Wanted},
        freshness::{self, FreshnessRow},
    },
    web::{
        Problem,
        extract::{Json, Query},
        page::Paging,
        state::Web,
    },
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(assets)).routes(routes!(facets)).routes(routes!(fresh))
}

/// The assets of all projects that can be read, by project and key.
#[utoipa::path(get, path = "/assets", tag = "assets", params(Wanted, Paging), responses(
    (status = 200, body = AssetPage),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "A filter, the cursor or the limit makes no sense"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such project"),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "A project that was asked for cannot be read, or dbt is busy with what others have asked for"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn assets(
    State(web): State<Web>,
    Query(wanted): Query<Wanted>,
    Query(paging): Query<Paging>,
) -> Result<Json<AssetPage>, Problem> {
    let asked = Arc::new((wanted, paging));
    let again = Arc::clone(&asked);
    let known = web.read(move |web, reader| page(web, reader, &asked, Asking::Nobody)).await?;
    if let Some(page) = known {
        return Ok(Json(page));
    }
    let page = web.plan(move |web, reader| page(web, reader, &again, Asking::Dbt)).await?;
    page.map(Json).ok_or_else(|| Problem::unavailable("dbt did not say what is selected"))
}

/// Who may be asked for what a selection holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    Nobody,
    Dbt,
}

/// A page of assets; none where it takes dbt to know what is selected, and dbt may not be asked.
fn page(
    web: &Web,
    reader: &Reader,
    (wanted, paging): &(Wanted, Paging),
    asking: Asking,
) -> Result<Option<AssetPage>, Problem> {
    let behind = paging.cursor.as_deref().map(mark).transpose()?;
    let mut page = AssetPage { items: Vec::new(), next: None, total: 0 };
    let mut last = None;
    let mut more = false;
    let shelves = shelves(web, reader, &wanted.project)?;
    let selection = wanted.selection();
    let nobodys = nobodys_keys(&shelves, selection.as_deref());
    for (name, opened, standings) in shelves {
        let project = &opened.project;
        let words = selection.clone().map(|mut words| {
            if !wanted.project.is_empty() {
                return words;
            }
            if nobodys.is_empty() {
                return selection::without_unknown(project, words);
            }
            // What is refused is the key that is wrong, and not one of another project.
            words.retain(|word| {
                !selection::unknown_keys(project, std::slice::from_ref(word)).is_disjoint(&nobodys)
            });
            words
        });
        let selected = match words {
            None => None,
            Some(words) => match selected(web, &name, &opened, &words, asking)? {
                Some(ids) => Some(ids),
                None => return Ok(None),
            },
        };
        let ahead = behind.as_ref().map_or(&project.assets[..], |behind| behind.behind(project));
        let passed = project.assets.len() - ahead.len();
        for (number, asset) in project.assets.iter().enumerate() {
            let standing = standings.of(&asset.unique_id);
            let is_selected = selected.as_ref().is_none_or(|ids| ids.contains(&asset.unique_id));
            if !is_selected || !wanted.fits(project, asset, standing) {
                continue;
            }
            page.total += 1;
            if number < passed {
                continue;
            }
            if page.items.len() == paging.limit() as usize {
                more = true;
                continue;
            }
            page.items.push(AssetRow::new(project, asset, standing));
            last = Some(Mark::of(&name, asset));
        }
    }
    page.next = last.filter(|_| more).as_ref().map(cursor);
    Ok(Some(page))
}

/// What to count.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct Counted {
    /// Only of these projects.
    project: Vec<String>,
}

/// What assets can be filtered by: each value that there is, with the number of assets that have it.
#[utoipa::path(get, path = "/assets/facets", tag = "assets", params(Counted), responses(
    (status = 200, body = Facets),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such project"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn facets(State(web): State<Web>, Query(of): Query<Counted>) -> Result<Json<Facets>, Problem> {
    let facets = web.read(move |web, reader| {
        let shelves = shelves(web, reader, &of.project)?;
        let assets = shelves.iter().flat_map(|(_, opened, standings)| {
            let project = &opened.project;
            project.assets.iter().map(move |asset| (project, asset, standings.of(&asset.unique_id)))
        });
        Ok(Facets::of(assets))
    });
    Ok(Json(facets.await?))
}

/// What is wanted of freshness.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct Fresh {
    /// Only of these projects.
    project: Vec<String>,
    /// Only what is not as fresh as it has to be.
    late: bool,
}

/// How fresh sources are, and assets that have to be.
#[utoipa::path(get, path = "/freshness", tag = "assets", params(Fresh), responses(
    (status = 200, body = Vec<FreshnessRow>),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such project"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn fresh(
    State(web): State<Web>,
    Query(wanted): Query<Fresh>,
) -> Result<Json<Vec<FreshnessRow>>, Problem> {
    let rows = web.read(move |web, reader| {
        let mut rows = Vec::new();
        for (_, opened) in opened(web, &wanted.project)? {
            rows.extend(freshness::rows(reader, &opened.project)?);
        }
        rows.retain(|row| !wanted.late || row.is_late());
        Ok(rows)
    });
    Ok(Json(rows.await?))
}

/// Projects by name, each once: those that were asked for, which have to be readable, or all that are.
fn opened(web: &Web, wanted: &[String]) -> Result<BTreeMap<String, Arc<Opened>>, Problem> {
    if !wanted.is_empty() {
        return wanted.iter().map(|name| Ok((name.clone(), web.opened(name)?))).collect();
    }
    let config = web.front().configuration().current();
    let readable = |name: &String| Some((name.clone(), web.opened(name).ok()?));
    Ok(config.projects.keys().filter_map(readable).collect())
}

type Shelved = (String, Arc<Opened>, Arc<Standings>);

fn shelves(web: &Web, reader: &Reader, wanted: &[String]) -> Result<Vec<Shelved>, Problem> {
    let with_standings = |(name, opened): (String, Arc<Opened>)| {
        let (standings, _) = web.standings(reader, &opened)?;
        Ok((name, opened, standings))
    };
    opened(web, wanted)?.into_iter().map(with_standings).collect()
}

/// The keys of a selection that no asset of any project has. One that only some projects know is no mistake.
fn nobodys_keys(shelves: &[Shelved], selection: Option<&[String]>) -> BTreeSet<String> {
    let unknown = |(_, opened, _): &Shelved| {
        selection.map(|words| selection::unknown_keys(&opened.project, words)).unwrap_or_default()
    };
    shelves.iter().map(unknown).reduce(|one, other| &one & &other).unwrap_or_default()
}

/// The unique ids of a selection; none where dbt would have to be asked, and may not be. dbt refuses what makes no sense.
fn selected(
    web: &Web,
    project: &str,
    opened: &Opened,
    words: &[String],
    asking: Asking,
) -> Result<Option<BTreeSet<String>>, Problem> {
    if words.is_empty() {
        return Ok(Some(BTreeSet::new()));
    }
    let (config, state_dir) = (web.project(project)?, web.front().state_dir());
    let bad = |refusal: Refusal| Problem { hint: refusal.hint, ..Problem::bad(refusal.message) };
    if let Some(known) = selection::known(state_dir, &config, opened, words).map_err(bad)? {
        return Ok(Some(known));
    }
    let name = serde_json::json!([project, opened.project.digest, words]).to_string();
    if let Some(refusal) = web.planning().refused(&name) {
        return Err(bad(refusal));
    }
    if asking == Asking::Nobody {
        return Ok(None);
    }
    selection::resolve(state_dir, &config, opened, words).map(Some).map_err(|refusal| {
        // Where it is not read yet, it may be at any time.
        if opened.prepared.is_some() {
            web.planning().refuse(name, &refusal);
        }
        bad(refusal)
    })
}

fn cursor(mark: &Mark) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(mark).unwrap_or_default())
}

fn mark(cursor: &str) -> Result<Mark, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
    serde_json::from_slice(&bytes).map_err(|_| {
        Problem::bad("the cursor is none of this list").hint("take `next` of the page before, as it is")
    })
}
