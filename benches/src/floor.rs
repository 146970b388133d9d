//! The floor: one thread, one socket, queries that leave in batches, a table of ids. Replies are matched by id and
//! question, and nothing is made of them.

use std::io::{self, IoSlice};
use std::net::UdpSocket;
use std::time::Duration;

use rustix::net::{MMsgHdr, RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmmsg};
use socket2::SockRef;

use crate::Asking;
use crate::usage::Meter;
use crate::work::Work;

const REPLY_BYTES_MAX: usize = 4_096;
const HEADER_BYTES: usize = 12;
/// Queries a system call.
const BATCH: usize = 32;
/// EDNS (RFC 6891 §6.1.2).
const OPT: [u8; 11] = [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];

/// Asks everything once; what is lost stays lost.
pub(crate) fn run(asking: &Asking) -> io::Result<()> {
    let work = asking.work;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
    socket.connect(asking.resolver)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let meter = Meter::start();
    let mut open: Vec<Option<Box<[u8]>>> = vec![None; 1 << 16];
    let mut packets = vec![Vec::new(); BATCH];
    let mut reply = [0; REPLY_BYTES_MAX];
    let (mut next, mut waiting, mut done, mut id) = (0, 0, 0, 0_u16);
    let mut name = String::new();
    while next < work.queries() || waiting > 0 {
        let count = BATCH.min(asking.in_flight - waiting).min((work.queries() - next) as usize);
        for packet in &mut packets[..count] {
            while open[usize::from(id)].is_some() {
                id = id.wrapping_add(1);
            }
            let kind = Work::query(next, &mut name);
            encode(id, &name, kind, packet);
            open[usize::from(id)] = Some(packet[HEADER_BYTES..packet.len() - OPT.len()].into());
            next += 1;
            id = id.wrapping_add(1);
        }
        send(&socket, &packets[..count])?;
        waiting += count;
        let mut flags = RecvFlags::empty();
        // Waits for the first, and takes what else is there.
        for _ in 0..BATCH {
            let length = match recv(&socket, &mut reply, flags) {
                Ok((_, length)) => length,
                Err(rustix::io::Errno::AGAIN) if flags.is_empty() => {
                    meter.stop(done, work.queries(), &[]);
                    return Ok(());
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            };
            flags = RecvFlags::DONTWAIT;
            let Some(id) = reply[..length].first_chunk::<2>() else { continue };
            let place = &mut open[usize::from(u16::from_be_bytes(*id))];
            if place.as_ref().is_some_and(|section| reply[HEADER_BYTES..length].starts_with(section)) {
                *place = None;
                waiting -= 1;
                done += 1;
            }
        }
    }
    meter.stop(done, work.queries(), &[]);
    Ok(())
}

fn send(socket: &UdpSocket, packets: &[Vec<u8>]) -> io::Result<()> {
    let mut nothing: [SendAncillaryBuffer<'_, '_, '_>; BATCH] = Default::default();
    let slices: Vec<[IoSlice<'_>; 1]> = packets.iter().map(|packet| [IoSlice::new(packet)]).collect();
    let mut messages: Vec<MMsgHdr<'_>> =
        slices.iter().zip(&mut nothing).map(|(slice, nothing)| MMsgHdr::new(slice, nothing)).collect();
    let mut sent = 0;
    while sent < messages.len() {
        sent += sendmmsg(socket, &mut messages[sent..], SendFlags::empty())?;
    }
    Ok(())
}

fn encode(id: u16, name: &str, kind: u16, packet: &mut Vec<u8>) {
    packet.clear();
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(&[0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 1]);
    for label in name.split('.') {
        packet.push(label.len() as u8);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.push(0);
    packet.extend_from_slice(&kind.to_be_bytes());
    packet.extend_from_slice(&[0, 1]);
    packet.extend_from_slice(&OPT);
}
