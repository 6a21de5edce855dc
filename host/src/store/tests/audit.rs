//! The trail of who did what, and tokens: folds of events, made anew from them, brought over from the era before, and forgotten.

use serde_json::{Value, json};

use super::*;
use crate::{
    model::{
        AlertEvent, AlertEventKind, By, HostEvent, HostEventKind, JobEvent, JobEventKind, Launch, Role,
        RunRequest, TokenDigests,
    },
    store::{AuditFilter, AuditRow, Entry, Reader, Retention, schema},
};

fn asked(key: &str, user: &str, via: &str) -> RunRequest {
    let launch = Launch { user: user.to_owned(), via: via.to_owned(), command: Vec::new(), reason: None };
    RunRequest { launch, ..request(key, &["build"]) }
}

fn host(second: i64, kind: HostEventKind) -> Entry {
    Entry::Host(HostEvent { at: at(second), kind })
}

fn digests(of: &str) -> TokenDigests {
    TokenDigests { token: format!("token of {of}"), session: format!("session of {of}") }
}

fn created(name: &str) -> HostEventKind {
    let (name, digests) = (name.to_owned(), digests(name));
    HostEventKind::TokenCreated { by: By::new("ada", "cli"), name, role: Role::Read, digests }
}

fn trail(dir: &Dir) -> Vec<AuditRow> {
    let filter = AuditFilter { limit: 100, ..AuditFilter::default() };
    Reader::open(dir.0.path()).unwrap().audit(&filter).unwrap()
}

fn words(rows: &[AuditRow]) -> Vec<String> {
    rows.iter()
        .map(|AuditRow { deed, .. }| {
            format!("{} {} {} {}", deed.user, deed.via.as_deref().unwrap_or("-"), deed.action, deed.object)
        })
        .collect()
}

#[test]
fn what_someone_does_is_on_the_trail_and_what_starts_by_itself_is_not() {
    let dir = Dir::new();
    let mut store = dir.store();
    let (run, _) = store.request(asked("a", "ana", "ui"), at(0)).unwrap();
    store.request(asked("b", "tidegate", "schedule"), at(1)).unwrap();
    store.request(RunRequest { resumes: Some(run), ..asked("c", "ana", "cli") }, at(2)).unwrap();
    let cancel = |by| EventKind::CancelRequested { by };
    append(&mut store, run, vec![cancel(By::new("bob", "api")), cancel(By::new("after of night", "after"))]);
    append(&mut store, run, vec![cancel(By::from("schedule of night"))]);
    let paused = JobEventKind::JobPaused { by: By::new("bob", "ui") };
    let snoozed = AlertEventKind::AlertSnoozed { until: Some(at(9)), by: By::new("bob", "ui") };
    store
        .record(&[
            Entry::Job(JobEvent { job: "night".to_owned(), at: at(3), kind: paused }),
            Entry::Alert(AlertEvent { alert: "ops".to_owned(), at: at(4), kind: snoozed }),
            host(5, created("ci")),
        ])
        .unwrap();
    let rows = trail(&dir);
    assert_eq!(
        words(&rows),
        [
            "ada cli token.new token:ci",
            "bob ui alert.snooze alert:ops",
            "bob ui job.pause job:night",
            "bob api run.cancel run:1",
            "ana cli run.resume run:3",
            "ana ui run.launch run:1",
        ]
    );
    assert_eq!(rows[1].deed.detail, json!({ "until": at(9) }));
    assert_eq!(rows[5].deed.detail["steps"], json!([{ "args": ["build"] }]));
    let reader = Reader::open(dir.0.path()).unwrap();
    let some = |user: Option<&str>, action: Option<&str>, before| {
        let (user, action) = (user.map(str::to_owned), action.map(str::to_owned));
        words(&reader.audit(&AuditFilter { user, action, before, limit: 2 }).unwrap())
    };
    assert_eq!(some(Some("ana"), None, None), ["ana cli run.resume run:3", "ana ui run.launch run:1"]);
    assert_eq!(some(None, Some("job.pause"), None), ["bob ui job.pause job:night"]);
    assert_eq!(some(Some("bob"), Some("run.cancel"), None), ["bob api run.cancel run:1"]);
    assert_eq!(some(None, None, Some(rows[3].id)), ["ana cli run.resume run:3", "ana ui run.launch run:1"]);
    assert!(store.rebuild_audit().unwrap());
}

#[test]
fn a_token_is_what_its_events_tell() {
    let dir = Dir::new();
    let mut store = dir.store();
    let by = || By::new("ada", "cli");
    store.record(&[host(0, created("ana")), host(1, created("ci")), host(2, created("old"))]).unwrap();
    let rotated =
        HostEventKind::TokenRotated { by: by(), name: "ci".to_owned(), digests: digests("another") };
    let revoked = HostEventKind::TokenRevoked { by: by(), name: "old".to_owned() };
    store.record(&[host(3, rotated), host(4, revoked)]).unwrap();
    let tokens = Reader::open(dir.0.path()).unwrap().tokens().unwrap();
    let [ana, ci] = tokens.as_slice() else { panic!("{tokens:?}") };
    assert_eq!((&*ana.token.name, &ana.digests, ana.token.rotated_at), ("ana", &digests("ana"), None));
    assert_eq!((ci.token.created_at, ci.token.rotated_at), (at(1), Some(at(3))));
    assert_eq!(ci.digests, digests("another"));
    assert!(store.rebuild_audit().unwrap());
    store.connection().0.execute("UPDATE token SET role = 'operate' WHERE name = 'ana'", []).unwrap();
    assert!(!store.rebuild_audit().unwrap(), "a role that no event tells of is found");
    assert!(store.rebuild_audit().unwrap(), "and mended");
    store.connection().0.execute("UPDATE audit SET user = 'eve' WHERE id = 1", []).unwrap();
    assert!(!store.rebuild_audit().unwrap(), "a forged row is found");
    assert_eq!(trail(&dir).last().unwrap().deed.user, "ada");
    store.connection().0.execute("DELETE FROM audit WHERE id = 2", []).unwrap();
    assert!(!store.rebuild_audit().unwrap(), "a row that is gone is missed");
    assert!(store.rebuild_audit().unwrap());
    // What tokens are is known for ever; who made them is not.
    let limits = Retention { days: 1, runs: 0, ticks: 9, audit: 1 };
    let late = HostEventKind::HandedOver { by: by() };
    store.record(&[host(2 * 24 * 60 * 60, late)]).unwrap();
    assert_eq!(store.forget_deeds(limits, at(2 * 24 * 60 * 60)).unwrap(), 5);
    assert!(store.rebuild_audit().unwrap());
    assert_eq!((trail(&dir).len(), store.tokens().unwrap().len()), (1, 2), "nothing came back");
}

#[test]
fn the_trail_outlives_runs_and_is_forgotten_by_its_own_limit() {
    let dir = Dir::new();
    let mut store = dir.store();
    live(&mut store, "a");
    let limits = Retention { days: 1, runs: 0, ticks: 9, audit: 10 };
    let day = 24 * 60 * 60;
    let login = HostEventKind::SessionBegun { by: By::new("ana", "ui"), peer: "10.0.0.1".to_owned() };
    store.record(&[host(1, created("ana")), host(2, login)]).unwrap();
    assert_eq!(store.forget(limits, at(2 * day)).unwrap(), [RunId(1)]);
    assert_eq!(trail(&dir).len(), 3);
    assert!(store.rebuild_audit().unwrap(), "what is known of a run that is gone stays");
    assert_eq!(store.forget_deeds(limits, at(9 * day)).unwrap(), 0);
    assert_eq!(store.forget_deeds(limits, at(11 * day)).unwrap(), 3);
    assert_eq!(words(&trail(&dir)), Vec::<String>::new());
    assert_eq!(store.tokens().unwrap().len(), 1, "tokens do not age");
    let kinds: Vec<String> = column(store.connection().0, "SELECT kind FROM event");
    assert_eq!(kinds, ["token_created"]);
}

/// Events as the versions before wrote them: who, and nothing of the way.
#[test]
fn a_database_of_the_era_before_gets_its_trail() {
    let dir = Dir::new();
    let conn = schema::open_writer(&dir.db(), &schema::MIGRATIONS[..3]).unwrap();
    let put = |run: Option<i64>, job: Option<&str>, subject: Option<&str>, kind: &str, body: Value| {
        conn.execute(
            "INSERT INTO event (run_id, job, subject, at, kind, body) VALUES (?1, ?2, ?3, 5, ?4, ?5)",
            rusqlite::params![run, job, subject, kind, body.to_string()],
        )
        .unwrap();
    };
    let requested = |key: &str, user: &str, via: &str, resumes: Option<u64>| {
        let request = RunRequest { resumes: resumes.map(RunId), ..asked(key, user, via) };
        let body = serde_json::to_value(EventKind::RunRequested { request: Box::new(request) }).unwrap();
        put(Some(1), None, None, "run_requested", body);
    };
    requested("a", "ana", "cli", None);
    requested("b", "tidegate", "schedule", None);
    requested("c", "tidegate", "resume", Some(1));
    requested("d", "bob", "cli", Some(1));
    for by in ["ana", "schedule of night", "sensor of night"] {
        put(Some(1), None, None, "cancel_requested", json!({ "event": "cancel_requested", "by": by }));
    }
    put(None, Some("night"), None, "job_paused", json!({ "event": "job_paused", "by": "ana" }));
    put(None, Some("night"), None, "job_resumed", json!({ "event": "job_resumed", "by": "bob" }));
    let until = |until: Value| json!({ "event": "alert_snoozed", "until": until, "by": "bob" });
    put(None, None, Some("alert:ops"), "alert_snoozed", until(json!(at(7))));
    put(None, None, Some("alert:ops"), "alert_snoozed", until(Value::Null));
    put(None, None, Some("plugin:x"), "plugin_removed", json!({ "event": "plugin_removed" }));
    drop(conn);
    let mut store = dir.store();
    let rows = trail(&dir);
    assert_eq!(
        words(&rows),
        [
            "bob - alert.snooze alert:ops",
            "bob - alert.snooze alert:ops",
            "bob - job.resume job:night",
            "ana - job.pause job:night",
            "ana - run.cancel run:1",
            "bob cli run.resume run:1",
            "ana cli run.launch run:1",
        ]
    );
    assert_eq!(rows[1].deed.detail, json!({ "until": at(7) }));
    assert_eq!(rows[0].deed.detail, json!({ "until": null }));
    assert!(store.rebuild_audit().unwrap(), "the migration says what the fold says");
    assert!(dir.0.path().join("tidegate.v3.db").exists(), "what was there is kept");
}
