//! A plugin as a component: read, checked, compiled, and not yet taken for any kind of plugin.
//!
//! Owns what may be compiled, for how long, and what is known of a component before it runs. Accepts WebAssembly in its
//! binary format alone; the only native code that it loads is the cache's, after the seal has been checked.

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use sha2::{Digest, Sha256};
use wasmtime::{
    Engine,
    component::{Component, types::ComponentItem},
};

use super::{
    cache::Found,
    error::{LoadError, LoadFault},
    sandbox::Sandbox,
    source::PluginSource,
    wasi,
};

/// A compiled component.
pub struct Plugin {
    source: String,
    component: Component,
    digest: String,
    size: u64,
    origin: Origin,
    told: AtomicBool,
    imports: Vec<String>,
    exports: Vec<String>,
}

/// How a component came to be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was in the cache.
    Cached,
    /// It was compiled now, and is in the cache if there is one.
    Compiled,
    /// It was compiled now because the cache could not be used; says why.
    CacheUnusable(String),
}

impl Sandbox {
    /// Opens a plugin. Takes a while where it has to be compiled: 40 ms for Rust, 15 s for Python.
    pub fn open(&self, source: &PluginSource) -> Result<Plugin, LoadError> {
        self.open_inner(source).map_err(|fault| fault.of(source))
    }

    fn open_inner(&self, source: &PluginSource) -> Result<Plugin, LoadFault> {
        let bytes = source.read(self.limits().component_size)?;
        sniff(&bytes)?;
        let digest = hex(&Sha256::digest(&bytes));
        let size = bytes.len() as u64;
        let (component, origin) = self.compiled(&digest, bytes)?;
        let (imports, exports) = self.surface(&component);
        Ok(Plugin {
            source: source.to_string(),
            component,
            digest,
            size,
            origin,
            told: AtomicBool::new(false),
            imports,
            exports,
        })
    }

    fn compiled(&self, digest: &str, bytes: Cow<'static, [u8]>) -> Result<(Component, Origin), LoadFault> {
        let Some(cache) = self.cache() else {
            return Ok((self.compile(bytes)?, Origin::Compiled));
        };
        let trouble = match cache.find(digest) {
            Found::Nothing => None,
            Found::Unusable(why) => Some(why),
            Found::Artifact(artifact) => match deserialize(self.engine(), &artifact) {
                Ok(component) => return Ok((component, Origin::Cached)),
                Err(error) => Some(format!("wasmtime refuses what it holds: {error}")),
            },
        };
        let component = self.compile(bytes)?;
        let kept = component
            .serialize()
            .map_err(|e| e.to_string())
            .and_then(|artifact| cache.store(digest, &artifact).map_err(|e| e.to_string()));
        Ok((component, trouble.or(kept.err()).map_or(Origin::Compiled, Origin::CacheUnusable)))
    }

    fn compile(&self, bytes: Cow<'static, [u8]>) -> Result<Component, LoadFault> {
        let engine = self.engine().clone();
        let compile = move || Component::from_binary(&engine, &bytes);
        within(self.limits().compile_time, compile)?.map_err(|error| fault(&error))
    }

    fn surface(&self, component: &Component) -> (Vec<String>, Vec<String>) {
        let (engine, kind) = (self.engine(), component.component_type());
        let imports = kind
            .imports(engine)
            .filter(|(_, item)| !only_types(engine, &item.ty))
            .map(|(name, _)| name.to_owned())
            .collect();
        let exports = kind
            .exports(engine)
            .filter(|(_, item)| !only_types(engine, &item.ty))
            .map(|(name, _)| name.to_owned())
            .collect();
        (imports, exports)
    }
}

impl Plugin {
    /// The plugin's source as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The sha256 of the component's bytes, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The component's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How it came to be compiled.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Why it was compiled although it had been before, for the first one who asks.
    pub fn recompiled(&self) -> Option<&str> {
        match &self.origin {
            Origin::CacheUnusable(why) if !self.told.swap(true, Ordering::Relaxed) => Some(why),
            _ => None,
        }
    }

    /// The interfaces that it imports. This is the list of its permissions: what is not in it, it cannot do.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The interfaces and functions that it exports.
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    /// The first import that no plugin gets.
    pub(super) fn denied_import(&self) -> Option<&String> {
        self.imports.iter().find(|import| !wasi::is_granted(import))
    }

    pub(super) fn component(&self) -> &Component {
        &self.component
    }
}

/// Runs a compiler on a thread of its own. It cannot be stopped: past its time it is left to itself, and its result is
/// thrown away.
fn within<T: Send + 'static>(
    limit: Duration,
    compile: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LoadFault> {
    let (send, receive) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("plugin-compiler".to_owned())
        .stack_size(8 << 20)
        .spawn(move || {
            // Whoever asked may have gone.
            send.send(catch_unwind(AssertUnwindSafe(compile))).ok();
        })
        .map_err(|e| LoadFault::Compiler(e.to_string()))?;
    match receive.recv_timeout(limit) {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(_)) => Err(LoadFault::Compiler("it panicked".to_owned())),
        Err(_) => Err(LoadFault::CompileTimeout(limit)),
    }
}

/// Loads native code.
#[expect(unsafe_code, reason = "wasmtime has no other way to load what it compiled")]
fn deserialize(engine: &Engine, artifact: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `artifact` is what `Component::serialize` gave to `Cache::store`: `Cache::find` returned it, which checks a
    // MAC over all of it with a key that only this user can read. It is memory of ours, so no change of the file reaches
    // it any more. That wasmtime's version and settings are the same is checked by wasmtime itself.
    unsafe { Component::deserialize(engine, artifact) }
}

/// Interfaces of types have nothing to call, so they grant nothing.
fn only_types(engine: &Engine, item: &ComponentItem) -> bool {
    match item {
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).all(|(_, item)| only_types(engine, &item.ty))
        }
        ComponentItem::Type(_) | ComponentItem::Resource(_) => true,
        _ => false,
    }
}

/// Tells what is no component from its first bytes, in better words than a parser would have.
fn sniff(bytes: &[u8]) -> Result<(), LoadFault> {
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const CORE: &[u8] = b"\0asm\x01\0\0\0";
    if bytes.is_empty() {
        Err(LoadFault::Empty)
    } else if bytes.starts_with(COMPONENT) {
        Ok(())
    } else if bytes.starts_with(CORE) {
        Err(LoadFault::CoreModule)
    } else if COMPONENT.starts_with(bytes) {
        Err(LoadFault::Truncated { offset: bytes.len() as u64 })
    } else if bytes.starts_with(b"\0asm") {
        Err(LoadFault::Invalid {
            offset: Some(4),
            detail: "its version of WebAssembly is not known".to_owned(),
        })
    } else if bytes.starts_with(b"\x7fELF") {
        // wasmtime's own artifacts are ELF files.
        Err(LoadFault::NativeCode)
    } else if bytes.trim_ascii_start().starts_with(b"(") || bytes.trim_ascii_start().starts_with(b";;") {
        Err(LoadFault::TextFormat)
    } else {
        Err(LoadFault::NotWasm)
    }
}

/// The compiler's error as one of ours. Its text is all that it gives.
fn fault(error: &wasmtime::Error) -> LoadFault {
    // One test goes through the features that are switched off, so a change of these words shows.
    const FEATURE: [&str; 5] =
        [" must be enabled", " not enabled", " disabled", " proposal", "multiple memories"];
    let text = error.root_cause().to_string();
    // The parser puts the offset behind its sentence, and the compiler of a function's body puts it in front.
    let body =
        text.strip_prefix("Invalid input WebAssembly code at offset ").and_then(|rest| rest.split_once(": "));
    let (detail, offset) = match (body, text.rsplit_once(" (at offset ")) {
        (Some((offset, detail)), _) | (None, Some((detail, offset))) => {
            (detail.to_owned(), parse_offset(offset))
        }
        (None, None) => (text, None),
    };
    if detail.contains("unexpected end") {
        return LoadFault::Truncated { offset: offset.unwrap_or_default() };
    }
    // A part that says it is longer than the file is told by the parser without an offset.
    if let Some((part, bound)) = detail.rsplit_once(" is out of bounds (bound = ")
        && part.starts_with("section range ")
    {
        return LoadFault::Truncated { offset: parse_offset(bound).unwrap_or_default() };
    }
    if FEATURE.iter().any(|words| detail.contains(words)) {
        return LoadFault::NeedsFeature { feature: detail };
    }
    LoadFault::Invalid { offset, detail }
}

fn parse_offset(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(')');
    match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_that_panics_or_takes_too_long_is_an_error() {
        let error = within::<()>(Duration::from_secs(60), || panic!("on purpose")).unwrap_err();
        assert_eq!(error.to_string(), "the compiler gave up on it: it panicked");
        let slow = || thread::sleep(Duration::from_secs(5));
        assert!(matches!(within(Duration::from_millis(1), slow), Err(LoadFault::CompileTimeout(_))));
    }

    #[test]
    fn first_bytes_tell_what_a_file_is() {
        assert!(sniff(b"\0asm\x0d\0\x01\0rest").is_ok());
        let fault = |bytes: &[u8]| format!("{:?}", sniff(bytes).unwrap_err());
        assert_eq!(fault(b""), "Empty");
        assert_eq!(fault(b"\0asm\x01\0\0\0"), "CoreModule");
        assert_eq!(fault(b"\0asm\x0d"), "Truncated { offset: 5 }");
        assert_eq!(fault(b"\x7fELF\x02"), "NativeCode");
        assert_eq!(fault(b" \n(component)"), "TextFormat");
        assert_eq!(fault(b";; text\n(component)"), "TextFormat");
        assert_eq!(fault(b"<html>"), "NotWasm");
        assert!(fault(b"\0asm\x09\0\x01\0").starts_with("Invalid"));
    }
}
