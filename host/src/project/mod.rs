//! A dbt project as assets: preparing its manifest, and reading it through a translator.
//!
//! Owns the folder `projects/NAME` of the state directory: the last good manifest, what it was made from, and dbt's parse
//! cache. Several processes may prepare one project at once; a lock lets one of them do it. Never runs a node.

mod files;
mod load;
mod open;
mod prepare;
mod variants;

pub use files::{is_foreign_folder, is_source, profiles_file, wanted_environment};
pub use load::{DuplicateKey, LoadError, Loaded, Translate, load};
pub use open::{OpenError, Opened, look, open};
pub use prepare::{Call, Folder, PrepareError, Prepared, prepare, revision};
