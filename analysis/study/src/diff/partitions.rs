//! Files in which what runs hold of a name is put together: which file, is told by a digest of the name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use std::path::Path;

use mxray_evidence::Micros;
use mxray_rules::{Standing, TlsaStanding};
use serde::{Deserialize, Serialize};

use crate::StudyError;

/// Domains over all runs that one file is meant for: some 200 MB when it is read.
const DOMAINS_A_FILE: u64 = 200_000;
/// Files open at a time.
const FILES_MAX: u64 = 256;

/// What a run holds of a name.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Spilled {
    /// Of a domain.
    Domain(Standing),
    /// Of an MX host: one session.
    Session {
        at: Micros,
        /// SHA-256 of the leaf; `None` where it showed none, or was not asked itself.
        leaf: Option<[u8; 32]>,
        not_after: Option<Micros>,
        /// Of its TLSA records, those that match what it showed.
        matching: Vec<String>,
    },
    /// Of an MX host: its TLSA records.
    Tlsa(TlsaStanding),
}

/// A line of a file.
#[derive(Serialize, Deserialize)]
struct Line<N, S> {
    /// `d` or `h`, and the name: a domain may have the name of a host.
    n: N,
    /// The run.
    r: usize,
    s: S,
}

/// The files, while they are filled.
pub(super) struct Partitions {
    files: Vec<BufWriter<File>>,
}

/// A file, filled.
pub(super) struct Partition {
    file: File,
}

impl Partitions {
    pub(super) fn create(domains: u64) -> Result<Self, StudyError> {
        let files = domains.div_ceil(DOMAINS_A_FILE).clamp(1, FILES_MAX);
        let made =
            (0..files).map(|_| tempfile::tempfile().map(BufWriter::new)).collect::<std::io::Result<_>>();
        Ok(Self { files: made.map_err(failed)? })
    }

    pub(super) fn put(&mut self, run: usize, name: &str, spilled: &Spilled) -> Result<(), StudyError> {
        let kind = if matches!(spilled, Spilled::Domain(_)) { 'd' } else { 'h' };
        // FNV-1a: the same file each time.
        let digest = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let place = (digest % self.files.len() as u64) as usize;
        let line = Line { n: format!("{kind}{name}"), r: run, s: spilled };
        let file = &mut self.files[place];
        serde_json::to_writer(&mut *file, &line).map_err(std::io::Error::from).map_err(failed)?;
        file.write_all(b"\n").map_err(failed)
    }

    pub(super) fn finish(self) -> Result<Vec<Partition>, StudyError> {
        let finish = |writer: BufWriter<File>| {
            let mut file = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            file.rewind()?;
            Ok(Partition { file })
        };
        self.files.into_iter().map(finish).collect::<std::io::Result<_>>().map_err(failed)
    }
}

impl Partition {
    /// What all runs hold of each name, by name; of a name, in the order of the runs.
    pub(super) fn read(self) -> Result<BTreeMap<String, Vec<(usize, Spilled)>>, StudyError> {
        let mut names: BTreeMap<String, Vec<(usize, Spilled)>> = BTreeMap::new();
        let mut reader = BufReader::new(self.file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            let read: Line<String, Spilled> =
                serde_json::from_slice(&line).map_err(std::io::Error::from).map_err(failed)?;
            names.entry(read.n).or_default().push((read.r, read.s));
            line.clear();
        }
        Ok(names)
    }
}

fn failed(source: std::io::Error) -> StudyError {
    StudyError::file("using a temporary file in", Path::new(&std::env::temp_dir()))(source)
}
