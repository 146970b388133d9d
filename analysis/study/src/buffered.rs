//! A part writer that is given rows one by one.

use std::path::Path;

use mxray_evidence::{FinishedPart, PartError, PartLabel, PartWriter, Table};

/// Rows gathered before they are written at a time.
const ROWS_BUFFERED: usize = 4_096;

/// A part writer that is given rows one by one.
pub(crate) struct Buffered<T> {
    writer: PartWriter<T>,
    rows: Vec<T>,
}

impl<T: Table> Buffered<T> {
    /// Opens `path`, which has its name once it is finished and published.
    pub(crate) fn create(path: &Path, label: &PartLabel) -> Result<Self, PartError> {
        Ok(Self { writer: PartWriter::create(path, label)?, rows: Vec::with_capacity(ROWS_BUFFERED) })
    }

    pub(crate) fn write(&mut self, rows: impl IntoIterator<Item = T>) -> Result<(), PartError> {
        self.rows.extend(rows);
        if self.rows.len() >= ROWS_BUFFERED { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), PartError> {
        self.writer.write(&self.rows)?;
        self.rows.clear();
        Ok(())
    }

    /// Rows given so far.
    pub(crate) fn rows(&self) -> u64 {
        self.writer.rows() + self.rows.len() as u64
    }

    pub(crate) fn finish(mut self) -> Result<FinishedPart, PartError> {
        self.flush()?;
        self.writer.finish()
    }
}
