//! Chunks to the disk, one at a time, in the order of the input.
//!
//! The steps of a commit: write and sync every part under a temporary name; give all their names; append the
//! journal's line; update the manifest. A crash between any two leaves a run whose journal is true, and
//! leftovers that [`folder`](crate::folder) clears away.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread;

use mxray_evidence::journal::{Entry, Journal};
use mxray_evidence::{
    CertificateRow, Counts, DomainRow, FinishedPart, Gathered, HowEnded, MailHostRow, Manifest, Micros,
    PartLabel, PartWriter, PolicyRow, RejectRow, ReportSinkRow, RunDir, SmtpSessionRow, Table,
};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::chunk::{Delivery, Rows, WholeChunk};
use crate::error::ScanError;
use crate::events::{Event, EventSink};
use crate::once::Once;
use crate::progress::{Progress, add, set};
use crate::stop::Stop;
use crate::tray::Tray;
use crate::{certificate, clock};

/// Certificates that are made rows of at a time.
const CERTIFICATES_AT_A_TIME: usize = 1_024;

/// A run that is open for writing: by one scanner, which holds its lock.
pub(crate) struct OpenRun {
    pub(crate) dir: RunDir,
    pub(crate) manifest: Manifest,
    pub(crate) journal: Journal,
    /// Certificates that stand in committed parts.
    pub(crate) certificates: Once,
    /// Released when the file is closed, however the process ends.
    pub(crate) _lock: std::fs::File,
}

/// The thread that writes.
pub(crate) struct Writer {
    pub(crate) run: OpenRun,
    /// What belongs to no line.
    pub(crate) tray: Arc<Tray>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) events: EventSink,
    pub(crate) stop: Stop,
}

/// What the writing thread leaves behind.
pub(crate) struct Written {
    pub(crate) run: OpenRun,
    pub(crate) outcome: Result<(), ScanError>,
}

impl Writer {
    /// Writes in a thread of its own until every sender of deliveries is gone, or something fails.
    pub(crate) fn spawn(
        mut self,
        deliveries: Receiver<Delivery>,
    ) -> std::io::Result<oneshot::Receiver<Written>> {
        let (sender, receiver) = oneshot::channel();
        thread::Builder::new().name("writer".into()).spawn(move || {
            let outcome = self.write(&deliveries);
            // The scan was dropped, and with it the wish to know.
            let _ = sender.send(Written { run: self.run, outcome });
        })?;
        Ok(receiver)
    }

    fn write(&mut self, deliveries: &Receiver<Delivery>) -> Result<(), ScanError> {
        let mut early = BTreeMap::new();
        let mut due = self.run.journal.entries().len() as u32;
        for delivery in deliveries {
            match delivery {
                Delivery::Whole(chunk) => {
                    early.insert(chunk.number, chunk);
                }
                // What is left undone by an abort is left undone; anything else is a task that panicked.
                Delivery::Broken { .. } if self.stop.is_aborted() => {}
                Delivery::Broken { number, lost } => {
                    return Err(ScanError::WorkLost { chunk: number, subject: lost });
                }
            }
            while let Some(chunk) = early.remove(&due).filter(|_| !self.stop.is_aborted()) {
                self.commit(*chunk)?;
                due += 1;
            }
        }
        Ok(())
    }

    fn commit(&mut self, chunk: WholeChunk) -> Result<(), ScanError> {
        let WholeChunk { number, end, domains, rejects, .. } = chunk;
        if let Some(subject) = self.tray.broken() {
            return Err(ScanError::WorkLost { chunk: number, subject: Some(subject) });
        }
        // Held until it is written: memory is given back with them.
        let (mut laid, mut rows) = (self.tray.take(number), Rows::default());
        for laid in &mut laid {
            rows.add(std::mem::take(&mut laid.rows));
        }
        let rows = SortedRows::new(domains, rejects, rows, &self.run.certificates);
        let counts = rows.counts(end.lines);
        if counts.lines != counts.domains + counts.rejects {
            return Err(ScanError::Internal(format!("chunk {number} does not add up: {counts:?}")));
        }
        let certificates: Vec<_> = rows.certificates.iter().map(|certificate| certificate.digest).collect();
        for part in rows.write(&self.run.dir, &self.run.manifest.run_id, number)? {
            part.publish()?;
        }
        let entry = Entry {
            chunk: number,
            last_line: end.last_line,
            input_digest: end.input_digest,
            counts,
            committed: clock::now(),
        };
        let journal_path = self.run.dir.journal_path();
        self.run
            .journal
            .append(entry)
            .map_err(|source| ScanError::folder("appending to", &journal_path, source))?;
        for certificate in &certificates {
            self.run.certificates.claim(certificate);
        }
        set(&self.progress.remembered.certificates, self.run.certificates.len());
        self.run.manifest.counts += counts;
        self.run.save()?;
        add(&self.progress.lines_committed, counts.lines);
        add(&self.progress.rows_committed, rows_in(&counts));
        self.progress.chunks_committed.fetch_add(1, Ordering::Relaxed);
        self.events.send(Event::ChunkCommitted { chunk: number, last_line: end.last_line, counts });
        Ok(())
    }
}

impl OpenRun {
    /// Writes the manifest.
    pub(crate) fn save(&self) -> Result<(), ScanError> {
        self.dir
            .write_manifest(&self.manifest)
            .map_err(|source| ScanError::folder("writing", &self.dir.manifest_path(), source))
    }

    /// Says in the manifest how it ended.
    pub(crate) fn end(&mut self, how: HowEnded) -> Result<(), ScanError> {
        self.manifest.how_ended = how;
        self.manifest.ended = Some(clock::now());
        self.save()
    }
}

/// Rows over all tables.
pub(crate) fn rows_in(counts: &Counts) -> u64 {
    counts.domains
        + counts.policies
        + counts.mail_hosts
        + counts.smtp_sessions
        + counts.certificates
        + counts.report_sinks
        + counts.rejects
}

/// A chunk's rows in the order in which they are written, which does not depend on who answered first.
#[expect(clippy::vec_box, reason = "they are sorted, and come in boxes anyway")]
struct SortedRows {
    domains: Gathered<DomainRow>,
    policies: Vec<Box<PolicyRow>>,
    mail_hosts: Vec<Box<MailHostRow>>,
    smtp_sessions: Vec<Box<SmtpSessionRow>>,
    certificates: Vec<NewCertificate>,
    report_sinks: Vec<Box<ReportSinkRow>>,
    rejects: Vec<RejectRow>,
}

impl SortedRows {
    /// Sorts, and leaves out the certificates that stand in an earlier chunk.
    fn new(domains: Gathered<DomainRow>, mut rejects: Vec<RejectRow>, rows: Rows, written: &Once) -> Self {
        let Rows { mut policies, mut mail_hosts, mut smtp_sessions, mut report_sinks, certificates } = rows;
        rejects.sort_by_key(|row| row.line);
        policies.sort_by(|a, b| a.domain.cmp(&b.domain));
        mail_hosts.sort_by(|a, b| a.host.cmp(&b.host));
        report_sinks.sort_by(|a, b| a.sink.cmp(&b.sink));
        smtp_sessions.sort_by(|a, b| (&a.host, &a.address).cmp(&(&b.host, &b.address)));
        let certificates = certificates.into_iter().filter(|(digest, _)| !written.holds(digest));
        let mut certificates: Vec<_> =
            certificates.map(|(digest, (der, seen))| NewCertificate { digest, der, seen }).collect();
        certificates.sort_unstable_by_key(|certificate| certificate.digest);
        Self { domains, policies, mail_hosts, smtp_sessions, certificates, report_sinks, rejects }
    }

    fn counts(&self, lines: u64) -> Counts {
        Counts {
            lines,
            domains: self.domains.len() as u64,
            policies: self.policies.len() as u64,
            mail_hosts: self.mail_hosts.len() as u64,
            smtp_sessions: self.smtp_sessions.len() as u64,
            certificates: self.certificates.len() as u64,
            report_sinks: self.report_sinks.len() as u64,
            rejects: self.rejects.len() as u64,
        }
    }

    /// Writes every part, whole and synced, under a temporary name. Each table is let go when it is written.
    fn write(self, dir: &RunDir, run_id: &str, chunk: u32) -> Result<Vec<FinishedPart>, ScanError> {
        let domains = write_domains(dir, run_id, chunk, &self.domains)?;
        drop(self.domains);
        let parts = [
            domains,
            write_part::<PolicyRow, _>(dir, run_id, chunk, self.policies)?,
            write_part::<MailHostRow, _>(dir, run_id, chunk, self.mail_hosts)?,
            write_part::<SmtpSessionRow, _>(dir, run_id, chunk, self.smtp_sessions)?,
            write_certificates(dir, run_id, chunk, self.certificates)?,
            write_part::<ReportSinkRow, _>(dir, run_id, chunk, self.report_sinks)?,
            write_part::<RejectRow, _>(dir, run_id, chunk, self.rejects)?,
        ];
        Ok(parts.into_iter().flatten().collect())
    }
}

/// A certificate that stands in no earlier chunk.
struct NewCertificate {
    digest: [u8; 32],
    der: Vec<u8>,
    seen: Micros,
}

/// Writes a part; none when there is nothing to write. Chunk 0 writes every table, so that a reader of a run finds
/// each of them, with its schema.
fn write_part<T: Table, R: Borrow<T> + Serialize>(
    dir: &RunDir,
    run_id: &str,
    chunk: u32,
    rows: Vec<R>,
) -> Result<Option<FinishedPart>, ScanError> {
    if rows.is_empty() && chunk > 0 {
        return Ok(None);
    }
    let mut writer = open_part::<T>(dir, run_id, chunk)?;
    writer.write(&rows)?;
    drop(rows);
    Ok(Some(writer.finish()?))
}

/// The same for certificates, which are described here: as rows they take twice as much.
fn write_certificates(
    dir: &RunDir,
    run_id: &str,
    chunk: u32,
    certificates: Vec<NewCertificate>,
) -> Result<Option<FinishedPart>, ScanError> {
    if certificates.is_empty() && chunk > 0 {
        return Ok(None);
    }
    let mut writer = open_part::<CertificateRow>(dir, run_id, chunk)?;
    for certificates in certificates.chunks(CERTIFICATES_AT_A_TIME) {
        let described = certificates.iter().map(|new| certificate::describe(&new.der, new.seen));
        writer.write(&described.collect::<Vec<_>>())?;
    }
    drop(certificates);
    Ok(Some(writer.finish()?))
}

/// The same for domains, which are put in order here.
fn write_domains(
    dir: &RunDir,
    run_id: &str,
    chunk: u32,
    rows: &Gathered<DomainRow>,
) -> Result<Option<FinishedPart>, ScanError> {
    if rows.is_empty() && chunk > 0 {
        return Ok(None);
    }
    let mut writer = open_part::<DomainRow>(dir, run_id, chunk)?;
    writer.write_gathered(rows)?;
    Ok(Some(writer.finish()?))
}

fn open_part<T: Table>(dir: &RunDir, run_id: &str, chunk: u32) -> Result<PartWriter<T>, ScanError> {
    let label = PartLabel { run_id: run_id.to_owned(), chunk: Some(chunk) };
    Ok(PartWriter::create(&dir.part_path::<T>(chunk), &label)?)
}
