//! Bounds: what the figures must not exceed, and whether they do.
//!
//! Owns every bound, each written once. Never measures.

use std::fmt;

use serde::Serialize;

use crate::figures::Unit;

/// dbt's own CPU under Tidegate, as a multiple of plain dbt's.
pub const DBT_CPU: Bound = Bound { name: "dbt's CPU", suffix: " × plain", limit: 1.05, unit: Unit::Times };
/// The CPU of everything but dbt that `tidegate run build` starts on the demo, in seconds.
pub const OUR_CPU: Bound = Bound { name: "our CPU", suffix: "", limit: 0.050, unit: Unit::Milliseconds };
/// Loading 5,000 models, in seconds.
pub const LOAD_TIME: Bound =
    Bound { name: "loading 5,000 models", suffix: "", limit: 0.3, unit: Unit::Milliseconds };
/// The peak memory of a process that loads 5,000 models, in bytes.
pub const LOAD_PEAK: Bound =
    Bound { name: "peak memory of loading 5,000 models", suffix: "", limit: 100e6, unit: Unit::Megabytes };
/// The same with a translator, in bytes.
pub const TRANSLATED_PEAK: Bound = Bound { name: "peak memory of loading and translating them", ..LOAD_PEAK };
/// What translating 5,000 models adds to loading them, in seconds.
pub const TRANSLATION: Bound =
    Bound { name: "translating them", suffix: " more", limit: 0.1, unit: Unit::Milliseconds };
/// How late a tick may be where 1,000 schedules fire at one moment, in seconds until its run is on disk.
pub const TICKS_AT_ONCE: Bound = Bound {
    name: "ticks of 1,000 schedules at one moment",
    suffix: " late",
    limit: 0.1,
    unit: Unit::Milliseconds,
};
/// The same where a fifth of them fires.
pub const TICKS_SPREAD: Bound =
    Bound { name: "ticks of 1,000 schedules, a fifth each minute", ..TICKS_AT_ONCE };
/// What accepting a request costs, in seconds.
pub const ADMISSION: Bound =
    Bound { name: "accepting a request", suffix: "", limit: 0.001, unit: Unit::Milliseconds };
/// What the turn of a run costs that is refused, in seconds.
pub const TURN: Bound = Bound { name: "the turn of a run", ..ADMISSION };
/// The CPU of an idle host with 1,000 schedules, as a share of one core.
pub const IDLE_CPU: Bound =
    Bound { name: "CPU of an idle host", suffix: "", limit: 0.002, unit: Unit::Percent };
/// Its memory, in bytes.
pub const IDLE_MEMORY: Bound =
    Bound { name: "memory of an idle host", suffix: "", limit: 40e6, unit: Unit::Megabytes };
/// The CPU with 10,000 requests that wait.
pub const IDLE_CPU_QUEUED: Bound = Bound { name: "CPU of an idle host with 10,000 requests", ..IDLE_CPU };
/// The memory with them.
pub const IDLE_MEMORY_QUEUED: Bound =
    Bound { name: "memory of an idle host with 10,000 requests", ..IDLE_MEMORY };

/// Until something of the first page is painted, in seconds from its request.
pub const UI_FIRST: Bound =
    Bound { name: "the first page, painted", suffix: "", limit: 0.3, unit: Unit::Milliseconds };
/// Until its jobs are.
pub const UI_CONTENT: Bound = Bound { name: "the jobs of the first page, painted", ..UI_FIRST };
/// From dbt's line about the end of a node until nine of ten are in the page, in seconds.
pub const UI_LIVE: Bound = Bound { name: "from dbt's line to the page, nine of ten", limit: 0.2, ..UI_FIRST };
/// The graph of 5,000 assets from memory, in seconds.
pub const UI_GRAPH: Bound = Bound { name: "the graph of 5,000 assets", limit: 0.15, ..UI_FIRST };
/// Until it is drawn, in seconds from the request of the page.
pub const UI_GRAPH_DRAWN: Bound = Bound { name: "the graph, drawn", limit: 1.5, ..UI_FIRST };
/// The longest frame while someone drags or zooms, in seconds.
pub const UI_FRAME: Bound =
    Bound { name: "the longest frame while it is dragged or zoomed", limit: 0.05, ..UI_FIRST };
/// Until the nodes of a run of 10,000 events are painted, in seconds from the request of the page.
pub const UI_RUN_NODES: Bound =
    Bound { name: "the nodes of a run of 10,000 events, painted", limit: 1.0, ..UI_FIRST };
/// The same for its log.
pub const UI_RUN_LOG: Bound = Bound { name: "the log of a run of 10,000 events, painted", ..UI_RUN_NODES };

/// What a figure must not exceed.
pub struct Bound {
    name: &'static str,
    suffix: &'static str,
    limit: f64,
    unit: Unit,
}

/// A figure held against its bound.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// What was measured.
    pub name: &'static str,
    /// How much it is, as a ratio, in seconds or in bytes.
    pub value: f64,
    /// How much it may be.
    pub bound: f64,
    /// Whether it is no more.
    pub met: bool,
    #[serde(skip)]
    text: String,
}

impl Bound {
    /// Holds a figure against the bound.
    pub fn judge(&self, value: f64) -> Verdict {
        let Self { name, suffix, limit, unit } = *self;
        let met = value <= limit;
        let said = if met { "met" } else { "not met" };
        let text = format!("{name}: {}{suffix} (bound {}): {said}", unit.shown(value), unit.shown(limit));
        Verdict { name, value, bound: limit, met, text }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_a_sentence() {
        assert_eq!(DBT_CPU.judge(1.01).to_string(), "dbt's CPU: 1.01 × plain (bound 1.05): met");
        assert_eq!(OUR_CPU.judge(0.0512).to_string(), "our CPU: 51.2 ms (bound 50.0 ms): not met");
        assert!(LOAD_PEAK.judge(100e6).met && !LOAD_PEAK.judge(100e6 + 1.0).met);
    }
}
