//! When a schedule fires: cron expressions of five fields in a time zone.
//!
//! Owns the grammar of an expression, its translation for the `cron` crate (which counts weekdays from 1 and wants
//! seconds), the names of time zones, and the rule for days on which clocks are changed. Never reads a clock.
//!
//! **The rule.** The `cron` crate only sees wall-clock time, as if clocks were never changed; what it says is turned into
//! instants here. What kind an expression is of is read off its text, nicknames by the fields that they stand for:
//!
//! - An *interval* has a minute or hour field that begins with `*`. It fires whenever the clock shows a matching minute:
//!   in both passes of an hour that comes twice, and not in an hour that is left out.
//! - Every other expression is a *fixed time*. It fires when the clock first shows that time, or first shows a later one
//!   since it leaves that time out. So what falls into an hour that is left out becomes one tick at the end of the gap,
//!   together with what stands there anyway, and an hour that comes twice counts the first time. The same holds where a
//!   whole day is left out, as in Samoa on 2011-12-30.
//!
//! Ticks of several expressions at one instant are one tick.

mod eras;
mod expression;
#[cfg(test)]
mod tests;
mod ticks;
mod zone;

pub use expression::check;
pub use ticks::{Earlier, Passed, Schedule};
pub use zone::zone;
