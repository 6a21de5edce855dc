//! The plugins of a host: looked at when it starts, and again each second while it stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::mpsc,
    thread,
    time::Duration,
};

use super::{Mail, Message};
use crate::{
    model::{PluginEventKind, PluginState},
    plugins::{Catalogue, FolderPlugin, Scan},
};

/// How often the files are looked at. A look is one listing of a folder.
const LOOK: Duration = Duration::from_secs(1);

/// A host waits so long for the first look to end, so that what happens first finds its plugins. Only one that is new and large
/// takes longer: it is compiled once.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends the looks with its own end.
pub(super) struct Looks {
    _stays: mpsc::Sender<()>,
}

/// Looks at the plugins now, and then again and again where the host `stays`. What is found goes to the dispatcher.
pub(super) fn look_after(catalogue: Catalogue, mail: Mail, stays: bool) -> io::Result<Looks> {
    let (_stays, ends) = mpsc::channel();
    let (looked, first) = mpsc::channel::<()>();
    thread::Builder::new().name("plugins".to_owned()).spawn(move || {
        let mut told = BTreeSet::new();
        let scan = catalogue.scan(false);
        note(&scan, &mut told);
        let mut found = scan.unreadable.is_none().then(|| catalogue.in_folder());
        if found.clone().is_some_and(|found| mail.send(Message::Plugins(found)).is_err()) {
            return;
        }
        drop(looked);
        while stays && ends.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
            let scan = catalogue.scan(true);
            note(&scan, &mut told);
            // Whoever asks for a plugin may have been the first to find that it has changed.
            let now = scan.unreadable.is_none().then(|| catalogue.in_folder());
            if let Some(now) = now.filter(|now| found.as_ref() != Some(now)) {
                found = Some(now.clone());
                if mail.send(Message::Plugins(now)).is_err() {
                    return;
                }
            }
        }
    })?;
    // It says nothing: that it lets go is the sign.
    let _ = first.recv_timeout(PATIENCE);
    Ok(Looks { _stays })
}

/// Logs what is in no event, and a folder that cannot be read once.
fn note(scan: &Scan, told: &mut BTreeSet<String>) {
    for line in &scan.notes {
        tracing::info!("{line}");
    }
    match &scan.unreadable {
        Some(problem) if told.insert(problem.clone()) => tracing::warn!("{problem}"),
        Some(_) => {}
        None => told.clear(),
    }
}

/// What has to be put on record, so that what is known is what was found.
pub(super) fn changes(
    known: &BTreeMap<String, PluginState>,
    found: Vec<FolderPlugin>,
) -> Vec<(String, PluginEventKind)> {
    let names: BTreeSet<_> = found.iter().map(|plugin| plugin.name.clone()).collect();
    let gone = known.keys().filter(|name| !names.contains(*name));
    let mut changes: Vec<_> = gone.map(|name| (name.clone(), PluginEventKind::PluginRemoved)).collect();
    for FolderPlugin { name, works, refused } in found {
        let refused = refused.map(|(reason, _)| reason);
        if known.get(&name).is_some_and(|known| (&known.works, &known.refused) == (&works, &refused)) {
            continue;
        }
        let kind = match (works, refused) {
            (keeps, Some(reason)) => PluginEventKind::PluginRefused { reason, keeps },
            (Some(record), None) => PluginEventKind::PluginLoaded { record },
            (None, None) => continue,
        };
        changes.push((name, kind));
    }
    changes
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        fold::plug,
        model::{PluginEvent, PluginRecord},
    };

    fn record(digest: &str) -> PluginRecord {
        PluginRecord {
            kind: "notifier".to_owned(),
            name: "ops".to_owned(),
            version: "1.0.0".to_owned(),
            digest: digest.to_owned(),
        }
    }

    fn plugin(name: &str, works: Option<&str>, refused: Option<&str>) -> FolderPlugin {
        FolderPlugin {
            name: name.to_owned(),
            works: works.map(record),
            refused: refused.map(|reason| (reason.to_owned(), None)),
        }
    }

    #[test]
    fn only_what_has_changed_is_put_on_record() {
        let mut known = BTreeMap::new();
        let mut look = |found: Vec<FolderPlugin>| {
            let changes = changes(&known, found);
            for (plugin, kind) in changes.clone() {
                let at = Timestamp::UNIX_EPOCH;
                match plug(&PluginEvent { plugin: plugin.clone(), at, kind }) {
                    Some(state) => drop(known.insert(plugin, state)),
                    None => drop(known.remove(&plugin)),
                }
            }
            changes
        };
        let loaded =
            |name: &str, digest| (name.to_owned(), PluginEventKind::PluginLoaded { record: record(digest) });
        let refused = |name: &str, reason: &str, keeps: Option<&str>| {
            let (reason, keeps) = (reason.to_owned(), keeps.map(record));
            (name.to_owned(), PluginEventKind::PluginRefused { reason, keeps })
        };
        assert_eq!(look(vec![]), []);
        assert_eq!(
            look(vec![plugin("a", Some("1"), None), plugin("b", None, Some("empty"))]),
            [loaded("a", "1"), refused("b", "empty", None)]
        );
        // As after a restart.
        assert_eq!(look(vec![plugin("a", Some("1"), None), plugin("b", None, Some("empty"))]), []);
        assert_eq!(
            look(vec![plugin("a", Some("1"), Some("truncated"))]),
            [("b".to_owned(), PluginEventKind::PluginRemoved), refused("a", "truncated", Some("1"))]
        );
        assert_eq!(look(vec![plugin("a", Some("1"), Some("truncated"))]), []);
        // The old one comes back, and a new one after it.
        assert_eq!(look(vec![plugin("a", Some("1"), None)]), [loaded("a", "1")]);
        assert_eq!(look(vec![plugin("a", Some("2"), None)]), [loaded("a", "2")]);
        // The old one was only in memory: after a restart nothing is kept.
        assert_eq!(look(vec![plugin("a", None, Some("empty"))]), [refused("a", "empty", None)]);
        assert_eq!(look(vec![]), [("a".to_owned(), PluginEventKind::PluginRemoved)]);
        assert_eq!(look(vec![]), []);
    }
}
