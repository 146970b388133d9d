//! A chunk of the input, and everything that was first seen in it.
//!
//! Whoever works for a chunk holds a [`Work`] of it, and puts what it found into it in the end. The chunk is whole
//! when it is closed, and everybody who ever held a piece of its work has put something in. Work that is dropped
//! undone (a task was cancelled, or panicked) leaves the chunk broken, and a broken chunk is never written:
//! there is no other way for half a chunk to look whole.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mxray_evidence::{DomainRow, MailHostRow, Micros, PolicyRow, RejectRow, SmtpSessionRow};
use tokio::sync::OwnedSemaphorePermit;

use crate::certificate;
use crate::load::{Held, Load};

/// What a chunk's work has found so far.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) domains: Vec<DomainRow>,
    pub(crate) policies: Vec<PolicyRow>,
    pub(crate) mail_hosts: Vec<MailHostRow>,
    pub(crate) smtp_sessions: Vec<SmtpSessionRow>,
    pub(crate) rejects: Vec<RejectRow>,
    /// By digest: the DER, and when it was first seen. Which of them are new to the run is the writer's to say.
    pub(crate) certificates: HashMap<[u8; 32], (Vec<u8>, Micros)>,
}

/// One thing found, of any table.
pub(crate) enum Found {
    Domain(Box<DomainRow>),
    Policy(Box<PolicyRow>, Vec<Vec<u8>>),
    MailHost(Box<MailHostRow>),
    Session(Box<SmtpSessionRow>, Vec<Vec<u8>>),
}

/// Where a chunk ends.
#[derive(Debug, Clone)]
pub(crate) struct End {
    /// Its lines.
    pub(crate) lines: u64,
    /// The last of them, counted over the whole input.
    pub(crate) last_line: u64,
    /// The digest of the input up to there.
    pub(crate) input_digest: String,
}

/// A chunk as the writer gets it.
pub(crate) enum Delivery {
    /// Everything is there.
    Whole(Box<WholeChunk>),
    /// Something is missing, and will not come.
    Broken(u32),
}

/// A chunk that is complete and not yet on the disk.
pub(crate) struct WholeChunk {
    pub(crate) number: u32,
    pub(crate) end: End,
    pub(crate) rows: Rows,
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
    rows: Rows,
    work_begun: u64,
    work_done: u64,
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
        let state =
            State { rows: Rows::default(), work_begun: 0, work_done: 0, end: None, held, place: Some(place) };
        Arc::new(Self { number, state: Mutex::new(state), deliveries })
    }

    /// Begins a piece of work.
    pub(crate) fn begin(self: &Arc<Self>) -> Work {
        self.state().work_begun += 1;
        Work(Arc::clone(self))
    }

    /// Puts a rejected line in.
    pub(crate) fn reject(&self, row: RejectRow) {
        let mut state = self.state();
        state.held.add(ROW_BYTES + row.text.len() as u64);
        state.rows.rejects.push(row);
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
                    rows: std::mem::take(&mut state.rows),
                    _held: state.held.take(),
                    _place: place,
                }))
            }
            _ => Delivery::Broken(self.number),
        };
        // The writer is gone after an error: then nothing more is written.
        let _ = self.deliveries.send(delivery);
    }
}

/// A piece of work for a chunk.
#[must_use = "work that is dropped undone breaks its chunk"]
pub(crate) struct Work(Arc<Chunk>);

impl Work {
    /// Puts in what was found; the piece is done.
    pub(crate) fn done(self, found: Found) {
        let mut state = self.0.state();
        let bytes = state.rows.put(found);
        state.held.add(bytes);
        state.work_done += 1;
    }

    /// The chunk, to begin more work for it.
    pub(crate) fn chunk(&self) -> &Arc<Chunk> {
        &self.0
    }
}

/// What a row takes beside the bytes that came over the wire, about.
const ROW_BYTES: u64 = 1_024;

impl Rows {
    /// Puts something in, and says about how many bytes it takes.
    fn put(&mut self, found: Found) -> u64 {
        match found {
            Found::Domain(row) => {
                let txt = row.sts_txt.records.iter().chain(&row.tlsrpt_txt.records);
                let segments: usize = txt.flat_map(|txt| &txt.segments).map(|segment| segment.len()).sum();
                let records = row.mx.records.len() + row.ns.records.len();
                self.domains.push(*row);
                ROW_BYTES + (segments + RECORD_BYTES * records) as u64
            }
            Found::Policy(row, chain) => {
                let body = row.body.as_ref().map_or(0, |body| body.len());
                let headers: usize = row.headers.iter().map(|h| h.name.len() + h.value.len()).sum();
                let certificates = self.put_chain(row.started, chain);
                self.policies.push(*row);
                2 * ROW_BYTES + (body + headers) as u64 + certificates
            }
            Found::MailHost(row) => {
                let records = row.a.records.len() + row.aaaa.records.len();
                self.mail_hosts.push(*row);
                ROW_BYTES + (RECORD_BYTES * records) as u64
            }
            Found::Session(row, chain) => {
                let lines: usize =
                    row.replies.iter().flat_map(|reply| &reply.lines).map(|line| line.len()).sum();
                let early = row.early_bytes.as_ref().map_or(0, |bytes| bytes.len());
                let certificates = self.put_chain(row.started, chain);
                self.smtp_sessions.push(*row);
                ROW_BYTES + (lines + early) as u64 + certificates
            }
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
