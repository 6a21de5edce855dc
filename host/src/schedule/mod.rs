//! Cron expressions as operators write them.
//!
//! Owns the grammar of five fields and its translation for the `cron` crate, which counts weekdays from 1 and wants
//! seconds. So far it only says what is wrong with one; nothing fires yet. Never reads a clock.

mod expression;

pub use expression::check;
