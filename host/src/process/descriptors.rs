//! How many files may be open at a time: here, and in what is started from here.

use std::{io, sync::OnceLock};

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// As many as anybody needs. More would only make those slow who look at each of them.
const MOST: rlim_t = 1 << 16;

/// The limit that was there before it was raised.
static BEFORE: OnceLock<rlim_t> = OnceLock::new();

/// Lets this process have as many files open as the system lets it. What it starts has the limit of before: some programs close
/// every file that there could be, one by one.
pub fn raise_descriptors() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = hard.min(MOST);
    if soft < wanted {
        let _ = BEFORE.set(soft);
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    Ok(())
}

/// How many files this process may have open.
pub fn most_descriptors() -> u64 {
    // What nobody knows is taken for what is usual.
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft)
}

/// The limit that whatever is started has to have; none where it is that of this process.
pub(super) fn of_children() -> Option<rlim_t> {
    BEFORE.get().copied()
}

/// Lets this process have only so many files open; it may raise that again.
pub(super) fn lower_descriptors(to: rlim_t) -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, to.min(hard), hard)
}
