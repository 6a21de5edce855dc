//! Where DuckDB finds what a path names: a file, or something that is none.
//!
//! Owns DuckDB's reading of a path: prefixes, schemes, `~`. Looks at the file system only to follow links.

use std::path::{Component, Path, PathBuf};

/// Extensions whose databases are not files here.
const ELSEWHERE: [&str; 12] = [
    "bigquery",
    "iceberg",
    "motherduck",
    "md",
    "mysql",
    "mysql_scanner",
    "odbc",
    "odbc_scanner",
    "postgres",
    "postgres_scanner",
    "snowflake",
    "unity_catalog",
];

/// Schemes of files that lie on other machines. No two processes share a lock there.
const REMOTE: [&str; 15] = [
    "abfs",
    "abfss",
    "az",
    "azure",
    "gcs",
    "gs",
    "hf",
    "http",
    "https",
    "md",
    "motherduck",
    "r2",
    "s3",
    "s3a",
    "s3n",
];

/// How many links may lead to one file, as in the kernel.
const MAX_LINKS: usize = 40;

/// From where a path is read.
pub(super) struct Base<'a> {
    /// dbt's working directory.
    pub cwd: &'a Path,
    /// dbt's HOME; none where `~` cannot be told.
    pub home: Option<&'a str>,
}

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A file: absolute, links followed.
    File(PathBuf),
    /// No file of this machine.
    Nowhere,
}

/// How a path comes to DuckDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way<'a> {
    /// As what dbt connects to.
    Connect,
    /// In an ATTACH, with its type where it has one.
    Attach(Option<&'a str>),
}

/// What a path names; an error says why that cannot be told.
pub(super) fn place(path: &str, way: Way, base: &Base) -> Result<Place, String> {
    let in_memory = match way {
        Way::Connect => path.is_empty() || path.starts_with(":memory:"),
        Way::Attach(_) => path.is_empty() || path == ":memory:",
    };
    if in_memory {
        return Ok(Place::Nowhere);
    }
    if let Way::Attach(Some(kind)) = way {
        return typed(&kind.to_ascii_lowercase(), path, base);
    }
    if let Some((scheme, _)) = path.split_once("://").filter(|(scheme, _)| is_word(scheme)) {
        return match scheme.to_ascii_lowercase().as_str() {
            scheme if REMOTE.contains(&scheme) => Ok(Place::Nowhere),
            "file" => file(path, base),
            _ => Err("a scheme that is not known".to_owned()),
        };
    }
    // A prefix names an extension; a single letter is part of the name.
    match path.split_once(':').filter(|(prefix, _)| prefix.len() > 1 && is_word(prefix)) {
        Some((prefix, _)) if prefix.eq_ignore_ascii_case("file") => file(path, base),
        Some((prefix, rest)) => typed(&prefix.to_ascii_lowercase(), rest, base),
        None => file(path, base),
    }
}

/// What a path names to an extension.
fn typed(kind: &str, path: &str, base: &Base) -> Result<Place, String> {
    match kind {
        kind if ELSEWHERE.contains(&kind) => Ok(Place::Nowhere),
        "duckdb" | "sqlite" | "sqlite3" | "sqlite_scanner" => {
            match path.split_once("://").filter(|(scheme, _)| is_word(scheme)) {
                Some((scheme, _)) if REMOTE.contains(&scheme.to_ascii_lowercase().as_str()) => {
                    Ok(Place::Nowhere)
                }
                Some((scheme, _)) if scheme != "file" => Err("a scheme that is not known".to_owned()),
                _ if path.is_empty() || path == ":memory:" => Ok(Place::Nowhere),
                _ => file(path, base),
            }
        }
        "ducklake" => {
            let path = path.strip_prefix("ducklake:").unwrap_or(path);
            // A bare name may be that of a secret, which names the catalogue's file.
            if path.is_empty() || is_word(path) {
                return Err("a DuckLake whose catalogue may stand in a secret".to_owned());
            }
            place(path, Way::Attach(None), base)
        }
        _ => Err("a type of database that is not known".to_owned()),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The file that a path names to DuckDB's own file system.
fn file(path: &str, base: &Base) -> Result<Place, String> {
    let path = match path.strip_prefix("file:") {
        Some(rest) => {
            let local = rest.strip_prefix("//localhost").or_else(|| rest.strip_prefix("//")).unwrap_or(rest);
            if !local.starts_with('/') {
                return Err("a `file:` without an absolute path".to_owned());
            }
            local.to_owned()
        }
        None => match (path.strip_prefix('~'), base.home) {
            // DuckDB puts the folder in place of the sign, whatever follows it.
            (Some(rest), Some(home)) => format!("{home}{rest}"),
            (Some(_), None) => return Err("a `~` whose folder cannot be told".to_owned()),
            (None, _) => path.to_owned(),
        },
    };
    resolve(&base.cwd.join(path)).map(Place::File).ok_or_else(|| "a path that leads nowhere".to_owned())
}

/// The path with every link followed, also where what it names is not there yet.
pub(super) fn resolve(path: &Path) -> Option<PathBuf> {
    let mut left: Vec<PathBuf> = parts(path);
    let mut found = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = left.pop() {
        match part.components().next() {
            Some(Component::Normal(name)) => {
                let next = found.join(name);
                let Ok(target) = std::fs::read_link(&next) else {
                    found = next;
                    continue;
                };
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                if target.is_absolute() {
                    found = PathBuf::from("/");
                }
                left.extend(parts(&target));
            }
            Some(Component::ParentDir) => drop(found.pop()),
            _ => {}
        }
    }
    Some(found)
}

/// The components, the last one first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<_> = path.components().map(|part| PathBuf::from(part.as_os_str())).collect();
    parts.reverse();
    parts
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::*;

    fn placed(path: &str, way: Way) -> String {
        let base = Base { cwd: Path::new("/no/such/project"), home: Some("/no/such/home") };
        match place(path, way, &base) {
            Ok(Place::File(file)) => file.display().to_string(),
            Ok(Place::Nowhere) => "-".to_owned(),
            Err(detail) => format!("! {detail}"),
        }
    }

    #[test]
    fn a_path_is_read_as_duckdb_reads_it() {
        for (path, file) in [
            ("shop.duckdb", "/no/such/project/shop.duckdb"),
            ("../data//./shop.duckdb", "/no/such/data/shop.duckdb"),
            ("/data/shop.duckdb", "/data/shop.duckdb"),
            ("~/shop.duckdb", "/no/such/home/shop.duckdb"),
            ("~shop.duckdb", "/no/such/homeshop.duckdb"),
            ("a?b=1.duckdb", "/no/such/project/a?b=1.duckdb"),
            ("x:q.duckdb", "/no/such/project/x:q.duckdb"),
            ("./c:d.db", "/no/such/project/c:d.db"),
            ("duckdb:k.duckdb", "/no/such/project/k.duckdb"),
            ("sqlite:s.db", "/no/such/project/s.db"),
            ("file:/data/a.db", "/data/a.db"),
            ("file:///data/a.db", "/data/a.db"),
            ("file://localhost/data/a.db", "/data/a.db"),
            ("ducklake:meta.ducklake", "/no/such/project/meta.ducklake"),
            ("ducklake:sqlite:meta.db", "/no/such/project/meta.db"),
            ("ducklake:postgres:dbname=x", "-"),
            ("ducklake:md:x", "-"),
            ("", "-"),
            (":memory:", "-"),
            (":memory:shared", "-"),
            ("md:shop?motherduck_token=x", "-"),
            ("Motherduck:shop", "-"),
            ("s3://b/shop.duckdb", "-"),
            ("postgres:dbname=shop", "-"),
        ] {
            assert_eq!(placed(path, Way::Connect), file, "{path}");
        }
        for path in ["file:a.db", "foo://a.db", "bar:a.db", "ducklake:lake", "ducklake:"] {
            assert!(placed(path, Way::Connect).starts_with('!'), "{path}");
        }
    }

    #[test]
    fn an_attached_path_may_have_a_type() {
        for (path, kind, file) in [
            ("a.db", None, "/no/such/project/a.db"),
            (":memory:x", None, "/no/such/project/:memory:x"),
            ("a.db", Some("SQLite"), "/no/such/project/a.db"),
            ("host=x dbname=y", Some("postgres"), "-"),
            ("duckdb:a.db", Some("duckdb"), "/no/such/project/duckdb:a.db"),
            ("https://x/a.db", Some("duckdb"), "-"),
            ("meta.db", Some("ducklake"), "/no/such/project/meta.db"),
            ("a", Some("quack"), "! a type of database that is not known"),
        ] {
            assert_eq!(placed(path, Way::Attach(kind)), file, "{path}");
        }
    }

    #[test]
    fn links_are_followed_also_to_what_is_not_there() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("data")).unwrap();
        symlink("data", root.join("link")).unwrap();
        symlink("link/new.duckdb", root.join("shop.duckdb")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let base = Base { cwd: &root, home: None };
        let file = Place::File(root.join("data/new.duckdb"));
        for path in ["shop.duckdb", "link/new.duckdb", "link/../data/new.duckdb"] {
            assert_eq!(place(path, Way::Connect, &base).unwrap(), file, "{path}");
        }
        assert!(place("loop", Way::Connect, &base).is_err());
        assert!(place("~/x", Way::Connect, &base).is_err());
    }
}
