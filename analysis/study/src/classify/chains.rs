//! The certificates of a run, and the chains that servers showed of them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use mxray_evidence::{CertificateRow, Micros, RunDir, TlsObservation};
use mxray_rules::{ChainAssessment, assess_chain};

use super::Opinion;
use crate::StudyError;

/// Every certificate of a run by its digest, and what judges them.
pub(super) struct Chains<'a> {
    run: RunDir,
    ders: Ders,
    opinion: &'a Opinion,
    incomplete: u64,
}

impl<'a> Chains<'a> {
    pub(super) fn read(run: &RunDir, opinion: &'a Opinion) -> Result<Self, StudyError> {
        Ok(Self { run: run.clone(), ders: Ders::gather(run)?, opinion, incomplete: 0 })
    }

    /// Judges the chain that was shown for `host`, at the time asked for or else `seen`. `None` where no
    /// certificate was shown, or one of them was not committed.
    pub(super) fn assess(
        &mut self,
        tls: &TlsObservation,
        host: &str,
        seen: Micros,
    ) -> Result<Option<ChainAssessment>, StudyError> {
        if tls.chain.is_empty() {
            return Ok(None);
        }
        let at = self.at().unwrap_or(seen);
        let assessed =
            self.shown(tls)?.map(|chain| assess_chain(&slices(&chain), host, at, &self.opinion.store));
        self.incomplete += u64::from(assessed.is_none());
        Ok(assessed)
    }

    /// The certificates that were shown, leaf first; `None` where one of them was not committed.
    pub(super) fn shown(&self, tls: &TlsObservation) -> Result<Option<Vec<Vec<u8>>>, StudyError> {
        let shown = tls.chain.iter().map(|digest| self.ders.read(digest)).collect::<io::Result<_>>();
        shown.map_err(StudyError::file("reading the certificates of", self.run.root()))
    }

    /// The time at which dates are judged; `None` is that of each observation.
    pub(super) fn at(&self) -> Option<Micros> {
        self.opinion.at
    }

    /// Chains that could not be put together.
    pub(super) fn incomplete(&self) -> u64 {
        self.incomplete
    }
}

/// The certificates of a chain, as they are judged.
pub(super) fn slices(chain: &[Vec<u8>]) -> Vec<&[u8]> {
    chain.iter().map(Vec::as_slice).collect()
}

/// Certificates in a file: one after the other, each behind its length. What is kept in memory of each is where it
/// stands there, by the first half of its digest.
struct Ders {
    file: File,
    places: HashMap<[u8; 16], u64>,
}

/// Bytes of a length in the file.
const LENGTH_BYTES: usize = 4;

impl Ders {
    fn gather(run: &RunDir) -> Result<Self, StudyError> {
        let file =
            tempfile::tempfile().map_err(StudyError::file("making a temporary file for", run.root()))?;
        let mut writer = BufWriter::new(&file);
        let (mut places, mut end, mut written) = (HashMap::new(), 0, Ok(()));
        run.for_each::<CertificateRow>(|row| {
            if written.is_err() {
                return;
            }
            if let Some(digest) = half(&row.sha256) {
                let length = row.der.len() as u32;
                places.insert(digest, end);
                end += LENGTH_BYTES as u64 + u64::from(length);
                written = writer.write_all(&length.to_le_bytes()).and_then(|()| writer.write_all(&row.der));
            }
        })?;
        let written = written.and_then(|()| writer.flush());
        written.map_err(StudyError::file("putting aside the certificates of", run.root()))?;
        drop(writer);
        Ok(Self { file, places })
    }

    /// A certificate by its digest.
    fn read(&self, digest: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some(&place) = half(digest).and_then(|half| self.places.get(&half)) else { return Ok(None) };
        let mut length = [0; LENGTH_BYTES];
        self.file.read_exact_at(&mut length, place)?;
        let mut der = vec![0; u32::from_le_bytes(length) as usize];
        self.file.read_exact_at(&mut der, place + LENGTH_BYTES as u64)?;
        Ok(Some(der))
    }
}

/// The first half of a SHA-256: nobody brings two certificates to share it.
fn half(digest: &[u8]) -> Option<[u8; 16]> {
    digest.first_chunk().copied().filter(|_| digest.len() == 32)
}
