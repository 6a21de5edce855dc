//! What starts jobs by itself: triggers, what they have decided, and where they stand. All of it is a fold of job events.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{By, RunId, kept};

/// What can start a job by itself. A job has at most one of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    /// Its cron expressions.
    Schedule,
    /// The end of other jobs' runs.
    After,
    /// A dbt source has newer data: `SOURCE` or `SOURCE.TABLE`.
    Source(String),
    /// Files appear or change: a glob, absolute.
    Files(String),
}

impl Trigger {
    /// How a run that it started says so.
    pub fn via(&self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::After => "after",
            Self::Source(_) | Self::Files(_) => "sensor",
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule => f.pad("schedule"),
            Self::After => f.pad("after"),
            Self::Source(name) => f.pad(&format!("source:{name}")),
            Self::Files(glob) => f.pad(&format!("files:{glob}")),
        }
    }
}

impl FromStr for Trigger {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "schedule" => Ok(Self::Schedule),
            None if text == "after" => Ok(Self::After),
            Some(("source", name)) => Ok(Self::Source(name.to_owned())),
            Some(("files", glob)) => Ok(Self::Files(glob.to_owned())),
            _ => Err(format!("`{text}` is no trigger")),
        }
    }
}

impl Serialize for Trigger {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Up to where a trigger has decided. What lies before is never decided upon again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cursor {
    /// Ticks of a schedule up to this time.
    Time(Timestamp),
    /// Ends of runs up to the event with this number.
    Event(u64),
    /// The data that has been seen, as marks that mean something to the sensor; none where it has not looked yet, and then
    /// what it sees first is nothing new.
    Seen(Option<BTreeSet<String>>),
}

/// What starts a job by itself, and where that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Automation {
    /// The job's name.
    pub job: String,
    /// Who paused it, and when: nothing starts it by itself until it is resumed.
    pub paused: Option<(String, Timestamp)>,
    /// Its triggers.
    pub triggers: BTreeMap<Trigger, TriggerState>,
}

/// Where a trigger stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TriggerState {
    /// What it is, so that a changed one is told from the same one.
    pub definition: String,
    /// Since when.
    pub enabled_at: Timestamp,
    /// Up to where it has decided.
    pub cursor: Cursor,
    /// What it decided last.
    pub last: Option<Tick>,
    /// When it started a run last.
    pub fired_at: Option<Timestamp>,
}

/// A decision of a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tick {
    /// When it was due: of several that are decided upon together, the last.
    pub due: Timestamp,
    /// How many are decided upon together; one, as a rule. Beyond a thousand they are not counted on.
    pub count: u64,
    /// The run that it started; none where it was skipped.
    pub run: Option<RunId>,
    /// Why it fired, or was skipped, for people.
    pub reason: String,
}

/// Something that happened to what starts a job by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobEvent {
    /// The job.
    pub job: String,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: JobEventKind,
}

impl JobEvent {
    /// The event as a disk keeps it: its time in microseconds.
    pub fn as_kept(&self) -> Cow<'_, Self> {
        let at = kept(self.at);
        if at == self.at { Cow::Borrowed(self) } else { Cow::Owned(Self { at, ..self.clone() }) }
    }
}

/// What can happen to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum JobEventKind {
    /// A trigger is new, or another one than before: it never fires for the past.
    TriggerEnabled {
        /// Which.
        trigger: Trigger,
        /// What it is.
        definition: String,
        /// From where it decides.
        cursor: Cursor,
    },
    /// The configuration has it no more.
    TriggerRemoved {
        /// Which.
        trigger: Trigger,
    },
    /// A trigger fired, or was skipped.
    TickDecided {
        /// Which.
        trigger: Trigger,
        /// The decision.
        #[serde(flatten)]
        tick: Tick,
        /// Up to where it has decided now.
        cursor: Cursor,
    },
    /// What it has seen changed without a reason to fire.
    CursorMoved {
        /// Which.
        trigger: Trigger,
        /// Up to where it has decided now.
        cursor: Cursor,
    },
    /// Someone paused the job.
    JobPaused {
        /// Who.
        #[serde(flatten)]
        by: By,
    },
    /// Someone resumed it.
    JobResumed {
        /// Who.
        #[serde(flatten)]
        by: By,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_is_read_as_it_is_written() {
        for trigger in [
            Trigger::Schedule,
            Trigger::After,
            Trigger::Source("raw.orders".to_owned()),
            Trigger::Files("/srv/a:b/*.csv".to_owned()),
        ] {
            assert_eq!(trigger.to_string().parse(), Ok(trigger));
        }
        assert!("cron".parse::<Trigger>().is_err() && "sensor:x".parse::<Trigger>().is_err());
    }
}
