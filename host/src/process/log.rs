//! The attempt's log, as the attempt process writes it: whole lines, scrubbed, within its caps, and patient when the disk
//! is full. It never fails: what cannot be kept is counted.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    AttemptFolder, Caps,
    folder::{create_private, sync_dir},
    lines::boundary,
    scrub::Scrubber,
};
use crate::crash;

/// How often a full disk is asked again.
const PAUSE: Duration = Duration::from_millis(250);

/// Writes a log.
#[derive(Debug)]
pub(super) struct LogWriter {
    file: File,
    scrubber: Scrubber,
    caps: Caps,
    written: u64,
    /// Lines that were not kept.
    lost: u64,
    /// Those of them since the last line that was.
    hole: u64,
    /// The cap is reached.
    full: bool,
    /// The file does not end with a line's end.
    torn: bool,
    /// A full disk is not waited for any more.
    hurry: Arc<AtomicBool>,
}

impl LogWriter {
    pub(super) fn create(folder: &AttemptFolder, scrubber: Scrubber, caps: Caps) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(folder.log())?;
        let hurry = Arc::default();
        let written = file.metadata()?.len();
        Ok(Self { file, scrubber, caps, written, lost: 0, hole: 0, full: false, torn: false, hurry })
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Set it, and a full disk is not waited for any more.
    pub(super) fn hurry(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.hurry)
    }

    pub(super) fn longest_line(&self) -> usize {
        self.caps.line
    }

    pub(super) fn scrubber(&self) -> &Scrubber {
        &self.scrubber
    }

    /// Appends whole lines.
    pub(super) fn append(&mut self, lines: &[u8]) {
        if self.full {
            self.lost += count(lines);
            return;
        }
        let clean = self.scrubber.scrub(lines);
        self.keep(clean.as_deref().unwrap_or(lines));
    }

    /// Appends a line of which there is more than is kept. It is cut behind the scrubber, which sees a secret only as a
    /// whole.
    pub(super) fn append_beginning(&mut self, line: &[u8]) {
        let clean = self.scrubber.scrub(line);
        let line = clean.as_deref().unwrap_or(line);
        let mut line = line[..boundary(line, self.caps.line)].to_vec();
        line.extend_from_slice(b" [tidegate: the rest of this line was cut]\n");
        self.keep(&line);
    }

    fn keep(&mut self, lines: &[u8]) {
        if self.full {
            self.lost += count(lines);
            return;
        }
        let room = usize::try_from(self.caps.log.saturating_sub(self.written)).unwrap_or(usize::MAX);
        if lines.len() <= room {
            return self.write(lines);
        }
        let end = lines[..room].iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        self.write(&lines[..end]);
        self.lost += count(&lines[end..]);
        self.full = true;
        let mark = format!("[tidegate: the log has reached its cap of {} bytes]\n", self.caps.log);
        let lost = self.lost;
        self.write(mark.as_bytes());
        // The mark is no line of dbt's.
        self.lost = lost;
    }

    fn write(&mut self, mut bytes: &[u8]) {
        if self.hole > 0 && !self.close_hole() {
            return self.lose(bytes);
        }
        let begun = Instant::now();
        let patience = Duration::from_millis(self.caps.patience_ms);
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(n) if n > 0 => {
                    self.torn = bytes[n - 1] != b'\n';
                    bytes = &bytes[n..];
                    self.written += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // dbt is held up meanwhile, since nobody reads its pipes: a line is worth a wait.
                _ if begun.elapsed() < patience && !self.hurry.load(Ordering::Relaxed) => {
                    thread::sleep(PAUSE)
                }
                _ => return self.lose(bytes),
            }
        }
    }

    /// Lines were lost, so nothing is waited for any more until the disk takes a mark of where they are missing.
    fn close_hole(&mut self) -> bool {
        let end = if self.torn { "\n" } else { "" };
        let mark = format!("{end}[tidegate: {} lines could not be written]\n", self.hole);
        let n = match self.file.write(mark.as_bytes()) {
            Ok(n) if n > 0 => n,
            _ => return false,
        };
        self.torn = mark.as_bytes()[n - 1] != b'\n';
        self.written += n as u64;
        if n == mark.len() {
            self.hole = 0;
        }
        n == mark.len()
    }

    fn lose(&mut self, lines: &[u8]) {
        self.lost += count(lines);
        self.hole += count(lines);
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|b| **b == b'\n').count() as u64
}

/// Compresses a file that nobody writes any more into `FILE.zst`. The plain one goes only when the compressed one is safe;
/// whoever has it open reads on.
pub(super) fn compress(path: &Path) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".zst");
    let compressed = PathBuf::from(&name);
    name.push(".new");
    let fresh = PathBuf::from(name);
    let written = (|| {
        let mut encoder = zstd::Encoder::new(create_private(&fresh)?, 1)?;
        io::copy(&mut File::open(path)?, &mut encoder)?;
        encoder.finish()?.sync_all()?;
        fs::rename(&fresh, &compressed)
    })();
    if let Err(e) = written {
        // Half a file helps nobody, least of all on a full disk.
        let _ = fs::remove_file(&fresh);
        return Err(e);
    }
    path.parent().map_or(Ok(()), sync_dir)?;
    crash::point("attempt.mid-compress");
    fs::remove_file(path)
}
