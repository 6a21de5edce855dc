//! What an event of an asset makes of its freshness.

use crate::model::{AssetEvent, AssetEventKind, AssetFreshness};

/// How fresh an asset is after an event; none where it need not be fresh any more. Each event says all of it.
pub fn freshness(event: &AssetEvent) -> Option<AssetFreshness> {
    let (late, fresh_within, last) = match &event.kind {
        AssetEventKind::AssetLate { fresh_within, last } => (true, fresh_within, *last),
        AssetEventKind::AssetOnTime { fresh_within, last } => (false, fresh_within, *last),
        AssetEventKind::FreshnessUnset => return None,
    };
    Some(AssetFreshness { late, since: event.at, fresh_within: fresh_within.clone(), last })
}
