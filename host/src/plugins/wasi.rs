//! WASI for language runtimes that cannot live without it: everything is there, and nothing is granted.
//!
//! Owns what a plugin finds behind `wasi:*`: no files, no sockets, no names to look up, no environment, no arguments, an
//! empty standard input. Clocks and randomness are constants of every call, so that an answer depends on the input alone
//! and can be replayed; waiting for time to pass takes none. What a plugin writes to its standard streams is kept for
//! the error that it may cause, up to a cap. Never gives a plugin anything of the machine's.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::{
    Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView,
    cli::{IsTerminal, StdoutStream},
    p2::{
        DynPollable, OutputStream, Pollable, StreamResult,
        bindings::clocks::monotonic_clock::{self, Duration as Nanoseconds, Instant},
        subscribe,
    },
};

use super::sandbox::State;

/// The first second of 2020: some runtimes take a time near zero for a clock that is broken.
const NOW: Duration = Duration::from_secs(1_577_836_800);

/// The interfaces behind which a plugin finds nothing.
const GRANTED: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// Whether an import is one of those that every plugin may have.
pub(super) fn is_granted(import: &str) -> bool {
    GRANTED.iter().any(|prefix| import.starts_with(prefix))
        && import.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."))
}

/// What a store holds for WASI; made when a plugin first asks for any of it.
pub(super) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
    clock: Clock,
}

impl Wasi {
    fn new(log: &Log) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(256);
        let clock = Clock::default();
        let context = WasiCtx::builder()
            // What is left needs no runtime to wait for: nothing here ever waits.
            .allow_blocking_current_thread(true)
            .stdout(log.clone())
            .stderr(log.clone())
            .wall_clock(clock.clone())
            .monotonic_clock(clock.clone())
            .secure_random(noise())
            .insecure_random(noise())
            .insecure_random_seed(0x7469_6465_6761_7465)
            .max_random_size(64 << 10)
            .build();
        Self { context, table, clock }
    }
}

/// The same bytes in every call: were they drawn from the input, an answer could depend on the nodes beside its own.
fn noise() -> Deterministic {
    let mut bytes = vec![0; 4096];
    blake3::Hasher::new_derive_key("tidegate plugins: randomness").finalize_xof().fill(&mut bytes);
    Deterministic::new(bytes)
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}

impl State {
    fn wasi(&mut self) -> &mut Wasi {
        let log = &self.log;
        self.wasi.get_or_insert_with(|| Wasi::new(log))
    }
}

/// Makes `wasi:*` known to a linker.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    // The usual clock would let a plugin sleep: in the host, where no deadline reaches it.
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<State, Clocks>(linker, |state| {
        let wasi = state.wasi();
        Ticks { clock: &wasi.clock, table: &mut wasi.table }
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// A clock that stands still, but for a microsecond a look, so that a loop that waits for time to pass ends.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        NOW
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1000
    }

    fn now(&self) -> u64 {
        self.0.fetch_add(1000, Ordering::Relaxed)
    }
}

struct Clocks;

impl HasData for Clocks {
    type Data<'a> = Ticks<'a>;
}

/// The plugin's side of the clock.
struct Ticks<'a> {
    clock: &'a Clock,
    table: &'a mut ResourceTable,
}

impl Ticks<'_> {
    fn elapsed(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let elapsed = self.table.push(Elapsed)?;
        subscribe(self.table, elapsed)
    }
}

impl monotonic_clock::Host for Ticks<'_> {
    fn now(&mut self) -> wasmtime::Result<Instant> {
        Ok(HostMonotonicClock::now(self.clock))
    }

    fn resolution(&mut self) -> wasmtime::Result<Instant> {
        Ok(HostMonotonicClock::resolution(self.clock))
    }

    fn subscribe_instant(&mut self, when: Instant) -> wasmtime::Result<Resource<DynPollable>> {
        self.clock.0.fetch_max(when, Ordering::Relaxed);
        self.elapsed()
    }

    fn subscribe_duration(&mut self, duration: Nanoseconds) -> wasmtime::Result<Resource<DynPollable>> {
        let later = self.clock.0.load(Ordering::Relaxed).saturating_add(duration);
        self.clock.0.fetch_max(later, Ordering::Relaxed);
        self.elapsed()
    }
}

/// A wait that is over.
struct Elapsed;

#[wasmtime_wasi::async_trait]
impl Pollable for Elapsed {
    async fn ready(&mut self) {}
}

/// What a plugin wrote to its standard streams: the end of it.
#[derive(Clone)]
pub(super) struct Log {
    tail: Arc<Mutex<Vec<u8>>>,
    keep: usize,
}

impl Log {
    pub(super) fn new(keep: usize) -> Self {
        Self { tail: Arc::default(), keep }
    }

    /// The last lines, cleaned of what would disturb a terminal; empty where nothing was written.
    pub(super) fn text(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let end = &tail[tail.len().saturating_sub(self.keep)..];
        String::from_utf8_lossy(end)
            .chars()
            .filter(|c| *c == '\n' || *c == '\t' || !c.is_control())
            .collect::<String>()
            .trim()
            .to_owned()
    }

    fn append(&self, bytes: &[u8]) {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&bytes[bytes.len().saturating_sub(self.keep)..]);
        // Cut rarely, so that a million short lines are not moved a million times.
        if tail.len() > self.keep * 2 {
            let surplus = tail.len() - self.keep;
            tail.drain(..surplus);
        }
    }
}

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Log {
    async fn ready(&mut self) {}
}

impl OutputStream for Log {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for Log {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, std::io::Error>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wasi_of_the_second_preview_is_granted() {
        assert!(is_granted("wasi:io/poll@0.2.6"));
        assert!(is_granted("wasi:sockets/tcp@0.2.0"));
        assert!(!is_granted("wasi:http/outgoing-handler@0.2.0"));
        assert!(!is_granted("wasi:clocks/wall-clock@0.3.0"));
        assert!(!is_granted("wasi:clocks/wall-clock"));
        assert!(!is_granted("tidegate:host/run@0.2.0"));
    }

    #[test]
    fn the_log_keeps_the_end() {
        let log = Log::new(8);
        for i in 0..1000 {
            log.append(format!("line {i}\n").as_bytes());
        }
        assert_eq!(log.text(), "ine 999");
        assert!(log.tail.lock().unwrap().len() <= 16);
        log.append(b"\x1b[31mred\x07");
        assert_eq!(log.text(), "[31mred");
    }

    #[test]
    fn the_clock_moves_only_when_looked_at() {
        let clock = Clock::default();
        assert_eq!(HostMonotonicClock::now(&clock), 0);
        assert_eq!(HostMonotonicClock::now(&clock), 1000);
        assert_eq!(HostWallClock::now(&clock), HostWallClock::now(&clock));
    }
}
