//! The plugins that Tidegate carries: components like any other, in the same sandbox.
//!
//! Owns their names and bytes. Never treats them differently from a file.

use crate::model::nearest;

use super::error::LoadFault;

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../../plugins/prebuilt/", $name, ".wasm")).as_slice())),*]
    };
}

const BUILTIN: [(&str, &[u8]); 6] =
    embedded!("backoff", "email", "slack", "source-prefix", "transient", "webhook");

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_every_room_knows_are_those_that_are_carried() {
        assert_eq!(names().collect::<Vec<_>>(), crate::model::BUILTIN_PLUGINS);
    }
}
