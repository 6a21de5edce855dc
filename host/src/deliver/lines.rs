//! Lines at the end of a file, and lines on standard output.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::Duration,
};

use super::{Delivered, DeliveryError};

/// How often another writer is looked for, and how long is waited in between.
const LOOKS: u32 = 500;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Adds lines to a file, which is made where it is not there. On the disk when this returns.
pub(super) fn append(path: &Path, body: &[u8]) -> Result<Delivered, DeliveryError> {
    let whole = whole(body)?;
    let name = || path.display();
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(DeliveryError::later(format!("{} is not a file", name())));
    }
    let mut options = OpenOptions::new();
    let mut file = options.read(true).append(true).create(true).mode(0o600).open(path).map_err(|e| {
        DeliveryError::later(match e.kind() {
            ErrorKind::NotFound => format!("{}: its folder is not there", name()),
            _ => format!("{} cannot be opened: {e}", name()),
        })
    })?;
    lock(&file)
        .and_then(|()| write(&mut file, &whole))
        .map_err(|e| DeliveryError::later(format!("{} cannot be written to: {e}", name())))?;
    Ok(Delivered { status: None, said: format!("{} added", bytes(whole.len())) })
}

/// Has the file to itself until it is closed: the end of a line that another one is writing is not to be seen.
fn lock(file: &File) -> io::Result<()> {
    for _ in 0..LOOKS {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN_LOOKS),
            Err(TryLockError::Error(e)) => return Err(e),
        }
    }
    Err(io::Error::other("someone else keeps it locked"))
}

/// One write, so that lines of several writers are never mixed. Of what did not fit nothing is left behind.
fn write(file: &mut File, whole: &[u8]) -> io::Result<()> {
    let length = file.metadata()?.len();
    // Whoever wrote before may have been ended in the middle of a line.
    let torn = length > 0 && {
        let mut last = [0];
        file.seek(SeekFrom::Start(length - 1))?;
        file.read_exact(&mut last)?;
        last != *b"\n"
    };
    let joined;
    let whole = if torn {
        joined = [b"\n", whole].concat();
        &joined
    } else {
        whole
    };
    let written = file.write(whole)?;
    if written < whole.len() {
        if file.metadata()?.len() == length + written as u64 {
            file.set_len(length)?;
        }
        return Err(io::Error::other("there is no room for it"));
    }
    file.sync_all()
}

/// Prints lines to this process's standard output.
pub(super) fn print(body: &[u8]) -> Result<Delivered, DeliveryError> {
    let whole = whole(body)?;
    print_to(&mut io::stdout().lock(), &whole)
        .map_err(|e| DeliveryError::later(format!("standard output cannot be written to: {e}")))?;
    Ok(Delivered { status: None, said: format!("{} printed", bytes(whole.len())) })
}

/// Prints lines to this process's standard error.
pub(super) fn print_aside(body: &[u8]) -> Result<Delivered, DeliveryError> {
    let whole = whole(body)?;
    print_to(&mut io::stderr().lock(), &whole)
        .map_err(|e| DeliveryError::later(format!("standard error cannot be written to: {e}")))?;
    Ok(Delivered { status: None, said: format!("{} printed", bytes(whole.len())) })
}

/// Nothing that a notifier writes may drive the terminal at the other end.
pub(super) fn print_to(out: &mut impl Write, whole: &[u8]) -> io::Result<()> {
    let text: String = String::from_utf8_lossy(whole)
        .chars()
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c })
        .collect();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn whole(body: &[u8]) -> Result<Vec<u8>, DeliveryError> {
    if body.iter().all(|b| b"\r\n".contains(b)) {
        return Err(DeliveryError::never("the notifier gives no line to write"));
    }
    let mut whole = body.to_vec();
    if whole.last() != Some(&b'\n') {
        whole.push(b'\n');
    }
    Ok(whole)
}

fn bytes(count: usize) -> String {
    format!("{count} bytes")
}
