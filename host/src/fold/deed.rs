//! What of events belongs into the trail of who did what. What started by itself does not: its own history tells of it.

use serde_json::{Value, json};

use crate::model::{
    AlertEvent, AlertEventKind, By, Deed, Event, EventKind, HostEvent, HostEventKind, JobEvent, JobEventKind,
    is_by_itself,
};

fn deed(by: &By, action: &str, object: String, detail: Value) -> Option<Deed> {
    let deed =
        || Deed { user: by.user.clone(), via: by.via.clone(), action: action.to_owned(), object, detail };
    (!by.is_by_itself()).then(deed)
}

/// What someone did to a run.
pub fn deed_of_run(event: &Event) -> Option<Deed> {
    let object = format!("run:{}", event.run);
    match &event.kind {
        EventKind::RunRequested { request } if !is_by_itself(&request.launch.via) => {
            let launch = &request.launch;
            let action = if request.resumes.is_some() { "run.resume" } else { "run.launch" };
            let detail = json!({
                "project": request.project,
                "job": request.job,
                "steps": request.steps,
                "resumes": request.resumes,
                "reason": launch.reason,
            });
            deed(&By::new(&launch.user, &launch.via), action, object, detail)
        }
        EventKind::CancelRequested { by } => deed(by, "run.cancel", object, json!({})),
        _ => None,
    }
}

/// What someone did to what starts a job by itself.
pub fn deed_of_job(event: &JobEvent) -> Option<Deed> {
    let (by, action) = match &event.kind {
        JobEventKind::JobPaused { by } => (by, "job.pause"),
        JobEventKind::JobResumed { by } => (by, "job.resume"),
        _ => return None,
    };
    deed(by, action, format!("job:{}", event.job), json!({}))
}

/// What someone did to an alert.
pub fn deed_of_alert(event: &AlertEvent) -> Option<Deed> {
    match &event.kind {
        AlertEventKind::AlertSnoozed { until, by } => {
            deed(by, "alert.snooze", format!("alert:{}", event.alert), json!({ "until": until }))
        }
        _ => None,
    }
}

/// What someone did to the host.
pub fn deed_of_host(event: &HostEvent) -> Option<Deed> {
    use HostEventKind as Kind;
    let token = |name: &String| format!("token:{name}");
    let host = || "host".to_owned();
    match &event.kind {
        Kind::ConfigurationReloaded { by, changes } => {
            deed(by, "configuration.reload", "configuration".to_owned(), json!({ "changes": changes }))
        }
        Kind::ConfigurationRefused { by, problem } => {
            deed(by, "configuration.refused", "configuration".to_owned(), json!({ "problem": problem }))
        }
        Kind::DestinationTested { by, destination, notifier, error } => {
            let detail = json!({ "notifier": notifier, "error": error });
            deed(by, "destination.test", format!("destination:{destination}"), detail)
        }
        Kind::TokenCreated { by, name, role, .. } => {
            deed(by, "token.new", token(name), json!({ "role": role }))
        }
        Kind::TokenRotated { by, name, .. } => deed(by, "token.rotate", token(name), json!({})),
        Kind::TokenRevoked { by, name } => deed(by, "token.revoke", token(name), json!({})),
        Kind::SessionBegun { by, peer } => deed(by, "session.begin", host(), json!({ "peer": peer })),
        Kind::SessionEnded { by, peer } => deed(by, "session.end", host(), json!({ "peer": peer })),
        Kind::LoginFailed { by, peer, kept_out } => {
            deed(by, "session.refused", host(), json!({ "peer": peer, "kept_out": kept_out }))
        }
        Kind::HandedOver { by } => deed(by, "host.hand_over", host(), json!({})),
        Kind::HostStopped { by, how } => deed(by, "host.stop", host(), json!({ "how": how })),
    }
}
