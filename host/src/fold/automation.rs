//! How one event changes what starts a job by itself.

use crate::model::{Automation, JobEvent, JobEventKind, TriggerState};

/// The automation of a job to which nothing has happened.
pub fn unautomated(job: &str) -> Automation {
    Automation { job: job.to_owned(), paused: None, triggers: Default::default() }
}

/// Applies an event to the automation of its job. Events of other jobs and of unknown triggers change nothing.
pub fn automate(automation: &mut Automation, event: &JobEvent) {
    if event.job != automation.job {
        return;
    }
    match &event.kind {
        JobEventKind::TriggerEnabled { trigger, definition, cursor } => {
            let fired_at = automation.triggers.get(trigger).and_then(|known| known.fired_at);
            let state = TriggerState {
                definition: definition.clone(),
                enabled_at: event.at,
                cursor: cursor.clone(),
                last: None,
                fired_at,
            };
            automation.triggers.insert(trigger.clone(), state);
        }
        JobEventKind::TriggerRemoved { trigger } => drop(automation.triggers.remove(trigger)),
        JobEventKind::TickDecided { trigger, tick, cursor } => {
            if let Some(state) = automation.triggers.get_mut(trigger) {
                state.cursor = cursor.clone();
                state.fired_at = tick.run.map(|_| event.at).or(state.fired_at);
                state.last = Some(tick.clone());
            }
        }
        JobEventKind::CursorMoved { trigger, cursor } => {
            if let Some(state) = automation.triggers.get_mut(trigger) {
                state.cursor = cursor.clone();
            }
        }
        JobEventKind::JobPaused { by } => {
            automation.paused.get_or_insert_with(|| (by.user.clone(), event.at));
        }
        JobEventKind::JobResumed { .. } => automation.paused = None,
    }
}
