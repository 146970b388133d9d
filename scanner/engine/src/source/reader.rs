//! One input: opened, unpacked, and looked into.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::lines::{is_content, without_mark};
use super::shape::Shape;
use super::{Input, LINE_BYTES_MAX, SourceError};

/// Bytes looked at to find the first line with anything on it.
const PEEK_BYTES_MAX: usize = 1 << 20;
/// Bytes read at a time.
const BUFFER_BYTES: usize = 128 << 10;
/// Bytes that tell one kind of file from another.
const MAGIC_BYTES: usize = 6;

/// An input from its first line on, and what its lines look like.
pub(super) struct InputReader {
    pub(super) bytes: Box<dyn BufRead + Send>,
    pub(super) shape: Shape,
}

impl InputReader {
    /// Opens and looks. `counter` counts the bytes taken from the file, as they are stored.
    pub(super) fn open(
        input: &Input,
        column: Option<&str>,
        counter: Arc<AtomicU64>,
    ) -> Result<Self, SourceError> {
        let read = |source| SourceError::Read { input: input.to_string(), source };
        let raw: Box<dyn Read + Send> = match input {
            Input::Path(path) => Box::new(open_file(path).map_err(read)?),
            Input::Stdin => Box::new(io::stdin()),
        };
        let mut raw = Counted { inner: raw, counter };
        let magic = peek(&mut raw, |seen| seen.len() >= MAGIC_BYTES, MAGIC_BYTES).map_err(read)?;
        if let Some((kind, advice)) = refused_kind(&magic) {
            return Err(SourceError::Kind { input: input.to_string(), kind, advice });
        }
        let is_gzip = magic.starts_with(b"\x1f\x8b");
        let is_zstd = magic.starts_with(b"\x28\xb5\x2f\xfd");
        let raw = Cursor::new(magic).chain(BufReader::with_capacity(BUFFER_BYTES, raw));
        let mut bytes: Box<dyn BufRead + Send> = if is_gzip {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(raw)))
        } else if is_zstd {
            let decoder = zstd::stream::read::Decoder::with_buffer(raw).map_err(read)?;
            Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
        } else {
            Box::new(raw)
        };
        let start = peek(&mut bytes, |seen| first_content(seen).is_some(), PEEK_BYTES_MAX).map_err(read)?;
        let shape = Shape::detect(first_content_or_rest(&start), column)
            .map_err(|source| SourceError::Shape { input: input.to_string(), source })?;
        Ok(Self { bytes: Box::new(Cursor::new(start).chain(bytes)), shape })
    }
}

/// Opens a file; a folder is said to be one here, not at the first read.
fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

/// Kinds of file that would only give rejects, and what to do with them.
fn refused_kind(magic: &[u8]) -> Option<(&'static str, &'static str)> {
    let kinds: [(&[u8], &str, &str); 6] = [
        (b"PK\x03\x04", "a zip archive", "unpack it and pipe it in: unzip -p FILE | mxray scan -"),
        (b"BZh", "bzip2", "unpack it and pipe it in: bzcat FILE | mxray scan -"),
        (b"\xfd7zXZ", "xz", "unpack it and pipe it in: xzcat FILE | mxray scan -"),
        (b"PAR1", "Parquet", "write its domain column to a CSV file first"),
        (b"\xff\xfe", "UTF-16", "convert it first: iconv -f UTF-16 -t UTF-8 FILE"),
        (b"\xfe\xff", "UTF-16", "convert it first: iconv -f UTF-16 -t UTF-8 FILE"),
    ];
    kinds.iter().find(|(start, ..)| magic.starts_with(start)).map(|&(_, kind, advice)| (kind, advice))
}

/// Reads until there is enough, or the end, or the cap.
fn peek(reader: &mut impl Read, enough: impl Fn(&[u8]) -> bool, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut seen = Vec::new();
    let mut piece = [0; LINE_BYTES_MAX];
    while !enough(&seen) && seen.len() < bytes_max {
        let room = piece.len().min(bytes_max - seen.len());
        match reader.read(&mut piece[..room]) {
            Ok(0) => break,
            Ok(length) => seen.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(seen)
}

/// The first whole line with anything on it.
fn first_content(bytes: &[u8]) -> Option<&[u8]> {
    let (whole, _) = bytes.split_at(bytes.iter().rposition(|&byte| byte == b'\n')?);
    without_mark(whole).split(|&byte| byte == b'\n').find(|line| is_content(line))
}

/// The same, when no more will come: a last line without an end is one too.
fn first_content_or_rest(bytes: &[u8]) -> Option<&[u8]> {
    without_mark(bytes).split(|&byte| byte == b'\n').find(|line| is_content(line))
}

/// Counts what is read through it.
struct Counted<R> {
    inner: R,
    counter: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.counter.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
