//! What whoever asks hears while the dispatcher waits for its disk.

use std::thread;

use super::*;
use crate::{
    engine::{Configuration, Ending, Front, Shelf, Unable, front::Known},
    model::{By, HostEventKind},
    plugins::Catalogue,
    store::{AuditFilter, Disk, Entry},
};

/// A disk that is full when a test says so.
#[derive(Debug, Default)]
struct Filled(AtomicBool);

impl Disk for Filled {
    fn has_room(&self) -> bool {
        !self.0.load(Ordering::SeqCst)
    }

    fn committed(&self, _: &[Entry], _: u64) {}
}

#[track_caller]
fn is_told_of_the_disk<T: std::fmt::Debug>(asked: Result<T, Unable>) {
    match asked {
        Err(Unable::Stalled(refusal)) => assert!(refusal.message.contains("disk is full"), "{refusal:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_keeps_nobody_waiting_and_status_says_so() {
    let dir = TempDir::new().unwrap();
    let (mail, messages) = mpsc::channel();
    let disk = Arc::new(Filled::default());
    let mut store = Store::open(&dir.path().join(crate::store::FILE_NAME)).unwrap();
    store.disk = Some(Arc::clone(&disk) as _);
    let file = dir.path().join("tidegate.toml");
    std::fs::write(&file, "[projects.shop]\n").unwrap();
    let config = Arc::new(config::Config::load(&file, None).unwrap());
    let world = Remembering { deeds: Deeds::default(), clock: Arc::default(), broken: Vec::new() };
    let mut dispatcher = Dispatcher::new(store, Box::new(world), mail.clone(), Arc::clone(&config), false);
    let catalogue = Catalogue::open(dir.path(), &dir.path().join("plugins")).unwrap();
    let front = Front {
        mail: mail.clone(),
        configuration: Arc::new(Configuration::new(config, mail.clone(), catalogue.clone())),
        catalogue,
        shelf: Shelf::default(),
        news: dispatcher.news(),
        state_dir: dir.path().to_owned(),
        pulse: dispatcher.pulse(),
        listening: Arc::default(),
        known: Arc::new(Known::new(dispatcher.stalled())),
    };
    dispatcher.recover().unwrap();
    let host = thread::spawn(move || dispatcher.work(&messages));
    let by = || By::new("ada", "test");
    let left = || front.note(HostEventKind::HandedOver { by: by() });
    left().unwrap();
    assert_eq!(front.status().unwrap().problem, None);

    disk.0.store(true, Ordering::SeqCst);
    is_told_of_the_disk(left());
    is_told_of_the_disk(left());
    is_told_of_the_disk(front.cancel(RunId(1), by()));
    let status = front.status().unwrap();
    assert!(status.problem.as_ref().is_some_and(|problem| problem.contains("disk is full")), "{status:?}");

    disk.0.store(false, Ordering::SeqCst);
    while front.status().unwrap().problem.is_some() {
        thread::yield_now();
    }
    // The second was refused before it was put to anybody.
    let noted = front.reader().unwrap().audit(&AuditFilter { limit: 10, ..Default::default() }).unwrap();
    assert_eq!(noted.len(), 2, "{noted:?}");
    mail.send(Message::End(Ending::Now)).unwrap();
    host.join().unwrap().unwrap();
}
