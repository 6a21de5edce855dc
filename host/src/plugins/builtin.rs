//! The plugins that Tidegate carries: components like any other, in the same sandbox.
//!
//! Owns their names and bytes. Never treats them differently from a file.

use crate::model::nearest;

use super::error::LoadFault;

const BUILTIN: [(&str, &[u8]); 1] =
    [("source-prefix", include_bytes!("../../../plugins/prebuilt/source-prefix.wasm"))];

/// Their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, _)| *name)
}

/// The bytes of one.
pub(super) fn find(name: &str) -> Result<&'static [u8], LoadFault> {
    if let Some((_, bytes)) = BUILTIN.iter().find(|(known, _)| *known == name) {
        return Ok(bytes);
    }
    Err(LoadFault::UnknownBuiltin { name: name.to_owned(), nearest: nearest(name, names()) })
}
