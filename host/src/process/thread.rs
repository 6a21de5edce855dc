//! Threads that are there before what they are for, so that a process is never started that nobody could look after.

use std::{io, sync::mpsc, thread};

/// Starts a thread that waits for its value. It ends when the sender is dropped without having sent one.
pub(super) fn waiting<T: Send + 'static>(
    name: &str,
    work: impl FnOnce(T) + Send + 'static,
) -> io::Result<mpsc::Sender<T>> {
    let (sender, value) = mpsc::channel();
    thread::Builder::new().name(name.to_owned()).stack_size(256 << 10).spawn(move || {
        if let Ok(value) = value.recv() {
            work(value);
        }
    })?;
    Ok(sender)
}
