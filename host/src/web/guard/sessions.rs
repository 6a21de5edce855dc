//! Sessions of browsers: what one gets for a token, good for a month, signed with a key of this host's own; and those that have
//! ended before their time.
//!
//! A session carries its time and is bound to its token, so that nothing is kept of those that go on: they outlive a restart of
//! the host and end with their token.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

use crate::process::write_durably;

/// How long a session is good.
pub const LASTS: SignedDuration = SignedDuration::from_hours(30 * 24);

const PREFIX: &str = "tgs_";

/// The sessions of a host.
pub struct Sessions {
    key: [u8; 32],
    /// Where it is on record which have ended.
    file: PathBuf,
    /// Those that have ended, by their ids, until the second at which they would have ended anyway.
    ended: Mutex<BTreeMap<String, i64>>,
    /// Held while the file is written.
    writing: Mutex<()>,
}

/// What a session says of itself.
struct Said<'a> {
    id: &'a str,
    until: i64,
    signature: Vec<u8>,
}

impl<'a> Said<'a> {
    fn by(session: &'a str) -> Option<Self> {
        let mut parts = session.strip_prefix(PREFIX)?.split('.');
        let (id, until, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        parts.next().is_none().then_some(Self { id, until: until.parse().ok()?, signature })
    }
}

impl Sessions {
    /// The sessions of the host of a state directory. Its key is made where there is none yet: then all have to log in again.
    ///
    /// # Errors
    ///
    /// Where the key or what has ended cannot be read, or the key cannot be made.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let file = state_dir.join("sessions.ended");
        let ended = match fs::read_to_string(&file) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let ended = ended.lines().filter_map(|line| {
            let (id, until) = line.split_once(' ')?;
            Some((id.to_owned(), until.parse().ok()?))
        });
        let (ended, key) = (Mutex::new(ended.collect()), key(&state_dir.join("session.key"))?);
        Ok(Self { key, file, ended, writing: Mutex::default() })
    }

    /// Begins a session of a token, which is named by what its sessions are bound to.
    ///
    /// # Errors
    ///
    /// Where the system gives no random numbers.
    pub fn begin(&self, of: &str, now: Timestamp) -> Result<String, getrandom::Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        let id = URL_SAFE_NO_PAD.encode(id);
        let until = now.as_second().saturating_add(LASTS.as_secs());
        let signature = self.mac(&id, until, of).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
        Ok(format!("{PREFIX}{id}.{until}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Whether a session is one of this token, and goes on. Compares in constant time.
    pub fn is_of(&self, session: &str, of: &str, now: Timestamp) -> bool {
        let Some(Said { id, until, signature }) = Said::by(session) else { return false };
        let is_signed = self.mac(id, until, of).is_some_and(|mac| mac.verify_slice(&signature).is_ok());
        is_signed && until > now.as_second() && !lock(&self.ended).contains_key(id)
    }

    /// Ends a session that goes on.
    ///
    /// # Errors
    ///
    /// Where that cannot be put on record: it has ended until the host is started again.
    pub fn end(&self, session: &str, now: Timestamp) -> io::Result<()> {
        let Some(Said { id, until, .. }) = Said::by(session) else { return Ok(()) };
        let _writing = lock(&self.writing);
        let text: String = {
            let mut ended = lock(&self.ended);
            ended.retain(|_, until| *until > now.as_second());
            ended.insert(id.to_owned(), until);
            ended.iter().map(|(id, until)| format!("{id} {until}\n")).collect()
        };
        write_durably(&self.file, text.as_bytes())
    }

    fn mac(&self, id: &str, until: i64, of: &str) -> Option<Hmac<Sha256>> {
        // A key of any length will do.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(format!("{id}.{until}.{of}").as_bytes());
        Some(mac)
    }
}

/// The key in a file, which nobody but the owner can read.
fn key(file: &Path) -> io::Result<[u8; 32]> {
    let known = match fs::read(file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    if let Ok(key) = known.try_into() {
        return Ok(key);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    write_durably(file, &key)?;
    Ok(key)
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_session_ends_with_its_time_its_token_or_its_end_whatever_the_browser_keeps() {
        let dir = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let sessions = Sessions::open(dir.path()).unwrap();
        let (one, other) = (sessions.begin("a", now).unwrap(), sessions.begin("a", now).unwrap());
        assert_ne!(one, other);
        assert!(sessions.is_of(&one, "a", now) && !sessions.is_of(&one, "b", now));
        let last = now + LASTS - SignedDuration::from_secs(1);
        assert!(sessions.is_of(&one, "a", last) && !sessions.is_of(&one, "a", now + LASTS));
        // The next host knows them, and which have ended.
        sessions.end(&one, now).unwrap();
        let next = Sessions::open(dir.path()).unwrap();
        for sessions in [&sessions, &next] {
            assert!(!sessions.is_of(&one, "a", now) && sessions.is_of(&other, "a", now));
        }
        // What has ended anyway is not kept.
        next.end(&other, now + LASTS).unwrap();
        let kept = fs::read_to_string(dir.path().join("sessions.ended")).unwrap();
        assert_eq!(kept.lines().count(), 1, "{kept}");
        let mode = |name| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("session.key"), mode("sessions.ended")), (0o600, 0o600));
    }

    #[test]
    fn nobody_makes_a_session_longer_or_one_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let sessions = Sessions::open(dir.path()).unwrap();
        let session = sessions.begin("a", now).unwrap();
        let parts: Vec<_> = session.split('.').collect();
        let [id, until, signature] = parts[..] else { panic!("{session}") };
        let until: i64 = until.parse().unwrap();
        for odd in [
            format!("{id}.{}.{signature}", until + 1),
            format!("{id}x.{until}.{signature}"),
            format!("{id}.{until}."),
            format!("{id}.{until}"),
            format!("{session}.x"),
            session[1..].to_owned(),
            String::new(),
        ] {
            assert!(!sessions.is_of(&odd, "a", now), "{odd}");
        }
        fs::remove_file(dir.path().join("session.key")).unwrap();
        assert!(!Sessions::open(dir.path()).unwrap().is_of(&session, "a", now), "another key");
    }
}
