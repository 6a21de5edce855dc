//! What is to be known of a built component: its size, its digest, what it imports and exports.
//!
//! Owns the comparison of a fresh component with the committed one. Never builds or runs a component.

use super::wit_tools;
use crate::command;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// A component's measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Its length in bytes.
    pub size: usize,
    /// Its SHA-256 in hexadecimal digits.
    pub digest: String,
    /// What it imports and exports, as WIT.
    pub world: String,
}

/// How a fresh component compares with the committed one, where both are good.
#[derive(Debug, PartialEq, Eq)]
pub enum Likeness {
    /// Byte for byte the same.
    Same,
    /// Other bytes, the same exports, a similar size: as another compiler makes them.
    Similar,
}

impl Component {
    /// Reads a component.
    pub fn read(file: &Path) -> Result<Self> {
        let bytes = fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
        let world = command::output(wit_tools().arg("world").arg(file))?;
        Ok(Self { size: bytes.len(), digest: digest(&bytes), world })
    }

    /// The names of what it imports.
    pub fn imports(&self) -> Vec<&str> {
        let lines = self.world.lines().filter_map(|line| line.strip_prefix("  import "));
        lines.map(|name| name.trim_end_matches(';')).collect()
    }

    /// Compares a fresh component with the committed one; the error says what differs.
    pub fn likeness(&self, committed: &Self) -> Result<Likeness, String> {
        if self.digest == committed.digest {
            return Ok(Likeness::Same);
        }
        if self.world != committed.world {
            return Err("it imports or exports something else".to_owned());
        }
        let (small, large) = (self.size.min(committed.size), self.size.max(committed.size));
        // Compilers of one year differ by a few per cent; other code differs by more.
        if large > small + small / 4 {
            return Err(format!("it has {} bytes where the committed one has {}", self.size, committed.size));
        }
        Ok(Likeness::Similar)
    }
}

/// A SHA-256 in hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURE: &str = "package root:component;\n\nworld root {\n  export a:b/c@0.1.0;\n}\n";

    fn component(size: usize, digest: &str, world: &str) -> Component {
        Component { size, digest: digest.to_owned(), world: world.to_owned() }
    }

    #[test]
    fn imports_are_those_of_the_world() {
        assert_eq!(component(1, "", PURE).imports(), Vec::<&str>::new());
        let world = "package root:component;\n\nworld root {\n  import wasi:cli/environment@0.2.0;\n  import wasi:io/poll@0.2.0;\n\n  export a:b/c@0.1.0;\n}\npackage a:b@0.1.0 {\n  interface c {\n    import: func();\n  }\n}\n";
        assert_eq!(component(1, "", world).imports(), ["wasi:cli/environment@0.2.0", "wasi:io/poll@0.2.0"]);
    }

    #[test]
    fn the_same_bytes_are_the_same() {
        let fresh = component(100, "a", PURE);
        assert_eq!(fresh.likeness(&fresh), Ok(Likeness::Same));
    }

    #[test]
    fn other_bytes_of_a_similar_size_are_similar() {
        for size in [80, 100, 125] {
            let fresh = component(size, "b", PURE);
            assert_eq!(fresh.likeness(&component(100, "a", PURE)), Ok(Likeness::Similar), "{size}");
        }
    }

    #[test]
    fn another_size_or_other_exports_are_a_difference() {
        let committed = component(100, "a", PURE);
        for size in [79, 126] {
            let said = component(size, "b", PURE).likeness(&committed).unwrap_err();
            assert_eq!(said, format!("it has {size} bytes where the committed one has 100"));
        }
        let said = component(100, "b", "world root {}").likeness(&committed).unwrap_err();
        assert_eq!(said, "it imports or exports something else");
    }

    #[test]
    fn a_digest_is_written_as_sha256sum_writes_it() {
        assert_eq!(digest(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
