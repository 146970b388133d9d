//! Many datagrams at a time, on a connected socket.
//!
//! Queries of one length leave as one piece that the kernel cuts apart (UDP segmentation offload, Linux 4.18), so that they
//! go down its layers once. Of names there are few lengths.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::buffer::spare_capacity;
use rustix::net::{MMsgHdr, RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmmsg};

/// Datagrams at a time, at most: as many as the kernel cuts a piece into (`UDP_MAX_SEGMENTS`).
const BATCH: usize = 64;
/// The largest reply that there is always room for; we offer 1232 bytes (EDNS), and some exceed what they are offered.
const REPLY_BYTES_MAX: usize = 4096;

/// Datagrams end to end: those that have come, or those that are to be sent.
#[derive(Default)]
pub(super) struct Datagrams {
    bytes: Vec<u8>,
    pieces: Vec<Range<usize>>,
}

impl Datagrams {
    /// Puts in a query: its id, and what stands behind it.
    pub(super) fn push_query(&mut self, id: u16, behind_id: &[u8]) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(&id.to_be_bytes());
        self.bytes.extend_from_slice(behind_id);
        self.pieces.push(begin..self.bytes.len());
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
    }

    /// Puts those of one length behind each other.
    pub(super) fn sort_by_length(&mut self) {
        self.pieces.sort_unstable_by_key(|piece| (piece.len(), piece.start));
    }

    /// Each of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| &self.bytes[piece.clone()])
    }

    /// Takes what has come, up to [`BATCH`] of them, in place of what was here; says whether that is all there was. An error
    /// comes alone, behind what came before it.
    pub(super) fn receive(&mut self, socket: &impl AsFd) -> io::Result<bool> {
        self.clear();
        while self.pieces.len() < BATCH {
            let begin = self.bytes.len();
            self.bytes.reserve(REPLY_BYTES_MAX);
            match recv(socket, spare_capacity(&mut self.bytes), RecvFlags::DONTWAIT) {
                Ok(_) => self.pieces.push(begin..self.bytes.len()),
                Err(error) if self.pieces.is_empty() => return Err(error.into()),
                Err(error) => return Ok(error == rustix::io::Errno::WOULDBLOCK),
            }
        }
        Ok(false)
    }

    /// Sends from the `first` on, up to [`BATCH`] of them; says how many have gone. Where `is_cut`, those of one length that
    /// stand together leave as a piece that the kernel cuts apart.
    pub(super) fn send(&self, first: usize, socket: &impl AsFd, is_cut: bool) -> io::Result<usize> {
        let rest = &self.pieces[first..self.pieces.len().min(first + BATCH)];
        let is_alike = |two: &[Range<usize>]| two[0].len() == two[1].len();
        let alike = 1 + rest.windows(2).take_while(|two| is_alike(two)).count();
        if is_cut && alike > 1 {
            let slices: Vec<IoSlice<'_>> = self.slices(first, alike).collect();
            let segments = [ControlMessage::UdpGsoSegments(&(rest[0].len() as u16))];
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            sendmsg::<()>(socket.as_fd().as_raw_fd(), &slices, &segments, flags, None)?;
            return Ok(alike);
        }
        // Those that stand alone, up to the next that do not.
        let next_alike = rest.windows(2).position(|two| is_cut && is_alike(two));
        let slices: Vec<[IoSlice<'_>; 1]> =
            self.slices(first, next_alike.unwrap_or(rest.len())).map(|slice| [slice]).collect();
        let mut nothing: [SendAncillaryBuffer<'_, '_, '_>; BATCH] =
            std::array::from_fn(|_| SendAncillaryBuffer::default());
        let mut messages: Vec<MMsgHdr<'_>> =
            slices.iter().zip(&mut nothing).map(|(slice, nothing)| MMsgHdr::new(slice, nothing)).collect();
        Ok(sendmmsg(socket, &mut messages, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
    }

    fn slices(&self, first: usize, count: usize) -> impl Iterator<Item = IoSlice<'_>> {
        self.pieces[first..][..count].iter().map(|piece| IoSlice::new(&self.bytes[piece.clone()]))
    }
}

/// Whether an error says that the kernel, or what sends for it, cuts nothing apart.
pub(super) fn is_about_cutting(error: &io::Error) -> bool {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
    matches!(errno, Errno::EIO | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOPROTOOPT)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// What comes of datagrams that are sent, in order of their bytes, and how often the kernel was asked.
    fn sent(lengths: &[usize], is_cut: bool) -> (Vec<Vec<u8>>, usize) {
        let (here, there) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        here.connect(there.local_addr().unwrap()).unwrap();
        there.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let mut outbox = Datagrams::default();
        for (number, &length) in lengths.iter().enumerate() {
            outbox.push_query(number as u16, &vec![number as u8; length]);
        }
        outbox.sort_by_length();
        let (mut first, mut calls) = (0, 0);
        while first < outbox.len() {
            first += outbox.send(first, &here, is_cut).unwrap();
            calls += 1;
        }
        let mut inbox = Datagrams::default();
        let mut come = Vec::new();
        while come.len() < lengths.len() {
            // Waits for the next, which the kernel may be late with.
            there.peek(&mut [0]).unwrap();
            inbox.receive(&there).unwrap();
            come.extend(inbox.iter().map(<[u8]>::to_vec));
        }
        come.sort_unstable();
        (come, calls)
    }

    #[test]
    fn what_is_cut_apart_comes_as_it_would_alone() {
        // A few of one length, some that stand alone, and more of one length than leave at once.
        let mut lengths = vec![30, 50, 40, 30, 30, 60, 50];
        lengths.extend([45; BATCH + 1]);
        let expected: Vec<Vec<u8>> = (0..lengths.len())
            .map(|number| [&(number as u16).to_be_bytes()[..], &vec![number as u8; lengths[number]]].concat())
            .collect();
        // Three of 30; the one of 40; those of 45, of which one is left over and leaves with nobody else; two of 50; the one of 60.
        assert_eq!(sent(&lengths, true), (expected.clone(), 6));
        assert_eq!(sent(&lengths, false), (expected, 2));
    }

    #[test]
    fn one_datagram_is_sent_alone() {
        assert_eq!(sent(&[30], true).1, 1);
    }
}
