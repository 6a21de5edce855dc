//! Plugins as the file names them.

use std::path::Path;

use super::{ConfigProblem, resolve::clean};
use crate::model::{BUILTIN_PLUGINS, nearest};

/// A plugin as the rest of Tidegate names it: `builtin:NAME`, an absolute path, or the name of a file in the plugins folder.
pub(super) fn plugin_reference(text: &str, base: &Path) -> String {
    let is_path = (text.contains('/') || text.ends_with(".wasm")) && !text.contains("://");
    if is_path && !text.starts_with("builtin:") {
        clean(&base.join(text)).to_string_lossy().into_owned()
    } else {
        text.to_owned()
    }
}

/// What is wrong with a name of a plugin that Tidegate carries, where it is one. Files come and go; these do not, and a name
/// that is none of theirs is a slip of the pen.
pub(super) fn misspelt(text: &str) -> Option<ConfigProblem> {
    let name = text.strip_prefix("builtin:").filter(|name| !BUILTIN_PLUGINS.contains(name))?;
    let problem = ConfigProblem::new(format!("there is no built-in plugin `{name}`"));
    Some(match nearest(name, BUILTIN_PLUGINS.into_iter()) {
        Some(near) => problem.hint(format!("did you mean `builtin:{near}`?")),
        None => problem.hint(format!("built-in plugins: {}", BUILTIN_PLUGINS.join(", "))),
    })
}
