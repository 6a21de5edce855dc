//! `tidegate notify`: where notifications can go, and whether they get there.
//!
//! Owns the arguments and the words. Shows of a destination its name and its kind, never its address.

mod deliveries;
mod destinations;
mod test;

use clap::Subcommand;

use super::{Context, Exit, Failure};

/// List the destinations of notifications, or try one out.
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Send a test to a destination, at once
    Test(test::Test),
    /// Show what was sent where, and what came of it
    Deliveries(deliveries::Deliveries),
    /// List the destinations, and what each lacks
    Destinations(destinations::Destinations),
}

impl NotifyCommand {
    /// Does it.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Deliveries(deliveries) => deliveries.run(context),
            Self::Test(test) => test.run(context),
            Self::Destinations(destinations) => destinations.run(context),
        }
    }
}
