//! The journal: a line a committed chunk.
//!
//! A chunk exists when its line does. The line is appended and synced after the chunk's parts are on the disk
//! under their names, so that whatever a crash leaves behind, the lines that can be read are true. A last line
//! cut short by a crash is no line.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Counts, Micros};

/// A committed chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 0: entry `n` is line `n + 1` of the journal.
    pub chunk: u32,
    /// Its last line, counted from 1 in the order of the scan, which is the input's but for the window in which
    /// lines are shuffled; its first follows the last of the chunk before.
    pub last_line: u64,
    /// A digest over every line of the input up to the end of the window that `last_line` is in, so that a resumed run
    /// notices another input.
    pub input_digest: String,
    /// Rows it added to each table; `lines` are its lines of input.
    pub counts: Counts,
    /// When it was committed.
    pub committed: Micros,
}

/// The journal of a run, open for appending.
pub struct Journal {
    file: File,
    entries: Vec<Entry>,
}

impl Journal {
    /// Opens the journal, makes it if there is none, and cuts off what a crash left of a last line.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (entries, whole) = if path.exists() { scan(path)? } else { (Vec::new(), 0) };
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, entries })
    }

    /// The chunks committed so far, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Appends an entry and syncs it: when this returns, the chunk is committed.
    pub fn append(&mut self, entry: Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_all()?;
        self.entries.push(entry);
        Ok(())
    }
}

/// Reads the entries of a journal without touching it.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    if path.exists() { scan(path).map(|(entries, _)| entries) } else { Ok(Vec::new()) }
}

/// The entries, and the length in bytes of the whole lines that hold them.
fn scan(path: &Path) -> io::Result<(Vec<Entry>, u64)> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut entries: Vec<Entry> = Vec::new();
    let mut whole = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if length == 0 || line.last() != Some(&b'\n') {
            return Ok((entries, whole));
        }
        let entry: Entry = serde_json::from_slice(&line).map_err(|e| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("line {} of the journal {} is not an entry: {e}", entries.len() + 1, path.display()),
            )
        })?;
        if entry.chunk as usize != entries.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "the journal {} names chunk {} where {} was due",
                    path.display(),
                    entry.chunk,
                    entries.len()
                ),
            ));
        }
        entries.push(entry);
        whole += length as u64;
    }
}
