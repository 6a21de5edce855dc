//! The engine that runs plugins, narrowed to what plugins need, and the one place that makes stores.
//!
//! Owns wasmtime's configuration, the limits of every call, and the verdict on a call that failed. Never runs two calls
//! in one instance: each call gets a store of its own, so nothing that a call does outlives it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    time::Instant,
};

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, Store, Trap, WasmBacktrace, component::Linker,
};
use wasmtime_wasi::I32Exit;

use super::{
    cache::Cache,
    error::{CallError, SandboxError},
    limits::{CallLimits, Limits, Meter, Shortage},
    ticker::{Ticker, ticks},
    wasi::{self, Log, Wasi},
};
use crate::model::CallCost;

/// Where plugins run. Cheap to clone; a host has one.
///
/// Calls are synchronous and take the thread that makes them: on an asynchronous runtime, make them from a thread that
/// may block. That thread needs 1 MiB of stack or more; every thread has, unless someone made it smaller.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
    limits: Arc<Limits>,
}

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    ticker: Ticker,
    cache: Option<Cache>,
    cache_trouble: Option<String>,
}

/// What a store holds beside the guest.
pub(super) struct State {
    meter: Meter,
    pub(super) wasi: Option<Wasi>,
    pub(super) log: Log,
}

/// Where a call has come to; an error means different things before and after.
#[derive(PartialEq)]
pub(super) enum Stage {
    /// The instance is being made.
    Instantiating,
    /// The function runs.
    Calling,
}

impl Sandbox {
    /// Sets the sandbox up. With a state directory, compiled components are kept in it.
    pub fn new(limits: Limits, state: Option<&Path>) -> Result<Self, SandboxError> {
        let failed = |error: &dyn std::fmt::Display| SandboxError(error.to_string());
        let engine = Engine::new(&config()).map_err(|e| failed(&e))?;
        let mut linker = Linker::new(&engine);
        wasi::add_to_linker(&mut linker).map_err(|e| failed(&e))?;
        let ticker = Ticker::start(&engine).map_err(|e| failed(&e))?;
        let (cache, cache_trouble) = match state.map(|state| Cache::open(state, compatibility(&engine))) {
            None => (None, None),
            Some(Ok(cache)) => (Some(cache), None),
            Some(Err(error)) => (None, Some(error.to_string())),
        };
        let inner = Inner { engine, linker, ticker, cache, cache_trouble };
        Ok(Self { inner: Arc::new(inner), limits: Arc::new(limits) })
    }

    /// What plugins may use here.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The same sandbox with other limits.
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self { inner: Arc::clone(&self.inner), limits: Arc::new(limits) }
    }

    /// Why compiled components are not kept although they should be.
    pub fn cache_trouble(&self) -> Option<&str> {
        self.inner.cache_trouble.as_deref()
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(super) fn linker(&self) -> &Linker<State> {
        &self.inner.linker
    }

    pub(super) fn cache(&self) -> Option<&Cache> {
        self.inner.cache.as_ref()
    }

    /// Runs one call in a store of its own, and measures it. The deadline covers everything in it, making the instance
    /// included.
    pub(super) fn measured<R>(
        &self,
        limits: &CallLimits,
        call: impl FnOnce(&mut Store<State>, &mut Stage) -> wasmtime::Result<R>,
    ) -> (Result<R, CallError>, CallCost) {
        let begun = Instant::now();
        let ticking = self.inner.ticker.tick();
        let mut store = self.store(limits);
        let mut stage = Stage::Instantiating;
        // A guest that makes the machinery panic is a bug of the machinery, and must not take the host with it.
        let outcome = catch_unwind(AssertUnwindSafe(|| call(&mut store, &mut stage)));
        drop(ticking);
        let cost = CallCost {
            micros: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            peak_memory: store.data().meter.peak(),
        };
        let outcome = match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(verdict(&error, store.data(), limits, &stage)),
            Err(_) => Err(CallError::Other(
                "the sandbox panicked, which is a bug of Tidegate's or wasmtime's".to_owned(),
            )),
        };
        (outcome, cost)
    }

    fn store(&self, call: &CallLimits) -> Store<State> {
        let limits = &*self.limits;
        let state = State { meter: Meter::new(limits, call), wasi: None, log: Log::new(limits.log) };
        let mut store = Store::new(&self.inner.engine, state);
        store.limiter(|state| &mut state.meter);
        store.set_epoch_deadline(ticks(call.time));
        store.set_hostcall_fuel(call.answer);
        store.set_max_component_handles(limits.handles);
        store
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        // With neither clock nor chance, the bits of a NaN are the last thing that could differ between two machines.
        .cranelift_nan_canonicalization(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .max_wasm_stack(512 << 10)
        .wasm_backtrace_max_frames(NonZeroUsize::new(16))
        // Pooling would save 20 µs a call, and wants address space and ten more figures.
        .allocation_strategy(InstanceAllocationStrategy::OnDemand);
    config
}

/// Tells engines apart whose compiled code does not fit the other: by wasmtime's version, its configuration, the machine.
fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn verdict(error: &wasmtime::Error, state: &State, limits: &CallLimits, stage: &Stage) -> CallError {
    let text = format!("{error:#}");
    let refused = state.meter.refused();
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match (trap, refused) {
            (Trap::Interrupt, _) => CallError::TimedOut(limits.time),
            (Trap::StackOverflow, _) => CallError::StackOverflow,
            // What a guest does when it is refused memory is to panic.
            (_, Some(shortage)) => CallError::OutOfMemory(shortage),
            (trap, None) => CallError::Trapped { reason: reason(*trap, error), log: state.log.text() },
        };
    }
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        return CallError::Trapped { reason: format!("it exited with code {code}"), log: state.log.text() };
    }
    if text.contains("fuel allocated for hostcalls") {
        return CallError::TooMuchData(limits.answer);
    }
    if text.contains("resource limit exceeded") {
        return CallError::OutOfMemory(Shortage::Parts);
    }
    match (refused, stage) {
        (Some(shortage), _) => CallError::OutOfMemory(shortage),
        (None, Stage::Calling) => CallError::BadAnswer(innermost(error)),
        (None, Stage::Instantiating) => CallError::Other(text),
    }
}

/// The trap in words, and where, if the plugin kept the names of its functions.
fn reason(trap: Trap, error: &wasmtime::Error) -> String {
    let what = match trap {
        Trap::UnreachableCodeReached => "it panicked or aborted".to_owned(),
        other => other.to_string().trim_start_matches("wasm trap: ").to_owned(),
    };
    let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames).unwrap_or_default();
    let names: Vec<_> = frames.iter().filter_map(|frame| frame.func_name()).take(3).collect();
    if names.is_empty() { what } else { format!("{what}, in {}", names.join(", called by ")) }
}

/// The first cause: around it stand wasmtime's own words on where it came up.
fn innermost(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_machinery_is_an_error_of_the_call() {
        let sandbox = Sandbox::new(Limits::default(), None).unwrap();
        let limits = sandbox.limits().for_call(0, 0);
        let error =
            sandbox.measured(&limits, |_, _| -> wasmtime::Result<()> { panic!("on purpose") }).0.unwrap_err();
        assert!(matches!(&error, CallError::Other(text) if text.contains("panicked")), "{error}");
        assert_eq!(sandbox.measured(&limits, |_, _| Ok(1)).0, Ok(1));
    }

    #[test]
    fn engines_with_other_settings_have_other_artifacts() {
        let other = Engine::new(config().epoch_interruption(false)).unwrap();
        let engine = || Engine::new(&config()).unwrap();
        assert_eq!(compatibility(&engine()), compatibility(&engine()));
        assert_ne!(compatibility(&engine()), compatibility(&other));
    }
}
