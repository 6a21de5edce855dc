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

use zeekstd::{EncodeOptions, FrameSizePolicy};

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

/// So many bytes of a file are compressed by themselves: whoever wants to read from some place on unpacks no more than that before it.
const FRAME: u32 = 1 << 20;

/// Compresses a file that nobody writes any more into `FILE.zst`, in frames, with a table of them at its end. The plain one goes only
/// when the compressed one is safe; whoever has it open reads on.
pub(super) fn compress(path: &Path) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".zst");
    let compressed = PathBuf::from(&name);
    name.push(".new");
    let fresh = PathBuf::from(name);
    let written = (|| {
        let mut file = create_private(&fresh)?;
        let options = EncodeOptions::new().compression_level(1);
        let options = options.frame_size_policy(FrameSizePolicy::Uncompressed(FRAME));
        let mut encoder = options.into_encoder(&mut file).map_err(io::Error::other)?;
        io::copy(&mut File::open(path)?, &mut encoder)?;
        encoder.finish().map_err(io::Error::other)?;
        file.sync_all()?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::process::LogFile;

    /// More than three frames of lines.
    fn text() -> Vec<u8> {
        let lines =
            (0..70_000).map(|n| format!("{{\"line\": {n}, \"of\": \"a log that is long enough\"}}\n"));
        lines.collect::<String>().into_bytes()
    }

    fn compressed(text: &[u8]) -> (tempfile::TempDir, AttemptFolder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = AttemptFolder(dir.path().to_owned());
        fs::write(folder.log(), text).unwrap();
        compress(&folder.log()).unwrap();
        assert!(!folder.log().exists());
        (dir, folder)
    }

    fn rest(folder: &AttemptFolder, from: usize) -> Vec<u8> {
        let mut file = LogFile::open(folder).unwrap().unwrap();
        file.skip(from as u64).unwrap();
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).unwrap();
        rest
    }

    #[test]
    fn a_compressed_log_is_the_same_from_any_place_on() {
        let text = text();
        assert!(text.len() > 3 * FRAME as usize);
        let (_dir, folder) = compressed(&text);
        let frame = FRAME as usize;
        for from in
            [0, 1, frame - 1, frame, frame + 1, 2 * frame + 77, text.len() - 1, text.len(), text.len() + 9]
        {
            assert!(rest(&folder, from) == text[from.min(text.len())..], "from {from}");
        }
        // For any other tool it is a file like others.
        assert!(zstd::decode_all(File::open(folder.compressed_log()).unwrap()).unwrap() == text);
        let (_dir, folder) = compressed(b"");
        assert_eq!((rest(&folder, 0), rest(&folder, 7)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_is_before_the_frame_of_a_place_is_not_unpacked() {
        let text = text();
        let (_dir, folder) = compressed(&text);
        let mut bytes = fs::read(folder.compressed_log()).unwrap();
        bytes[100..1_000].fill(0);
        fs::write(folder.compressed_log(), bytes).unwrap();
        let mut file = LogFile::open(&folder).unwrap().unwrap();
        assert!(file.read_to_end(&mut Vec::new()).is_err(), "the first frame is broken");
        let from = 2 * FRAME as usize + 77;
        assert!(rest(&folder, from) == text[from..]);
    }

    #[test]
    fn a_log_that_was_compressed_as_a_whole_is_read_too() {
        let text = text();
        let (_dir, folder) = compressed(b"");
        fs::write(folder.compressed_log(), zstd::encode_all(&text[..], 1).unwrap()).unwrap();
        for from in [0, 1, FRAME as usize + 5, text.len()] {
            assert!(rest(&folder, from) == text[from..], "from {from}");
        }
    }
}
