//! The certificates of a run, and the chains that servers showed of them.

use std::collections::HashMap;

use mxray_evidence::{CertificateRow, Micros, RunDir, TlsObservation};
use mxray_rules::{ChainAssessment, assess_chain};

use super::Opinion;
use crate::StudyError;

/// Every certificate of a run by its digest, and what judges them.
pub(super) struct Chains<'a> {
    ders: HashMap<[u8; 32], Box<[u8]>>,
    opinion: &'a Opinion,
    incomplete: u64,
}

impl<'a> Chains<'a> {
    pub(super) fn read(run: &RunDir, opinion: &'a Opinion) -> Result<Self, StudyError> {
        let mut ders = HashMap::new();
        run.for_each::<CertificateRow>(|row| {
            if let Ok(digest) = <[u8; 32]>::try_from(row.sha256.as_slice()) {
                ders.insert(digest, row.der.into_vec().into_boxed_slice());
            }
        })?;
        Ok(Self { ders, opinion, incomplete: 0 })
    }

    /// Judges the chain that was shown for `host`, at the time asked for or else `seen`. `None` where no
    /// certificate was shown, or one of them was not committed.
    pub(super) fn assess(
        &mut self,
        tls: &TlsObservation,
        host: &str,
        seen: Micros,
    ) -> Option<ChainAssessment> {
        if tls.chain.is_empty() {
            return None;
        }
        let assessed = self
            .ders(tls)
            .map(|chain| assess_chain(&chain, host, self.at().unwrap_or(seen), &self.opinion.store));
        self.incomplete += u64::from(assessed.is_none());
        assessed
    }

    /// The certificates that were shown, leaf first; `None` where one of them was not committed.
    pub(super) fn ders(&self, tls: &TlsObservation) -> Option<Vec<&[u8]>> {
        tls.chain.iter().map(|digest| self.ders.get(digest.as_slice()).map(|der| &**der)).collect()
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
