//! The configuration that the host works by, and how it is exchanged while the host works: as a whole, or not at all.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::{Mail, Message, Refusal, post};
use crate::{
    config::{self, Config},
    model::{By, HostEventKind},
    plugins::Catalogue,
};

/// The configuration of a host.
pub struct Configuration {
    /// Held only to exchange it: everybody asks for it all the time.
    current: Mutex<Arc<Config>>,
    /// Held while the file is read and what it says takes effect: the last one to read is the last one to be heard.
    reloading: Mutex<()>,
    /// The state directory that the file names, whatever the host was told.
    named: PathBuf,
    mail: Mail,
    catalogue: Catalogue,
    /// Told whenever another one is in force.
    news: watch::Sender<()>,
}

impl Configuration {
    pub(super) fn new(config: Arc<Config>, mail: Mail, catalogue: Catalogue) -> Self {
        let named = config.named_state_dir.clone();
        post::check_settings(&catalogue, &config);
        Self {
            current: Mutex::new(config),
            reloading: Mutex::default(),
            named,
            mail,
            catalogue,
            news: watch::Sender::new(()),
        }
    }

    /// What the host works by.
    pub fn current(&self) -> Arc<Config> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Word of each time that another one is in force.
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Reads the file again, and says what changed. A file with mistakes changes nothing; the host then remembers why, until
    /// a sound one is read.
    pub fn reload(&self, by: &By) -> Result<Vec<String>, Refusal> {
        let _reloading = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current();
        match Config::load(&current.file, Some(&current.state_dir)) {
            Ok(new) => {
                let changes = config::differences(&current, &new);
                if current.plugins_dir != new.plugins_dir {
                    tracing::warn!(
                        plugins_dir = new.plugins_dir.display().to_string(),
                        "the file names another `plugins_dir`: that takes a restart"
                    );
                }
                if current.web.listen != new.web.listen {
                    tracing::warn!("the file names another `listen` in `[web]`: that takes a restart");
                }
                let new = Arc::new(new);
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
                self.news.send_replace(());
                // Settings beside a notifier name destinations, which may be there only now.
                post::check_settings(&self.catalogue, &new);
                let _ = self.mail.send(Message::Configure(Arc::clone(&new)));
                // A file that is saved as it was is nobody's doing.
                if !changes.is_empty() {
                    let (by, changes) = (by.clone(), changes.clone());
                    let kind = HostEventKind::ConfigurationReloaded { by, changes };
                    let _ = self.mail.send(Message::Note { kind, answer: None });
                }
                for change in &changes {
                    tracing::info!("configuration: {change}");
                }
                if new.named_state_dir != self.named {
                    tracing::warn!(
                        state_dir = new.named_state_dir.display().to_string(),
                        "the file names another `state_dir`: that takes a restart, and until then other commands look \
                         for this host there in vain"
                    );
                }
                Ok(changes)
            }
            Err(e) => {
                let message = format!("{e}\nthe host goes on with what it had");
                tracing::error!(
                    problem = e.to_string(),
                    "the configuration was refused; the host goes on with what it had"
                );
                let _ = self.mail.send(Message::Misconfigured(Some(e.to_string())));
                let kind = HostEventKind::ConfigurationRefused { by: by.clone(), problem: e.to_string() };
                let _ = self.mail.send(Message::Note { kind, answer: None });
                Err(Refusal { message, hint: e.hint().map(str::to_owned) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, sync::mpsc, thread, time::Duration};

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn a_file_that_is_slow_to_read_keeps_nobody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tidegate.toml");
        fs::write(&file, "[projects.shop]\n").unwrap();
        let config = Arc::new(Config::load(&file, None).unwrap());
        let (mail, _messages) = mpsc::channel();
        let catalogue = Catalogue::open(dir.path(), &dir.path().join("plugins")).unwrap();
        let configuration = Arc::new(Configuration::new(config, mail, catalogue));
        fs::remove_file(&file).unwrap();
        mkfifo(&file, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let reading = Arc::clone(&configuration);
        let reload = thread::spawn(move || reading.reload(&By::new("ada", "test")));
        // Opened as soon as it is being read.
        let mut slow = fs::File::options().write(true).open(&file).unwrap();
        let (answer, answers) = mpsc::channel();
        let asking = Arc::clone(&configuration);
        thread::spawn(move || answer.send(asking.current()));
        let current = answers.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(current.projects.contains_key("shop"));
        slow.write_all(b"nonsense").unwrap();
        drop(slow);
        reload.join().unwrap().unwrap_err();
    }
}
