//! The outbox: what is raised, rendered and sent, made anew from its events, and forgotten.

use jiff::SignedDuration;

use super::*;
use crate::{
    model::{
        AlertEvent, AlertEventKind, Change, DeliveryOutcome, DeliveryRequest, Keyed, Notification,
        NotificationKind, Subject,
    },
    store::{Entry, Reader, Retention},
};

fn notification(title: &str) -> Notification {
    Notification {
        id: String::new(),
        kind: NotificationKind::RunFailed,
        at: at(0),
        title: title.to_owned(),
        text: None,
        alert: "ops".to_owned(),
        project: None,
        job: None,
        run: None,
        nodes: Vec::new(),
        nodes_total: 0,
        skipped: Vec::new(),
        skipped_total: 0,
        owners: Vec::new(),
        link: None,
    }
}

fn entry(second: i64, kind: AlertEventKind) -> Entry {
    Entry::Alert(AlertEvent { alert: "ops".to_owned(), at: at(second), kind })
}

fn record(store: &mut Store, second: i64, kind: AlertEventKind) -> u64 {
    store.record(&[entry(second, kind)]).unwrap()[0].unwrap()
}

fn raise(store: &mut Store, second: i64, job: &str) -> u64 {
    let subjects = vec![Subject::Job(job.to_owned())];
    let changes = vec![
        Change::Failing { subjects: subjects.clone(), incident: None, job: Some(job.to_owned()) },
        Change::Told { kind: NotificationKind::RunFailed, subjects, incidents: Vec::new() },
    ];
    let notification = Box::new(notification(job));
    record(store, second, AlertEventKind::NotificationRaised { notification, changes })
}

fn render(store: &mut Store, second: i64, notification: u64, keys: &[&str]) {
    let keyed = |key: &&str| Keyed {
        key: (*key).to_owned(),
        request: DeliveryRequest {
            destination: format!("to-{key}"),
            method: "POST".to_owned(),
            path: String::new(),
            headers: Vec::new(),
            body: b"{}".to_vec(),
        },
    };
    let requests = keys.iter().map(keyed).collect();
    let kind = AlertEventKind::NotificationRendered { notification, plugin: None, requests, fault: None };
    record(store, second, kind);
}

fn tried(store: &mut Store, second: i64, key: &str, next: Option<i64>) {
    let outcome = match next {
        Some(_) => DeliveryOutcome::Failed { error: "it was refused".to_owned() },
        None => DeliveryOutcome::Delivered { answer: "200".to_owned() },
    };
    let kind = AlertEventKind::DeliveryTried { key: key.to_owned(), outcome, next_at: next.map(at) };
    record(store, second, kind);
}

#[test]
fn what_is_raised_is_pending_until_it_has_arrived() {
    let dir = Dir::new();
    let mut store = dir.store();
    let id = raise(&mut store, 1, "build");
    assert_eq!(store.pending_notifications().unwrap(), [id]);
    let (raised, when) = store.notification(id).unwrap().unwrap();
    assert_eq!((raised.id.as_str(), raised.title.as_str(), when), (&*id.to_string(), "build", at(1)));
    render(&mut store, 2, id, &["a", "b"]);
    // Rendered again, as by a host that was slow to die, it is what it was.
    render(&mut store, 2, id, &["c"]);
    assert!(store.pending_notifications().unwrap().is_empty());
    let keys = |store: &Store| -> Vec<_> {
        store.pending_deliveries().unwrap().into_iter().map(|d| (d.key, d.tries, d.next_at)).collect()
    };
    assert_eq!(keys(&store), [("a".to_owned(), 0, at(2)), ("b".to_owned(), 0, at(2))]);
    tried(&mut store, 3, "a", None);
    tried(&mut store, 3, "b", Some(60));
    assert_eq!(keys(&store), [("b".to_owned(), 1, at(60))]);
    assert!(store.request_of("a").unwrap().is_none());
    assert_eq!(store.request_of("b").unwrap().unwrap().1, Some(at(3)));
    tried(&mut store, 60, "b", Some(180));
    assert_eq!(store.request_of("b").unwrap().unwrap().1, Some(at(3)), "its first try, not its last");
    // What has arrived stays so.
    tried(&mut store, 4, "a", Some(99));
    let rows = Reader::open(dir.0.path()).unwrap().deliveries(10).unwrap();
    let told: Vec<_> = rows.iter().map(|r| (r.key.as_str(), r.state.as_str(), r.tries)).collect();
    assert_eq!(told, [("b", "pending", 2), ("a", "delivered", 1)]);
    assert_eq!(rows[0].error.as_deref(), Some("it was refused"));
    assert!(store.rebuild_alert("ops").unwrap());
    assert_eq!(Reader::open(dir.0.path()).unwrap().deliveries(10).unwrap(), rows);
    drop(store);
    let store = dir.store();
    assert_eq!(keys(&store).len(), 1);
    assert_eq!(store.standing("ops").unwrap().failing.len(), 1);
}

#[test]
fn a_damaged_outbox_is_made_anew_from_its_events() {
    let dir = Dir::new();
    let mut store = dir.store();
    let id = raise(&mut store, 1, "build");
    render(&mut store, 2, id, &["a"]);
    store.connection().0.execute_batch("DELETE FROM notification; DELETE FROM alert").unwrap();
    assert!(!store.rebuild_alert("ops").unwrap());
    assert!(store.rebuild_alert("ops").unwrap());
    assert_eq!(store.pending_deliveries().unwrap().len(), 1);
}

#[test]
fn what_is_forgotten_leaves_behind_what_the_alert_knew_by_it() {
    let dir = Dir::new();
    let mut store = dir.store();
    for n in 0..5 {
        let id = raise(&mut store, n, &format!("job{n}"));
        render(&mut store, n, id, &[&format!("k{n}")]);
        if n != 3 {
            tried(&mut store, n, &format!("k{n}"), None);
        }
    }
    let before = store.standing("ops").cloned();
    let limits = Retention { days: 1, runs: 1_000, ticks: 1_000, audit: 365 };
    let late = at(0) + SignedDuration::from_hours(48);
    assert_eq!(
        store.forget_notifications(limits, late).unwrap(),
        3,
        "what is not sent stays, and what is newer"
    );
    assert_eq!(store.forget_notifications(limits, late).unwrap(), 0);
    assert!(store.rebuild_alert("ops").unwrap());
    assert_eq!(store.standing("ops").cloned(), before);
    tried(&mut store, 9, "k3", None);
    assert_eq!(store.forget_notifications(limits, late).unwrap(), 2);
    assert!(store.rebuild_alert("ops").unwrap());
    assert_eq!(store.standing("ops").cloned(), before);
    assert!(Reader::open(dir.0.path()).unwrap().deliveries(10).unwrap().is_empty());
}

#[test]
fn the_usual_time_of_a_job_is_the_median_of_its_last_runs() {
    let dir = Dir::new();
    let mut store = dir.store();
    assert_eq!(store.usual_time("build").unwrap(), None);
    for (n, seconds) in [10, 1_000, 20].into_iter().enumerate() {
        let mut wanted = request(&n.to_string(), &["build"]);
        wanted.job = Some("build".to_owned());
        let (run, _) = store.request(wanted, at(0)).unwrap();
        let started = EventKind::RunStarted {
            manifest_digest: None,
            plugins: Vec::new(),
            locks: Vec::new(),
            steps: None,
        };
        store.append(vec![Event { run, at: at(0), kind: started }]).unwrap();
        let kind = EventKind::RunFinished { state: RunState::Succeeded, reason: None };
        store.append(vec![Event { run, at: at(seconds), kind }]).unwrap();
    }
    assert_eq!(store.usual_time("build").unwrap(), Some(SignedDuration::from_secs(20)));
}
