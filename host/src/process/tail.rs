//! Reading an attempt's log: following it while dbt runs, and going through it afterwards.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
};

use zeekstd::SeekTable;

use super::AttemptFolder;

/// A log, plain or compressed, as a stream of what dbt said.
pub enum LogFile {
    /// While dbt runs, or when compressing failed.
    Plain(BufReader<File>),
    /// Once dbt has ended.
    Compressed(Unpacked),
}

/// What is unpacked of a file.
pub type Unpacked = Box<BufReader<zstd::Decoder<'static, BufReader<File>>>>;

impl LogFile {
    /// Opens the log of an attempt; none where nothing has been said.
    pub fn open(folder: &AttemptFolder) -> io::Result<Option<Self>> {
        // The plain one is removed after the compressed one is there: one of the two looks finds it.
        for _ in 0..2 {
            match File::open(folder.log()) {
                Ok(file) => return Ok(Some(Self::Plain(BufReader::with_capacity(256 << 10, file)))),
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                Err(_) => {}
            }
            match File::open(folder.compressed_log()) {
                Ok(file) => {
                    return Ok(Some(Self::Compressed(unpacked(file)?)));
                }
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Goes on so many bytes behind its beginning; to be called before anything is read.
    pub fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.seek(SeekFrom::Start(bytes)).map(drop),
            Self::Compressed(unpacking) => {
                let mut file = unpacking.get_ref().get_ref().get_ref().try_clone()?;
                let (compressed, plain) = frame_of(&mut file, bytes).unwrap_or_default();
                file.seek(SeekFrom::Start(compressed))?;
                *unpacking = unpacked(file)?;
                io::copy(&mut unpacking.take(bytes - plain), &mut io::sink()).map(drop)
            }
        }
    }
}

fn unpacked(file: File) -> io::Result<Unpacked> {
    Ok(Box::new(BufReader::new(zstd::Decoder::new(file)?)))
}

/// Where the frame begins that an offset of the plain log is in: in the file, and in the plain log. None where the file has no table
/// of its frames: then it was compressed as a whole.
fn frame_of(file: &mut File, offset: u64) -> Option<(u64, u64)> {
    let table = SeekTable::from_seekable(file).ok()?;
    let frame = table.frame_index_decomp(offset);
    let (compressed, plain) = (table.frame_start_comp(frame).ok()?, table.frame_start_decomp(frame).ok()?);
    (plain <= offset).then_some((compressed, plain))
}

impl Read for LogFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Compressed(file) => file.read(buffer),
        }
    }
}

impl BufRead for LogFile {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Plain(file) => file.fill_buf(),
            Self::Compressed(file) => file.fill_buf(),
        }
    }

    fn consume(&mut self, n: usize) {
        match self {
            Self::Plain(file) => file.consume(n),
            Self::Compressed(file) => file.consume(n),
        }
    }
}

/// Follows a log from an offset on. What it hands out does not depend on how often it is asked, nor on whether the log is
/// compressed meanwhile.
pub struct Tail {
    folder: AttemptFolder,
    file: Option<LogFile>,
    /// Behind the last whole line that was handed out.
    offset: u64,
    buffer: Vec<u8>,
}

impl Tail {
    /// Follows from an offset, which is that of a line's beginning.
    pub fn new(folder: AttemptFolder, offset: u64) -> Self {
        Self { folder, file: None, offset, buffer: Vec::new() }
    }

    /// Behind the last line that was handed out, in bytes of the plain log.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Hands out the whole lines that are there now, without their ends, up to about a megabyte; says whether there may
    /// be more at once. `last` says that nobody writes any more: then a line without an end is a line too.
    pub fn poll(&mut self, last: bool, mut line: impl FnMut(&[u8])) -> io::Result<bool> {
        if self.file.is_none()
            && let Some(mut file) = LogFile::open(&self.folder)?
        {
            // Not kept before it is where it should be: the next look begins anew.
            file.skip(self.offset)?;
            self.file = Some(file);
        }
        let Some(file) = &mut self.file else { return Ok(false) };
        let known = self.buffer.len();
        let result = file.take(1 << 20).read_to_end(&mut self.buffer);
        let read = self.buffer.len() - known;
        // What was known has no line's end in it.
        let end = self.buffer[known..].iter().rposition(|b| *b == b'\n').map_or(0, |end| known + end + 1);
        for one in self.buffer[..end].split_inclusive(|b| *b == b'\n') {
            line(one.strip_suffix(b"\n").unwrap_or(one));
        }
        self.offset += end as u64;
        self.buffer.drain(..end);
        result?;
        let more = read > 0;
        if last && !more && !self.buffer.is_empty() {
            line(&self.buffer);
            self.offset += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(more)
    }
}
