//! What a plugin may use: how long a call may take, and how much it may hold.
//!
//! Owns the figures, how they grow with the work, and the count of what was refused. Never ends a call itself: it says
//! no, and the sandbox draws the conclusion.
//!
//! A call that translates `n` nodes, which are `b` bytes together with the configuration, gets
//!
//! | | formula | with the defaults, 250 nodes of 4 KiB |
//! | --- | --- | --- |
//! | time | `call_time + n × time_per_node` | 2 s + 250 × 20 ms = 7 s |
//! | memory | `memory + 8 × b`, at most `memory_ceiling` | 64 MiB + 7.8 MiB |
//! | answer | `answer + 4 × b`, at most `memory_ceiling` | 16 MiB + 3.9 MiB |
//!
//! Eight times, because a guest holds its input, parses the JSON in it (a tree is several times its text), and holds its
//! output. Time is wall time: a machine that is busy with dbt slows a plugin down, so the figures are generous. They are
//! for mistakes, not for tuning: Rust needs 40 µs a call, Python 1 ms.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;
use wasmtime::ResourceLimiter;

const MIB: usize = 1 << 20;

/// What every plugin may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest component that is read, in bytes.
    pub component_size: u64,
    /// How long compiling a component may take.
    pub compile_time: Duration,
    /// How long a call may take, before the nodes are counted.
    pub call_time: Duration,
    /// How much longer it may take for each node.
    pub time_per_node: Duration,
    /// Linear memory of a call, in bytes, all memories together, before the input is counted.
    pub memory: usize,
    /// What a call's answer may hold, in bytes, before the input is counted.
    pub answer: usize,
    /// What memory and answer never grow beyond, in bytes.
    pub memory_ceiling: usize,
    /// Core instances, of which a component of a language runtime has more than twenty.
    pub instances: usize,
    /// Linear memories.
    pub memories: usize,
    /// Tables.
    pub tables: usize,
    /// Elements of all tables together.
    pub table_elements: usize,
    /// Handles of resources.
    pub handles: usize,
    /// How much is kept of what a plugin writes to its standard streams, in bytes; the end is kept.
    pub log: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_size: 64 << 20,
            compile_time: Duration::from_secs(120),
            call_time: Duration::from_secs(2),
            time_per_node: Duration::from_millis(20),
            memory: 64 * MIB,
            answer: 16 * MIB,
            memory_ceiling: 1024 * MIB,
            instances: 64,
            memories: 8,
            tables: 32,
            table_elements: 200_000,
            handles: 1024,
            log: 4096,
        }
    }
}

/// What one call may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallLimits {
    /// How long it may take, in milliseconds.
    #[serde(rename = "milliseconds", serialize_with = "as_milliseconds")]
    #[schema(value_type = u64)]
    pub time: Duration,
    /// Linear memory, in bytes.
    pub memory: usize,
    /// The answer, in bytes.
    pub answer: usize,
}

fn as_milliseconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

impl Limits {
    /// What a call may use that works on so many nodes, which are so many bytes.
    pub fn for_call(&self, nodes: usize, bytes: usize) -> CallLimits {
        let nodes = u32::try_from(nodes).unwrap_or(u32::MAX);
        CallLimits {
            time: self.call_time.saturating_add(self.time_per_node.saturating_mul(nodes)),
            memory: self.memory.saturating_add(bytes.saturating_mul(8)).min(self.memory_ceiling),
            answer: self.answer.saturating_add(bytes.saturating_mul(4)).min(self.memory_ceiling),
        }
    }
}

/// What ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Linear memory; the limit in bytes.
    Memory(usize),
    /// Elements of tables; the limit.
    TableElements(usize),
    /// Instances, tables or memories: there would be too many of one of them.
    Parts,
}

/// Counts what the guest of one store holds, and what it was refused.
pub(super) struct Meter {
    memory: usize,
    memory_limit: usize,
    elements: usize,
    limits: Limits,
    refused: Option<Shortage>,
}

impl Meter {
    pub(super) fn new(limits: &Limits, call: &CallLimits) -> Self {
        Self { memory: 0, memory_limit: call.memory, elements: 0, limits: limits.clone(), refused: None }
    }

    /// The most linear memory that it has held, in bytes: memories never shrink.
    pub(super) fn peak(&self) -> u64 {
        self.memory as u64
    }

    /// What was refused last.
    pub(super) fn refused(&self) -> Option<Shortage> {
        self.refused
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.memory_limit {
            self.refused = Some(Shortage::Memory(self.memory_limit));
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.elements.saturating_add(desired.saturating_sub(current));
        if total > self.limits.table_elements {
            self.refused = Some(Shortage::TableElements(self.limits.table_elements));
            return Ok(false);
        }
        self.elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.tables
    }

    fn memories(&self) -> usize {
        self.limits.memories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_grow_with_the_work_up_to_the_ceiling() {
        let limits = Limits::default();
        let chunk = limits.for_call(250, MIB);
        assert_eq!(chunk.time, Duration::from_secs(7));
        assert_eq!(chunk.memory, 72 * MIB);
        assert_eq!(chunk.answer, 20 * MIB);
        let absurd = limits.for_call(usize::MAX, usize::MAX);
        assert_eq!((absurd.memory, absurd.answer), (1024 * MIB, 1024 * MIB));
    }

    #[test]
    fn memories_and_tables_are_counted_together() {
        let limits = Limits { table_elements: 10, ..Limits::default() };
        let call = CallLimits { time: Duration::ZERO, memory: 100, answer: 0 };
        let mut meter = Meter::new(&limits, &call);
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(!meter.memory_growing(0, 60, None).unwrap());
        assert_eq!(meter.refused(), Some(Shortage::Memory(100)));
        assert!(meter.memory_growing(60, 100, None).unwrap());
        assert!(meter.table_growing(0, 6, None).unwrap());
        assert!(!meter.table_growing(0, 6, None).unwrap());
        assert_eq!(meter.refused(), Some(Shortage::TableElements(10)));
    }
}
