//! What people are shown: projects, assets, jobs, plugins and alerts as they stand. The API answers with it, and the command
//! line prints it.
//!
//! Owns these shapes, and how each is put together from the configuration, the project and the store. Only reads, and takes the
//! time as a value.

pub mod alerts;
pub mod asset;
pub mod assets;
pub mod freshness;
pub mod health;
pub mod jobs;
pub mod plugins;
pub mod projects;
pub mod timeline;
