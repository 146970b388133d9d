//! The truth on disk, and the names beside it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt64Builder};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::errors::ParquetError;

use super::{PlantedDefect, TrueVerdict};
use crate::table::{Table, strings, text};
use crate::world::World;

/// Why the truth could not be written.
#[derive(Debug, thiserror::Error)]
#[error("writing {}: {source}", path.display())]
pub struct TruthError {
    path: PathBuf,
    source: ParquetError,
}

/// Domains between two batches, and between two reports of progress.
const DOMAINS_PER_BATCH: u64 = 16_384;

impl World {
    /// Writes `names.txt` (one name a line) and `truth/*.parquet` into `folder`, streaming: memory does not grow
    /// with the world. `go_on` is told how many domains are written, and may end it by saying `false`; nothing
    /// is then left under its final name. Returns whether it was completed.
    pub fn write_truth(&self, folder: &Path, mut go_on: impl FnMut(u64) -> bool) -> Result<bool, TruthError> {
        let failed = |path: &Path, source: ParquetError| TruthError { path: path.to_owned(), source };
        let truth = folder.join("truth");
        fs::create_dir_all(&truth).map_err(|e| failed(&truth, e.into()))?;
        let names_path = folder.join("names.txt");
        let names_tmp = folder.join("names.txt.tmp");
        let file = File::create(&names_tmp).map_err(|e| failed(&names_tmp, e.into()))?;
        let mut names = BufWriter::new(file);
        let mut defects = Table::create(&truth.join("defects.parquet"), &defect_schema())
            .map_err(|e| failed(&truth.join("defects.parquet"), e))?;
        let mut domains = Table::create(&truth.join("domains.parquet"), &domain_schema())
            .map_err(|e| failed(&truth.join("domains.parquet"), e))?;
        let mut start = 0;
        while start < self.domains() {
            let end = self.domains().min(start + DOMAINS_PER_BATCH);
            let (mut defect_rows, mut domain_rows) = (Vec::new(), Vec::new());
            for index in start..end {
                let (planted, verdict) = self.truth(index);
                writeln!(names, "{}", verdict.domain).map_err(|e| failed(&names_tmp, e.into()))?;
                defect_rows.extend(planted);
                domain_rows.push(verdict);
            }
            defects.write(defect_columns(&defect_rows)).map_err(|e| failed(&defects.path, e))?;
            domains.write(domain_columns(&domain_rows)).map_err(|e| failed(&domains.path, e))?;
            start = end;
            if !go_on(start) {
                return Ok(false);
            }
        }
        names
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .map_err(|e| failed(&names_tmp, e.into()))?;
        fs::rename(&names_tmp, &names_path).map_err(|e| failed(&names_path, e.into()))?;
        let path = defects.path.clone();
        defects.finish().map_err(|e| failed(&path, e))?;
        let path = domains.path.clone();
        domains.finish().map_err(|e| failed(&path, e))?;
        Ok(true)
    }
}

fn defect_schema() -> Schema {
    Schema::new(vec![
        text("domain", false),
        text("subject", false),
        text("rule", false),
        text("outcome", false),
        text("cause", true),
    ])
}

fn domain_schema() -> Schema {
    Schema::new(vec![
        text("domain", false),
        text("record", false),
        text("policy", false),
        text("mode", true),
        Field::new("max_age", DataType::UInt64, true),
        text("tlsrpt", false),
        text("mx", false),
        text("starttls", false),
        text("certificates", false),
        text("mx_dnssec", false),
        text("tlsa_present", false),
        text("tlsa", false),
        text("tlsa_matching", false),
        text("sts", false),
        text("dane", false),
        text("dane_attacker", false),
        text("both", false),
        text("both_attacker", false),
    ])
}

fn defect_columns(rows: &[PlantedDefect]) -> Vec<ArrayRef> {
    vec![
        strings(rows.iter().map(|row| Some(row.domain.as_str()))),
        strings(rows.iter().map(|row| Some(row.subject.as_str()))),
        strings(rows.iter().map(|row| Some(row.rule))),
        strings(rows.iter().map(|row| Some(row.outcome))),
        strings(rows.iter().map(|row| row.cause)),
    ]
}

fn domain_columns(rows: &[TrueVerdict]) -> Vec<ArrayRef> {
    let mut max_age = UInt64Builder::new();
    for row in rows {
        max_age.append_option(row.max_age);
    }
    vec![
        strings(rows.iter().map(|row| Some(row.domain.as_str()))),
        strings(rows.iter().map(|row| Some(row.record))),
        strings(rows.iter().map(|row| Some(row.policy))),
        strings(rows.iter().map(|row| row.mode)),
        Arc::new(max_age.finish()),
        strings(rows.iter().map(|row| Some(row.tlsrpt))),
        strings(rows.iter().map(|row| Some(row.mx))),
        strings(rows.iter().map(|row| Some(row.starttls))),
        strings(rows.iter().map(|row| Some(row.certificates))),
        strings(rows.iter().map(|row| Some(row.mx_dnssec))),
        strings(rows.iter().map(|row| Some(row.tlsa_present))),
        strings(rows.iter().map(|row| Some(row.tlsa))),
        strings(rows.iter().map(|row| Some(row.tlsa_matching))),
        strings(rows.iter().map(|row| Some(row.sts))),
        strings(rows.iter().map(|row| Some(row.dane))),
        strings(rows.iter().map(|row| Some(row.dane_attacker))),
        strings(rows.iter().map(|row| Some(row.both))),
        strings(rows.iter().map(|row| Some(row.both_attacker))),
    ]
}
