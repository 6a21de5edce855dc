//! Graphs that are ready to send: a few of each are kept, compressed, until their project changes.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use axum::{body::Bytes, http::StatusCode};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use super::document::{Grouping, Outline};
use crate::{engine::PerName, project::Opened, web::Problem};

/// So many graphs are kept: of the last that were asked for.
const KEPT: usize = 24;

/// A graph that is ready to send.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Names it, in quotes: an entity tag.
    pub tag: String,
    /// The JSON text, compressed.
    pub gzip: Bytes,
}

impl Ready {
    /// The JSON text, for the rare client that takes nothing else.
    pub fn plain(&self) -> Result<Bytes, Problem> {
        let mut plain = Vec::new();
        GzDecoder::new(&self.gzip[..]).read_to_end(&mut plain).map_err(broken)?;
        Ok(plain.into())
    }
}

/// Graphs that are ready to send.
#[derive(Default)]
pub struct Graphs {
    kept: Mutex<Kept>,
    /// Held while one of a project is laid out: who wants the same meanwhile waits for it.
    laying: PerName,
}

#[derive(Default)]
struct Kept {
    /// What a project was when its content was last looked at, by name and grouping. Another reading of it is another one, but mostly the same.
    contents: Vec<(String, Grouping, Weak<Opened>, blake3::Hash)>,
    /// The last that was asked for comes last.
    graphs: Vec<(String, Ready)>,
}

impl Graphs {
    /// The graph of a project with these of its groups folded.
    pub fn get(
        &self,
        name: &str,
        opened: &Arc<Opened>,
        by: Grouping,
        fold: &[String],
    ) -> Result<Ready, Problem> {
        let fold: BTreeSet<&String> = fold.iter().collect();
        let fold: Vec<String> = fold.into_iter().cloned().collect();
        if let Some(ready) = self.ready(name, opened, by, &fold) {
            return Ok(ready);
        }
        self.laying.alone(name, || self.lay_out(name, opened, by, &fold))
    }

    fn lay_out(
        &self,
        name: &str,
        opened: &Arc<Opened>,
        by: Grouping,
        fold: &[String],
    ) -> Result<Ready, Problem> {
        if let Some(ready) = self.ready(name, opened, by, fold) {
            return Ok(ready);
        }
        let outline = Outline::new(&opened.project, by);
        let groups = outline.groups(fold)?;
        let content = blake3::hash(&outline.content());
        let key = key(&content, fold);
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let is_other = |other: &str, its: Grouping| other != name || its != by;
            kept.contents.retain(|(other, its, of, _)| is_other(other, *its) && of.strong_count() > 0);
            kept.contents.push((name.to_owned(), by, Arc::downgrade(opened), content));
            if let Some(ready) = kept.take(&key) {
                return Ok(ready);
            }
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(5));
        serde_json::to_writer(&mut encoder, &outline.lay_out(&groups)).map_err(broken)?;
        encoder.flush().map_err(broken)?;
        let gzip = encoder.finish().map_err(broken)?.into();
        let ready = Ready { tag: format!("\"{key}\""), gzip };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.graphs.push((key, ready.clone()));
        if kept.graphs.len() > KEPT {
            kept.graphs.remove(0);
        }
        Ok(ready)
    }

    /// A graph that is kept.
    fn ready(&self, name: &str, opened: &Arc<Opened>, by: Grouping, fold: &[String]) -> Option<Ready> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |of: &Weak<Opened>| std::ptr::eq(of.as_ptr(), Arc::as_ptr(opened));
        let is_it = |(other, its, of, _): &&(String, Grouping, Weak<Opened>, blake3::Hash)| {
            other == name && *its == by && is_same(of)
        };
        let content = kept.contents.iter().find(is_it)?.3;
        kept.take(&key(&content, fold))
    }
}

impl Kept {
    fn take(&mut self, key: &str) -> Option<Ready> {
        let at = self.graphs.iter().position(|(other, _)| other == key)?;
        let graph = self.graphs.remove(at);
        let ready = graph.1.clone();
        self.graphs.push(graph);
        Some(ready)
    }
}

/// Names a graph: by all that its picture depends on, and by the version of what lays it out.
fn key(content: &blake3::Hash, fold: &[String]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.update(content.as_bytes());
    for name in fold {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

fn broken(error: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the graph cannot be written: {error}"))
}
