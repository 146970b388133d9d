//! A chunk of the input: its lines, and what was asked about each.
//!
//! Whoever works for a chunk holds a [`Work`] of it, and puts what it found into it in the end. That are the lookups of
//! its domains, and nothing that could take longer: what comes of them lies on the [`Tray`](crate::tray::Tray). The chunk is whole
//! when it is closed, and everybody who ever held a piece of its work has put something in. Work that is dropped
//! undone (a task was cancelled, or panicked) leaves the chunk broken, and a broken chunk is never written:
//! there is no other way for half a chunk to look whole.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mxray_evidence::{
    DomainRow, Gathered, MailHostRow, Micros, PolicyRow, RejectRow, ReportSinkRow, SmtpSessionRow, Text,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::certificate;
use crate::load::{Held, Load};

/// What was found beside the rows of domains. A row takes a kilobyte and more, and is not moved once it is there.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "they are sorted, and come in boxes anyway")]
pub(crate) struct Rows {
    pub(crate) policies: Vec<Box<PolicyRow>>,
    pub(crate) mail_hosts: Vec<Box<MailHostRow>>,
    pub(crate) smtp_sessions: Vec<Box<SmtpSessionRow>>,
    pub(crate) report_sinks: Vec<Box<ReportSinkRow>>,
    /// By digest: the DER, and when it was first seen. Which of them are new to the run is the writer's to say.
    pub(crate) certificates: HashMap<[u8; 32], (Vec<u8>, Micros)>,
}

/// One thing found, of any table.
pub(crate) enum Found {
    Policy(Box<PolicyRow>, Vec<Vec<u8>>),
    MailHost(Box<MailHostRow>),
    ReportSink(Box<ReportSinkRow>),
    Session(Box<SmtpSessionRow>, Vec<Vec<u8>>),
}

/// Where a chunk ends.
#[derive(Debug, Clone)]
pub(crate) struct End {
    /// Its lines.
    pub(crate) lines: u64,
    /// The last of them, counted in the order of the scan.
    pub(crate) last_line: u64,
    /// The digest of the input up to the end of its window.
    pub(crate) input_digest: String,
}

/// A chunk as the writer gets it.
pub(crate) enum Delivery {
    /// Everything is there.
    Whole(Box<WholeChunk>),
    /// Something is missing, and will not come.
    Broken {
        /// The chunk.
        number: u32,
        /// What the first work that was lost was about, if any was.
        lost: Option<String>,
    },
}

/// A chunk that is complete and not yet on the disk.
pub(crate) struct WholeChunk {
    pub(crate) number: u32,
    pub(crate) end: End,
    pub(crate) domains: Gathered<DomainRow>,
    pub(crate) rejects: Vec<RejectRow>,
    /// Its share of what is held in memory, given back when it is dropped.
    _held: Held,
    /// Its place among the chunks in flight, likewise.
    _place: OwnedSemaphorePermit,
}

/// A chunk that work is being done for.
pub(crate) struct Chunk {
    number: u32,
    state: Mutex<State>,
    deliveries: Sender<Delivery>,
}

struct State {
    domains: Gathered<DomainRow>,
    rejects: Vec<RejectRow>,
    work_begun: u64,
    work_done: u64,
    /// What the first work that was dropped undone was about.
    lost: Option<String>,
    end: Option<End>,
    held: Held,
    place: Option<OwnedSemaphorePermit>,
}

impl Chunk {
    /// A chunk to work for.
    pub(crate) fn open(
        number: u32,
        place: OwnedSemaphorePermit,
        load: &Arc<Load>,
        deliveries: Sender<Delivery>,
    ) -> Arc<Self> {
        let held = Held::new(load);
        let state = State {
            domains: Gathered::default(),
            rejects: Vec::new(),
            work_begun: 0,
            work_done: 0,
            lost: None,
            end: None,
            held,
            place: Some(place),
        };
        Arc::new(Self { number, state: Mutex::new(state), deliveries })
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Begins a piece of work about something: a name.
    pub(crate) fn begin(self: &Arc<Self>, subject: &str) -> Work {
        self.state().work_begun += 1;
        Work { chunk: Arc::clone(self), subject: subject.into(), is_done: false }
    }

    /// Puts a rejected line in.
    pub(crate) fn reject(&self, row: RejectRow) {
        let mut state = self.state();
        state.held.add(ROW_BYTES + row.text.len() as u64);
        state.rejects.push(row);
    }

    /// No more lines: the chunk is whole when the work that was begun, and what comes of it, is done.
    pub(crate) fn close(self: Arc<Self>, end: End) {
        self.state().end = Some(end);
    }

    /// Takes back a chunk that nothing was put in: it never was.
    pub(crate) fn withdraw(self: Arc<Self>) {
        self.state().place = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let delivery = match (state.end.take(), state.place.take()) {
            (_, None) => return,
            (Some(end), Some(place)) if state.work_begun == state.work_done => {
                Delivery::Whole(Box::new(WholeChunk {
                    number: self.number,
                    end,
                    domains: std::mem::take(&mut state.domains),
                    rejects: std::mem::take(&mut state.rejects),
                    _held: state.held.take(),
                    _place: place,
                }))
            }
            _ => Delivery::Broken { number: self.number, lost: state.lost.take() },
        };
        // The writer is gone after an error: then nothing more is written.
        let _ = self.deliveries.send(delivery);
    }
}

/// A piece of work for a chunk.
#[must_use = "work that is dropped undone breaks its chunk"]
pub(crate) struct Work {
    chunk: Arc<Chunk>,
    subject: Text,
    is_done: bool,
}

impl Work {
    /// Puts in the domain's row; the piece is done.
    pub(crate) fn done(mut self, row: &DomainRow) {
        self.is_done = true;
        let mut state = self.chunk.state();
        state.domains.put(row.line, row);
        state.held.add(bytes_of(row));
        state.work_done += 1;
    }

    /// The chunk.
    pub(crate) fn chunk(&self) -> &Chunk {
        &self.chunk
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.is_done {
            let subject = std::mem::take(&mut self.subject);
            self.chunk.state().lost.get_or_insert(subject.into());
        }
    }
}

/// What a row takes beside the bytes that came over the wire, about.
const ROW_BYTES: u64 = 1_024;

/// What a domain's row takes, about.
fn bytes_of(row: &DomainRow) -> u64 {
    let aside = row.aside_txt.iter().flat_map(|lookup| &lookup.records);
    let txt = row.sts_txt.records.iter().chain(&row.tlsrpt_txt.records).chain(aside);
    let segments: usize = txt.flat_map(|txt| &txt.segments).map(|segment| segment.len()).sum();
    let records = row.mx.records.len() + row.ns.records.len();
    ROW_BYTES + (segments + RECORD_BYTES * records) as u64
}

impl Rows {
    /// Puts something in, and says about how many bytes it takes.
    pub(crate) fn put(&mut self, found: Found) -> u64 {
        match found {
            Found::Policy(row, chain) => {
                let body = row.body.as_ref().map_or(0, |body| body.len());
                let headers: usize = row.headers.iter().map(|h| h.name.len() + h.value.len()).sum();
                let certificates = self.put_chain(row.started, chain);
                self.policies.push(row);
                2 * ROW_BYTES + (body + headers) as u64 + certificates
            }
            Found::MailHost(row) => {
                let records = row.a.records.len() + row.aaaa.records.len();
                self.mail_hosts.push(row);
                ROW_BYTES + (RECORD_BYTES * records) as u64
            }
            Found::ReportSink(row) => {
                let records = row.mx.records.len() + row.a.records.len() + row.aaaa.records.len();
                self.report_sinks.push(row);
                ROW_BYTES + (RECORD_BYTES * records) as u64
            }
            Found::Session(row, chain) => {
                let lines: usize =
                    row.replies.iter().flat_map(|reply| &reply.lines).map(|line| line.len()).sum();
                let early = row.early_bytes.as_ref().map_or(0, |bytes| bytes.len());
                let certificates = self.put_chain(row.started, chain);
                self.smtp_sessions.push(row);
                ROW_BYTES + (lines + early) as u64 + certificates
            }
        }
    }

    /// Adds what was found elsewhere.
    pub(crate) fn add(&mut self, other: Self) {
        let Self { policies, mail_hosts, smtp_sessions, report_sinks, certificates } = other;
        self.policies.extend(policies);
        self.mail_hosts.extend(mail_hosts);
        self.smtp_sessions.extend(smtp_sessions);
        self.report_sinks.extend(report_sinks);
        for (digest, (der, seen)) in certificates {
            let (_, first_seen) = self.certificates.entry(digest).or_insert((der, seen));
            *first_seen = seen.min(*first_seen);
        }
    }

    fn put_chain(&mut self, seen: Micros, chain: Vec<Vec<u8>>) -> u64 {
        let mut bytes = 0;
        for der in chain {
            let length = der.len() as u64;
            let (_, first_seen) = self.certificates.entry(certificate::digest(&der)).or_insert_with(|| {
                bytes += ROW_BYTES + length;
                (der, seen)
            });
            *first_seen = seen.min(*first_seen);
        }
        bytes
    }
}

/// What a record of a name takes, about.
const RECORD_BYTES: usize = 96;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, TryRecvError, channel};

    use mxray_evidence::OwnCause;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::dns::withheld_lookup;

    fn chunk() -> (Arc<Chunk>, Receiver<Delivery>, Arc<Load>, Arc<Semaphore>) {
        let (sender, receiver) = channel();
        let (load, places) = (Load::new(Arc::default(), 1_000), Arc::new(Semaphore::new(1)));
        let place = Arc::clone(&places).try_acquire_owned().expect("a place");
        (Chunk::open(3, place, &load, sender), receiver, load, places)
    }

    fn end() -> End {
        End { lines: 1, last_line: 1, input_digest: String::new() }
    }

    fn row() -> DomainRow {
        let txt = || withheld_lookup("d.example", OwnCause::NotAsked);
        DomainRow {
            domain: "d.example".into(),
            source: "list".into(),
            line: 1,
            rank: None,
            columns: Vec::new(),
            mx: withheld_lookup("d.example", OwnCause::NotAsked),
            ns: withheld_lookup("d.example", OwnCause::NotAsked),
            sts_txt: txt(),
            tlsrpt_txt: txt(),
            aside_txt: Vec::new(),
        }
    }

    #[test]
    fn a_chunk_is_whole_when_it_is_closed_and_all_its_work_is_done() {
        let (chunk, deliveries, load, places) = chunk();
        let (first, second, third) = (chunk.begin("a"), chunk.begin("b"), chunk.begin("c"));
        first.done(&row());
        chunk.close(end());
        second.done(&row());
        assert!(matches!(deliveries.try_recv(), Err(TryRecvError::Empty)), "c is not done");
        third.done(&row());
        let Ok(Delivery::Whole(whole)) = deliveries.try_recv() else { panic!("a whole chunk") };
        assert_eq!((whole.number, whole.domains.len()), (3, 3));
        assert!(load.is_heavy() && places.available_permits() == 0, "it is held until it is written");
        drop(whole);
        assert!(!load.is_heavy() && places.available_permits() == 1);
    }

    #[test]
    fn lost_work_breaks_its_chunk_and_is_named() {
        let (chunk, deliveries, ..) = chunk();
        let (first, second) = (chunk.begin("a.example"), chunk.begin("b.example"));
        chunk.close(end());
        first.done(&row());
        drop(second);
        let Ok(Delivery::Broken { number: 3, lost }) = deliveries.try_recv() else {
            panic!("a broken chunk")
        };
        assert_eq!(lost.as_deref(), Some("b.example"));
    }

    #[test]
    fn a_chunk_that_nobody_closes_is_broken_and_one_that_is_withdrawn_never_was() {
        let (chunk, deliveries, ..) = chunk();
        chunk.begin("a").done(&row());
        drop(chunk);
        assert!(matches!(deliveries.try_recv(), Ok(Delivery::Broken { lost: None, .. })));
        let (chunk, deliveries, _, places) = self::chunk();
        chunk.withdraw();
        assert!(matches!(deliveries.try_recv(), Err(TryRecvError::Disconnected)));
        assert_eq!(places.available_permits(), 1);
    }

    #[test]
    fn a_certificate_is_kept_once_with_its_first_sight() {
        let mut rows = Rows::default();
        assert!(rows.put_chain(7, vec![vec![1; 100], vec![2; 100]]) > 200);
        assert_eq!(rows.put_chain(5, vec![vec![1; 100]]), 0, "it takes no more room");
        assert_eq!(rows.certificates.len(), 2);
        assert_eq!(rows.certificates[&certificate::digest(&[1; 100])].1, 5);
    }
}
