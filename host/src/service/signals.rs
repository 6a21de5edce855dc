//! Signals to a host that runs as a service, as values on a channel.

use std::{io, sync::mpsc, thread};

use signal_hook::{consts, iterator::Signals};

/// What someone asks for by a signal. Each one that arrives is sent, the second of a kind too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGTERM: a service manager wants the host to end.
    Terminate,
    /// SIGINT: someone at a terminal does.
    Interrupt,
}

impl Signal {
    /// Its name, for logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reload => "SIGHUP",
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }

    fn of(number: i32) -> Option<Self> {
        Some(match number {
            consts::SIGHUP => Self::Reload,
            consts::SIGTERM => Self::Terminate,
            consts::SIGINT => Self::Interrupt,
            _ => return None,
        })
    }
}

/// Takes the three signals over for the rest of this process's life, and sends each to `to`. When nobody listens there any
/// more, SIGTERM and SIGINT end the process: it must not become deaf.
///
/// # Errors
///
/// Where the system lets nobody listen, or there is no thread to be had.
pub fn listen<T: From<Signal> + Send + 'static>(to: mpsc::Sender<T>) -> io::Result<()> {
    let mut signals = Signals::new([consts::SIGHUP, consts::SIGTERM, consts::SIGINT])?;
    thread::Builder::new().name("signals".to_owned()).stack_size(256 << 10).spawn(move || {
        for number in signals.forever() {
            let Some(signal) = Signal::of(number) else { continue };
            if to.send(signal.into()).is_err() && signal != Signal::Reload {
                let _ = signal_hook::low_level::emulate_default_handler(number);
            }
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn every_signal_arrives_the_second_one_of_a_kind_too() {
        let (to, signals) = mpsc::channel::<Signal>();
        listen(to).unwrap();
        let sent = [consts::SIGHUP, consts::SIGTERM, consts::SIGTERM, consts::SIGINT, consts::SIGINT];
        let heard: Vec<_> = sent
            .into_iter()
            .map(|number| {
                raise(number).unwrap();
                signals.recv().unwrap().name()
            })
            .collect();
        assert_eq!(heard, ["SIGHUP", "SIGTERM", "SIGTERM", "SIGINT", "SIGINT"]);
    }

    /// A reader of the host's output may go away. Rust's runtime ignores the signal for every binary.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_closed_pipe_is_an_error_and_no_end() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
        let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
        assert_ne!(ignored & (1 << (consts::SIGPIPE - 1)), 0, "{ignored:x}");
    }
}
