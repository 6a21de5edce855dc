//! Where a plugin comes from: built in, or a file.
//!
//! Owns how a source is written, and reading the bytes under the cap. Never looks into them.

use std::{
    borrow::Cow,
    fmt,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use super::{
    builtin,
    error::{LoadError, LoadFault},
};

/// A plugin's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginSource {
    /// A plugin that Tidegate carries, by its name.
    Builtin(String),
    /// A `.wasm` file.
    File(PathBuf),
}

impl PluginSource {
    /// Reads `builtin:NAME`, or a path that is relative to `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self, LoadError> {
        if let Some(name) = text.strip_prefix("builtin:") {
            builtin::find(name).map_err(|fault| fault.of(text))?;
            return Ok(Self::Builtin(name.to_owned()));
        }
        if text.contains("://") {
            return Err(LoadFault::NotLocal(text.to_owned()).of(text));
        }
        Ok(Self::File(base.join(text)))
    }

    /// The plugin's bytes.
    pub(super) fn read(&self, limit: u64) -> Result<Cow<'static, [u8]>, LoadFault> {
        match self {
            Self::Builtin(name) => Ok(Cow::Borrowed(builtin::find(name)?)),
            Self::File(path) => read_file(path, limit).map(Cow::Owned),
        }
    }
}

impl fmt::Display for PluginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(name) => write!(f, "builtin:{name}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, LoadFault> {
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => LoadFault::NotFound(path.to_owned()),
        _ => LoadFault::Unreadable(path.to_owned(), error.to_string()),
    };
    // A pipe would block for good, and a device has no end.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(LoadFault::Unreadable(path.to_owned(), "it is not a file".to_owned()));
    }
    if metadata.len() > limit {
        return Err(LoadFault::TooLarge { size: metadata.len(), limit });
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() as u64 {
        size if size > limit => Err(LoadFault::TooLarge { size, limit }),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_builtin_or_files() {
        let base = Path::new("/project");
        let parse = |text| PluginSource::parse(text, base);
        assert_eq!(parse("builtin:source-prefix").unwrap().to_string(), "builtin:source-prefix");
        assert_eq!(parse("plugins/a.wasm").unwrap(), PluginSource::File("/project/plugins/a.wasm".into()));
        assert_eq!(parse("/elsewhere/a.wasm").unwrap(), PluginSource::File("/elsewhere/a.wasm".into()));
        assert!(matches!(parse("https://example.com/a.wasm").unwrap_err().fault, LoadFault::NotLocal(_)));
    }

    #[test]
    fn a_misspelt_builtin_gets_the_nearest_name() {
        let error = PluginSource::parse("builtin:source-prefx", Path::new("")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "plugin `builtin:source-prefx`: there is no built-in plugin `source-prefx`"
        );
        assert_eq!(error.hint().unwrap(), "did you mean `builtin:source-prefix`?");
        let error = PluginSource::parse("builtin:zzz", Path::new("")).unwrap_err();
        let all: Vec<_> = builtin::names().collect();
        assert_eq!(error.hint().unwrap(), format!("built-in plugins: {}", all.join(", ")));
    }

    #[test]
    fn files_are_read_under_the_cap() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wasm");
        let source = PluginSource::File(path.clone());
        assert!(matches!(source.read(3), Err(LoadFault::NotFound(_))));
        std::fs::write(&path, "abcd").unwrap();
        assert!(matches!(source.read(3), Err(LoadFault::TooLarge { size: 4, limit: 3 })));
        assert_eq!(source.read(4).unwrap().as_ref(), b"abcd");
        let folder = PluginSource::File(dir.path().to_owned());
        assert!(folder.read(4).unwrap_err().to_string().ends_with("cannot be read: it is not a file"));
    }
}
