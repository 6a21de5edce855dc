//! Processes: how dbt is started, watched, stopped and read.
//!
//! An attempt at a step is one dbt process under one *attempt process* ([`supervise`]): this same binary, in a session of
//! its own, which owns dbt's pipes, appends every line to the attempt's log and records how dbt ended. It outlives the
//! host. The host starts it ([`spawn`]), tails its log ([`Tail`]), finds it again after a restart ([`is_alive`]), asks it to
//! stop ([`interrupt`]), and ends what it has left running where it was killed itself ([`end_orphans`]). This is the only
//! room that signals; it knows nothing of what the lines mean.

mod capture;
mod descriptors;
mod folder;
mod identity;
mod ladder;
mod lines;
mod log;
mod orphans;
mod pump;
mod scrub;
mod spawn;
mod supervise;
mod tail;
mod thread;

pub use capture::{capture, environment};
pub use descriptors::{most_descriptors, raise_descriptors};
pub use folder::{AttemptFolder, AttemptSpec, Caps, Processes, make_private, make_state_dir, write_durably};
pub use identity::{identify, interrupt, is_alive};
pub use ladder::Ladder;
pub use orphans::end_orphans;
pub use spawn::{program, spawn};
pub use supervise::supervise;
pub use tail::{LogFile, Tail};
