//! Many datagrams at a time, on a connected socket.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::net::{MMsgHdr, RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmmsg};

/// Datagrams at a time, at most.
const BATCH: usize = 32;
/// The largest reply that there is always room for; we offer 1232 bytes (EDNS), and some exceed what they are offered.
const REPLY_BYTES_MAX: usize = 4096;

/// Datagrams end to end: those that have come, or those that are to be sent.
#[derive(Default)]
pub(super) struct Datagrams {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Datagrams {
    /// Puts in a query: its id, and what stands behind it.
    pub(super) fn push_query(&mut self, id: u16, behind_id: &[u8]) {
        self.bytes.extend_from_slice(&id.to_be_bytes());
        self.bytes.extend_from_slice(behind_id);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Each of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| &self.bytes[begin..end])
    }

    /// Takes what has come, up to [`BATCH`] of them, in place of what was here; says whether that is all there was. An error
    /// comes alone, behind what came before it.
    pub(super) fn receive(&mut self, socket: &impl AsFd) -> io::Result<bool> {
        self.clear();
        while self.ends.len() < BATCH {
            self.bytes.reserve(REPLY_BYTES_MAX);
            match recv(socket, spare_capacity(&mut self.bytes), RecvFlags::DONTWAIT) {
                Ok(_) => self.ends.push(self.bytes.len()),
                Err(error) if self.ends.is_empty() => return Err(error.into()),
                Err(error) => return Ok(error == rustix::io::Errno::WOULDBLOCK),
            }
        }
        Ok(false)
    }

    /// Sends from the `first` on, up to [`BATCH`] of them; says how many have gone.
    pub(super) fn send(&self, first: usize, socket: &impl AsFd) -> io::Result<usize> {
        let mut nothing: [SendAncillaryBuffer<'_, '_, '_>; BATCH] = Default::default();
        let slices: Vec<[IoSlice<'_>; 1]> =
            self.iter().skip(first).take(BATCH).map(|bytes| [IoSlice::new(bytes)]).collect();
        let mut messages: Vec<MMsgHdr<'_>> =
            slices.iter().zip(&mut nothing).map(|(slice, nothing)| MMsgHdr::new(slice, nothing)).collect();
        Ok(sendmmsg(socket, &mut messages, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
    }
}
