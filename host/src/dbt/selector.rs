//! Selectors of exactly the nodes that are meant.
//!
//! Owns how a node is named so that dbt selects it and nothing else. A plain `fqn:` also selects what lies in a folder of
//! that name, so each name here ends with a wildcard for one known character: dbt then compares it as a whole.

use std::{borrow::Cow, collections::HashMap};

use crate::model::{Project, ResourceType};

/// Resource types that dbt's `resource_type:` knows.
const TYPES: [&str; 8] =
    ["exposure", "function", "model", "saved_query", "seed", "snapshot", "test", "unit_test"];

/// dbt's selectors of these nodes, in this order. Nodes that cannot be selected, such as hooks, are left out.
///
/// Two tests of one name in files of one name come together: dbt itself cannot tell them apart. A node that the project does not know (any more) is
/// named as well as its unique id allows.
pub fn exact_selectors<'i>(project: &Project, unique_ids: impl IntoIterator<Item = &'i str>) -> Vec<String> {
    let names = Names::of(project);
    let mut selectors: Vec<_> =
        unique_ids.into_iter().filter_map(|id| selector(project, &names, id)).collect();
    let mut seen = std::collections::HashSet::new();
    selectors.retain(|selector| seen.insert(selector.clone()));
    selectors
}

fn selector(project: &Project, names: &Names, unique_id: &str) -> Option<String> {
    if let Some(asset) = project.asset(unique_id) {
        return match (&asset.resource_type, &asset.fqn[..]) {
            (ResourceType::Source, [package, .., source, table]) => {
                let parts = [package, source, table].map(|part| safe(part, false));
                Some(format!("source:{}", parts.join(".")))
            }
            (_, []) => by_id(unique_id),
            (kind, fqn) => Some(names.selector(fqn, kind, &asset.name, &asset.original_file_path)),
        };
    }
    match project.check(unique_id) {
        Some(check) if !check.fqn.is_empty() => {
            Some(names.selector(&check.fqn, &check.resource_type, &check.name, &check.original_file_path))
        }
        _ => by_id(unique_id),
    }
}

/// How often a name is taken in a project.
struct Names {
    /// By the fully qualified name.
    full: HashMap<String, usize>,
    /// By the same without the package, which dbt takes for a name too.
    short: HashMap<String, usize>,
    /// Exposures by package and name.
    exposures: std::collections::HashSet<(String, String)>,
}

impl Names {
    fn of(project: &Project) -> Self {
        let mut names = Self {
            full: HashMap::new(),
            short: HashMap::new(),
            exposures: project
                .exposures
                .iter()
                .filter_map(|exposure| {
                    let (package, name) = exposure.unique_id.strip_prefix("exposure.")?.split_once('.')?;
                    Some((package.to_owned(), name.to_owned()))
                })
                .collect(),
        };
        // Sources have names of another kind.
        let assets = project.assets.iter().filter(|asset| asset.resource_type != ResourceType::Source);
        for fqn in assets.map(|asset| &asset.fqn).chain(project.checks.iter().map(|check| &check.fqn)) {
            *names.full.entry(fqn.join(".")).or_default() += 1;
            if fqn.len() > 1 {
                *names.short.entry(fqn[1..].join(".")).or_default() += 1;
            }
        }
        names
    }

    fn selector(&self, fqn: &[String], kind: &ResourceType, name: &str, path: &str) -> String {
        let full = fqn.join(".");
        let is_taken = self.full.get(&full).is_some_and(|count| *count > 1)
            || self.short.contains_key(&full)
            || self.exposures.contains(&(fqn[0].clone(), name.to_owned()));
        let (start, last) = full.char_indices().last().map_or(("", ' '), |(at, last)| (&full[..at], last));
        let start = safe(start, true);
        let last = if is_plain(last, false) { format!("[{last}]") } else { "?".to_owned() };
        let mut selector = format!("fqn:{start}{last}");
        // Each of these makes dbt look at every node once more, so they stand only where they are needed.
        if is_taken {
            selector += &format!(",resource_type:{kind},package:{}", safe(&fqn[0], false));
            if let Some(file) = path.rsplit('/').next().filter(|file| !file.is_empty()) {
                selector += &format!(",file:{}", safe(file, true));
            }
        }
        selector
    }
}

/// A selector made from a unique id alone.
fn by_id(unique_id: &str) -> Option<String> {
    let (kind, rest) = unique_id.split_once('.')?;
    let (package, name) = rest.split_once('.')?;
    let name = match kind {
        "source" => {
            let (source, table) = name.split_once('.')?;
            let parts = [package, source, table].map(|part| safe(part, false));
            return Some(format!("source:{}", parts.join(".")));
        }
        // The last part of a generic test is a hash.
        "test" => match name.rsplit_once('.') {
            Some((name, hash)) if hash.len() == 10 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => name,
            _ => name,
        },
        "unit_test" => name.split_once('.').map_or(name, |(_, name)| name),
        _ => name,
    };
    let (package, name) = (safe(package, false), safe(name, true));
    TYPES.contains(&kind).then(|| format!("fqn:{name},resource_type:{kind},package:{package}"))
}

/// The text with a wildcard in place of each character that means something in a selector.
fn safe(text: &str, dots: bool) -> Cow<'_, str> {
    if text.chars().all(|c| is_plain(c, dots)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_plain(c, dots) { c } else { '?' }).collect())
}

fn is_plain(c: char, dots: bool) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-' || dots && c == '.'
}
