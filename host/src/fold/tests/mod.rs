//! What the fold promises, over histories that no host would write and over those that one would.

pub(crate) mod histories;
mod properties;
mod retries;
mod stories;
mod verdicts;
