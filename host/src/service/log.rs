//! The host's own log: one line an event on standard error, for people, for a journal, or for machines.
//!
//! Owns the shape of a line. Names and messages come from dbt and from files: nothing in them ends a line or drives a
//! terminal.

mod line;

use std::{
    env, fmt,
    io::{self, Write},
    os::fd::AsFd,
    panic,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use tracing::{Event, Subscriber, subscriber::SetGlobalDefaultError};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt},
};

use line::Entry;

/// What of the log is shown, and how. For a verb's arguments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// How a line of the log looks
    #[arg(long = "log-format", value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,
    /// The least important lines that are logged
    #[arg(long = "log-level", value_name = "LEVEL", value_enum, default_value_t)]
    pub level: Level,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// How important a line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Level {
    /// What went wrong
    Error,
    /// What may go wrong
    Warn,
    /// What the host does
    #[default]
    Info,
    /// Everything
    Debug,
}

impl Level {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}

/// Logs to standard error from here on. A thread that panics is logged too.
///
/// # Errors
///
/// Where this process logs already.
pub fn start(options: Options) -> Result<(), SetGlobalDefaultError> {
    let look = Look {
        format: options.format,
        colour: anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never,
        journal: is_journal(),
    };
    tracing::subscriber::set_global_default(subscriber(options.level, look, Timestamp::now, io::stderr()))?;
    panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        tracing::error!(
            thread = thread.name().unwrap_or("unnamed"),
            at = panic.location().map(tracing::field::display),
            "a thread panicked, which is a bug: {}",
            panic.payload_as_str().unwrap_or("it did not say why")
        );
    }));
    Ok(())
}

fn subscriber(
    level: Level,
    look: Look,
    clock: fn() -> Timestamp,
    out: impl Write + Send + 'static,
) -> impl Subscriber + Send + Sync {
    let level = level.filter();
    // What libraries say of their own is for their authors.
    let targets = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("tidegate", level);
    Registry::default().with(Lines { look, clock, out: Mutex::new(out) }.with_filter(targets))
}

/// Where lines go, and so what they look like.
#[derive(Debug, Clone, Copy)]
struct Look {
    format: Format,
    colour: bool,
    /// The journal has the time already, and reads how important a line is from its beginning.
    journal: bool,
}

/// Writes each event as a line.
struct Lines<W> {
    look: Look,
    clock: fn() -> Timestamp,
    out: Mutex<W>,
}

impl<W: Write + Send + 'static, S: Subscriber> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry::new(*event.metadata().level(), (self.clock)());
        event.record(&mut entry);
        let line = match self.look.format {
            Format::Text => entry.text(self.look),
            Format::Json => entry.json(self.look),
        };
        // One write, so that lines of several processes do not mix. There is nobody to tell where it fails.
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

impl<W> fmt::Debug for Lines<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("look", &self.look).finish_non_exhaustive()
    }
}

/// Whether standard error goes to systemd's journal. The variable alone does not say so: it is inherited by whoever is
/// started with standard error elsewhere.
fn is_journal() -> bool {
    let Some(stream) = env::var("JOURNAL_STREAM").ok() else { return false };
    let Ok(stat) = nix::sys::stat::fstat(io::stderr().as_fd()) else { return false };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn clock() -> Timestamp {
        "2026-11-22T20:15:00.123456789Z".parse().unwrap()
    }

    const PLAIN: Look = Look { format: Format::Text, colour: false, journal: false };

    /// What a host could say, and what would be made of it.
    fn written(level: Level, look: Look) -> String {
        let paper = Paper::default();
        tracing::subscriber::with_default(subscriber(level, look, clock, paper.clone()), || {
            tracing::info!(job = "build", run = 12, "run {} of {} started", 12, "build");
            tracing::info!(
                job = "build",
                run = 12_u64,
                state = "warned",
                seconds = 14.5,
                late = false,
                "run 12 ended"
            );
            tracing::warn!(
                asset = "key with spaces",
                check = "a=b",
                quote = "say \"no\"",
                empty = "",
                "a check warned"
            );
            let nested = io::Error::other(std::fmt::Error);
            tracing::error!(error = &nested as &dyn std::error::Error, "the disk is full");
            tracing::error!(
                node = "model.shop.\u{1b}[31mred\nforged line level=info",
                message = "Database Error\n  line 2\tof\r\n\u{1b}]0;title\u{7} \u{9b}31m \u{202e}txet\u{2028}\u{7f} C:\\dbt é"
            );
            tracing::info!(level = "mine", timestamp = 1, r#type = "view", list = ?["a", "b"], "names that are taken");
            tracing::info!(only = "fields");
            tracing::debug!(folder = %"/srv/dbt", "looked");
            tracing::info!(target: "a_library", "for its authors");
            tracing::warn!(target: "a_library", "for everyone");
        });
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_for_people() {
        insta::assert_snapshot!(written(Level::Debug, PLAIN));
    }

    #[test]
    fn a_line_for_machines() {
        let written = written(Level::Debug, Look { format: Format::Json, ..PLAIN });
        for line in written.lines() {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            for key in ["timestamp", "level", "message"] {
                assert!(entry[key].is_string(), "{key}: {line}");
            }
        }
        insta::assert_snapshot!(written);
    }

    #[test]
    fn a_line_for_the_journal() {
        let journal = Look { journal: true, ..PLAIN };
        let text = written(Level::Info, journal);
        let json = written(Level::Info, Look { format: Format::Json, ..journal });
        insta::assert_snapshot!(text + &json);
    }

    #[test]
    fn nothing_that_is_logged_ends_a_line_or_drives_a_terminal() {
        for format in [Format::Text, Format::Json] {
            let written = written(Level::Debug, Look { format, ..PLAIN });
            let strange = written.chars().find(|c| {
                (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c) || *c == '\u{2028}'
            });
            assert_eq!(strange, None, "{written:?}");
            assert_eq!(written.lines().count(), 9, "{written}");
        }
    }

    #[test]
    fn colour_is_the_levels_alone() {
        let plain = written(Level::Debug, PLAIN);
        let coloured = written(Level::Debug, Look { colour: true, ..PLAIN });
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
        assert!(coloured.contains("\u{1b}[31m") || coloured.contains("\u{1b}[1m"), "{coloured:?}");
        let json = written(Level::Debug, Look { format: Format::Json, colour: true, ..PLAIN });
        assert!(!json.contains('\u{1b}'));
    }

    #[test]
    fn less_important_lines_are_left_out() {
        assert_eq!(written(Level::Error, PLAIN).lines().count(), 2);
        assert_eq!(written(Level::Warn, PLAIN).lines().count(), 4);
        assert_eq!(written(Level::Info, PLAIN).lines().count(), 8);
    }
}
