//! Policies that stand in a later chunk than their domains.
//!
//! A scan writes a policy down when it has come, and waits for none; so one that had to wait for its turn, or whose
//! host was slow, stands behind its domain. These are put into a file in the order of their coming, and fetched back
//! for the chunk of their domains; what is kept in memory of each is where it stands there.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use mxray_evidence::{PolicyRow, RunDir};

use crate::StudyError;

/// The late policies of a run, by the chunk of their domains.
pub(crate) struct LatePolicies {
    run: RunDir,
    file: File,
    places: HashMap<u32, Vec<Place>>,
}

/// Where a row stands in the file, as JSON.
struct Place {
    offset: u64,
    bytes: u64,
}

impl LatePolicies {
    /// Reads every policy of a run, and puts the late ones aside.
    pub(crate) fn gather(run: &RunDir) -> Result<Self, StudyError> {
        let failed = StudyError::file("putting aside the late policies of", run.root());
        let mut places: HashMap<u32, Vec<Place>> = HashMap::new();
        let mut written = Ok(());
        let file =
            tempfile::tempfile().map_err(StudyError::file("making a temporary file for", run.root()))?;
        let mut writer = BufWriter::new(&file);
        let mut offset = 0;
        run.for_each_with_chunk(|chunk, row: PolicyRow| {
            if row.chunk == chunk || written.is_err() {
                return;
            }
            written = serde_json::to_vec(&row).map_err(std::io::Error::from).and_then(|json| {
                places.entry(row.chunk).or_default().push(Place { offset, bytes: json.len() as u64 });
                offset += json.len() as u64;
                writer.write_all(&json)
            });
        })?;
        written.and_then(|()| writer.flush()).map_err(failed)?;
        drop(writer);
        Ok(Self { run: run.clone(), file, places })
    }

    /// The run.
    pub(crate) fn run(&self) -> &RunDir {
        &self.run
    }

    /// Those of the domains of a chunk.
    pub(crate) fn take(&mut self, chunk: u32) -> Result<Vec<PolicyRow>, StudyError> {
        let places = self.places.remove(&chunk).unwrap_or_default();
        let mut reader = BufReader::new(&self.file);
        let mut read = |Place { offset, bytes }| {
            reader.seek(SeekFrom::Start(offset))?;
            serde_json::from_reader((&mut reader).take(bytes)).map_err(std::io::Error::from)
        };
        let rows = places.into_iter().map(&mut read).collect::<std::io::Result<_>>();
        rows.map_err(StudyError::file(
            "reading the late policies of chunk",
            std::path::Path::new(&chunk.to_string()),
        ))
    }
}
