//! What dbt left behind in a run, and what was written down about it: files by name, never by path.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path as FilePath, PathBuf},
};

use axum::{extract::State, response::Response};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::attempt_folder,
    model::{AttemptId, RunId},
    web::{
        Problem,
        download::{self, Source},
        extract::{Json, Path, Query},
        page::{Page, Paging},
        state::Web,
    },
};

pub fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(run_artifacts)).routes(routes!(run_artifact))
}

/// A file of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Artifact {
    /// The step, from 1.
    pub step: u32,
    /// The attempt at the step, from 1.
    pub attempt: u32,
    /// Its name, with the folders that it is in: `target/run_results.json`.
    pub name: String,
    /// What it is.
    pub kind: ArtifactKind,
    /// How much room it takes, in bytes.
    pub size: u64,
    /// Whether it is kept compressed. It is downloaded as it was.
    pub compressed: bool,
}

/// What a file of an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// dbt's manifest.
    Manifest,
    /// dbt's results.
    RunResults,
    /// What `dbt source freshness` found.
    Sources,
    /// dbt's catalog.
    Catalog,
    /// SQL as dbt compiled it.
    Compiled,
    /// SQL as dbt ran it.
    Executed,
    /// dbt's log.
    Log,
    /// What was written down about the attempt: what was asked, which processes there were, how dbt ended.
    Record,
    /// Something else that dbt left behind.
    Other,
}

/// Which files of a run.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only this step, from 1.
    step: Option<u32>,
    /// Only this attempt at the step, from 1.
    attempt: Option<u32>,
    /// Only files of this kind.
    kind: Option<ArtifactKind>,
    /// Only files whose name contains this, in any case.
    q: Option<String>,
}

/// What is written down about an attempt. What else is in its folder is nobody's business.
const RECORDS: [&str; 4] = ["attempt.err", "attempt.json", "exit.json", "processes.json"];

/// Nobody nests folders deeper, and nobody leaves more files behind.
const DEEPEST: usize = 32;
const MOST: usize = 200_000;

/// The files of a run, attempt by attempt, by name.
#[utoipa::path(get, path = "/runs/{run}/artifacts", tag = "runs",
    params(("run" = RunId, Path, description = "The run's number"), Wanted, Paging),
    responses(
        (status = 200, body = Page<Artifact>),
        (status = 400, description = "The cursor is none, or the limit is out of its range", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn run_artifacts(
    State(web): State<Web>,
    Path(id): Path<RunId>,
    Query(wanted): Query<Wanted>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Artifact>>, Problem> {
    let after = paging.cursor.as_deref().map(place).transpose()?;
    let list = move |web: &Web, reader: &crate::store::Reader| {
        let run = reader.outline(id)?;
        let text = wanted.q.as_ref().map(|text| text.to_lowercase());
        let is_wanted = |file: &Artifact| {
            wanted.kind.is_none_or(|kind| file.kind == kind)
                && text.as_ref().is_none_or(|text| file.name.to_lowercase().contains(text))
        };
        let limit = paging.limit() as usize;
        let mut items = Vec::new();
        for attempt in run.steps.iter().flat_map(|step| &step.attempts) {
            let AttemptId { step, attempt: number, .. } = attempt.id;
            let skipped = wanted.step.is_some_and(|wanted| wanted != step)
                || wanted.attempt.is_some_and(|wanted| wanted != number)
                || after.as_ref().is_some_and(|(s, a, _)| (*s, *a) > (step, number));
            if skipped || items.len() > limit {
                continue;
            }
            let mut files = listed(web, attempt.id).map_err(unreadable)?;
            files.retain(|file| {
                let here = (step, number, &file.name);
                is_wanted(file) && after.as_ref().is_none_or(|(s, a, name)| here > (*s, *a, name))
            });
            items.extend(files);
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next = last.map(|file| {
            // A name may hold what has no place in an address.
            URL_SAFE_NO_PAD.encode(format!("{}.{}:{}", file.step, file.attempt, file.name))
        });
        Ok(Page { items, next })
    };
    Ok(Json(web.read(list).await?))
}

/// A file of an attempt, to be downloaded as it was written. A name with folders is written with `%2F` between them.
#[utoipa::path(get, path = "/runs/{run}/artifacts/{step}/{attempt}/{name}", tag = "runs",
    params(
        ("run" = RunId, Path, description = "The run's number"),
        ("step" = u32, Path, description = "The step, from 1"),
        ("attempt" = u32, Path, description = "The attempt at the step, from 1"),
        ("name" = String, Path, description = "The file's name, as the list has it"),
    ),
    responses(
        (status = 200, description = "The file", content(
            (Object = "application/json"), (String = "text/plain"), (String = "application/octet-stream"),
        )),
        (status = 404, description = "There is no such run or file", body = Problem, content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn run_artifact(
    State(web): State<Web>,
    Path((run, step, attempt, name)): Path<(RunId, u32, u32, String)>,
) -> Result<Response, Problem> {
    let find = move |web: &Web, reader: &crate::store::Reader| {
        let id = AttemptId { run, step, attempt };
        let missing = || Problem::missing(format!("attempt {id} has no file `{name}`"));
        reader.outline(run)?.attempt(id).ok_or_else(missing)?;
        let found = listed(web, id).map_err(unreadable)?.into_iter().find(|file| file.name == name);
        let found = found.ok_or_else(missing)?;
        let root = attempt_folder(web.front().state_dir(), id).0;
        Ok((found, root))
    };
    let (found, root) = web.read(find).await?;
    let kind = content_type(&found.name);
    let name = format!("run-{run}.{step}.{attempt}-{}", found.name.rsplit('/').next().unwrap_or_default());
    let open: Source = Box::new(move || open(&root, &found).map(Some));
    Ok(download::attachment(&name, kind, vec![open]))
}

fn unreadable(e: io::Error) -> Problem {
    Problem::unavailable(format!("the files of the run cannot be read: {e}"))
}

/// Never a kind that a browser would show as a page.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("json") => "application/json",
        Some("sql" | "jsonl" | "log" | "err" | "txt" | "yml" | "yaml" | "csv") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// A cursor of the list.
fn place(text: &str) -> Result<(u32, u32, String), Problem> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (attempt, name) = text.split_once(':')?;
        let (step, attempt) = attempt.split_once('.')?;
        Some((step.parse().ok()?, attempt.parse().ok()?, name.to_owned()))
    };
    read().ok_or_else(|| Problem::bad(format!("`{text}` is no cursor of this list")))
}

/// The files of an attempt, by name.
fn listed(web: &Web, id: AttemptId) -> io::Result<Vec<Artifact>> {
    let root = attempt_folder(web.front().state_dir(), id).0;
    let mut found = Vec::new();
    for name in RECORDS.iter().copied().chain(["log.jsonl", "log.jsonl.zst"]) {
        found.extend(file_at(&root.join(name), name)?);
    }
    walk(&root.join("target"), "target", 0, &mut found)?;
    let mut files: Vec<_> = found
        .into_iter()
        .map(|(name, size)| {
            let (name, compressed) = match name.strip_suffix(".zst") {
                Some(plain) => (plain.to_owned(), true),
                None => (name, false),
            };
            let kind = kind(&name);
            Artifact { step: id.step, attempt: id.attempt, name, kind, size, compressed }
        })
        .collect();
    // For a moment, while it is compressed, a file is there twice.
    files.sort_by(|a, b| (&a.name, a.compressed).cmp(&(&b.name, b.compressed)));
    files.dedup_by(|a, b| a.name == b.name);
    Ok(files)
}

/// A regular file's name and size; none where there is none. A link is none.
fn file_at(path: &FilePath, name: &str) -> io::Result<Option<(String, u64)>> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(Some((name.to_owned(), found.len()))),
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn walk(folder: &FilePath, name: &str, depth: usize, found: &mut Vec<(String, u64)>) -> io::Result<()> {
    // A folder that is a link is none of dbt's artifacts.
    if !fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // What cannot be written as text cannot be asked for.
        let Some(name) = entry.file_name().to_str().map(|own| format!("{name}/{own}")) else { continue };
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < DEEPEST {
            walk(&entry.path(), &name, depth + 1, found)?;
        } else if kind.is_file() && found.len() < MOST {
            found.extend(file_at(&entry.path(), &name)?);
        }
    }
    Ok(())
}

fn kind(name: &str) -> ArtifactKind {
    match name {
        "target/manifest.json" => ArtifactKind::Manifest,
        "target/run_results.json" => ArtifactKind::RunResults,
        "target/sources.json" => ArtifactKind::Sources,
        "target/catalog.json" => ArtifactKind::Catalog,
        "log.jsonl" => ArtifactKind::Log,
        name if RECORDS.contains(&name) => ArtifactKind::Record,
        name if name.starts_with("target/compiled/") => ArtifactKind::Compiled,
        name if name.starts_with("target/run/") => ArtifactKind::Executed,
        _ => ArtifactKind::Other,
    }
}

/// Opens a file that was listed, folder by folder, so that no link leads elsewhere.
fn open(root: &FilePath, file: &Artifact) -> io::Result<Box<dyn Read + Send>> {
    let mut path = PathBuf::from(root);
    let parts: Vec<_> = file.name.split('/').collect();
    for folder in &parts[..parts.len() - 1] {
        path.push(folder);
        if !fs::symlink_metadata(&path)?.is_dir() {
            return Err(io::Error::other("a folder has become something else"));
        }
    }
    path.push(parts.last().copied().unwrap_or_default());
    let at = |path: &FilePath| -> io::Result<File> {
        let file = OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path)?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("this is no file any more")) }
    };
    let compressed = || -> io::Result<Box<dyn Read + Send>> {
        let mut name = path.clone().into_os_string();
        name.push(".zst");
        Ok(Box::new(zstd::Decoder::new(at(FilePath::new(&name))?)?))
    };
    if file.compressed {
        return compressed();
    }
    match at(&path) {
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        // It was compressed since it was listed.
        Err(e) if e.kind() == io::ErrorKind::NotFound => compressed(),
        Err(e) => Err(e),
    }
}

/// A link is not followed, and what is no file is not waited for.
const NO_FOLLOW: i32 = (nix::fcntl::OFlag::O_NOFOLLOW.bits()) | nix::fcntl::OFlag::O_NONBLOCK.bits();
