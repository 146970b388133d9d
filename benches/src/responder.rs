//! The other end of the DNS benchmarks: every query is answered at once, in batches, so that it is not what is
//! measured. It loses what it is told to lose.

use std::io::{IoSlice, Read};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::net::{MMsgHdr, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrAny, recvfrom, sendmmsg};
use socket2::SockRef;

use crate::work::{MX, NS, TXT};

/// Datagrams a system call.
const BATCH: usize = 32;
/// Longest query taken.
const QUERY_BYTES_MAX: usize = 512;
const HEADER_BYTES: usize = 12;
/// What the kernel is asked to hold.
const BUFFER_BYTES: usize = 16 << 20;

/// As a negative answer has it (RFC 2308 §2).
const SOA: &[u8] =
    b"\x07example\x00\x00\x06\x00\x01\x00\x00\x0e\x10\x00\x2e\x02ns\x07example\x00\x04root\x07example\x00\
    \x00\x00\x00\x01\x00\x00\x0e\x10\x00\x00\x0e\x10\x00\x00\x0e\x10\x00\x00\x0e\x10";

/// Serves until standard input closes; says where first, and in the end what it saw.
pub(crate) fn run(port: u16, loss_permille: u64) -> std::io::Result<()> {
    let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    SockRef::from(&socket).set_recv_buffer_size(BUFFER_BYTES)?;
    SockRef::from(&socket).set_send_buffer_size(BUFFER_BYTES)?;
    println!("{}", socket.local_addr()?);
    let counts = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let served = Arc::clone(&counts);
    std::thread::spawn(move || serve(&socket, loss_permille, &served));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    println!(
        "{{\"answered\": {}, \"lost\": {}}}",
        counts.0.load(Ordering::Relaxed),
        counts.1.load(Ordering::Relaxed)
    );
    Ok(())
}

fn serve(socket: &UdpSocket, loss_permille: u64, (answered, lost): &(AtomicU64, AtomicU64)) {
    let mut query = [0; QUERY_BYTES_MAX];
    let mut replies = vec![Vec::new(); BATCH];
    let mut askers: Vec<SocketAddrAny> = Vec::with_capacity(BATCH);
    let mut dice: u64 = 0x9e37_79b9_7f4a_7c15;
    loop {
        askers.clear();
        let mut flags = RecvFlags::empty();
        // Waits for the first, and takes what else is there.
        while askers.len() < BATCH {
            // What is no query ends a batch: an ICMP answer to an earlier reply, when the asker has gone.
            let Ok((_, length, Some(asker))) = recvfrom(socket, &mut query, flags) else { break };
            flags = RecvFlags::DONTWAIT;
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            if dice % 1_000 < loss_permille {
                lost.fetch_add(1, Ordering::Relaxed);
            } else if answer(&query[..length.min(QUERY_BYTES_MAX)], &mut replies[askers.len()]) {
                askers.push(asker);
            }
        }
        answered.fetch_add(askers.len() as u64, Ordering::Relaxed);
        send(socket, &replies, &askers);
    }
}

fn send(socket: &UdpSocket, replies: &[Vec<u8>], askers: &[SocketAddrAny]) {
    let mut nothing: [SendAncillaryBuffer<'_, '_, '_>; BATCH] = Default::default();
    let slices: Vec<[IoSlice<'_>; 1]> = replies.iter().map(|reply| [IoSlice::new(reply)]).collect();
    let messages = askers.iter().zip(&slices).zip(&mut nothing);
    let mut messages: Vec<MMsgHdr<'_>> =
        messages.map(|((asker, slice), nothing)| MMsgHdr::new_with_addr(asker, slice, nothing)).collect();
    let mut sent = 0;
    while sent < messages.len() {
        // Whoever has gone needs no answer.
        sent += sendmmsg(socket, &mut messages[sent..], SendFlags::empty()).unwrap_or(1);
    }
}

/// Writes the answer of this world to a query; `false` where it is none.
fn answer(query: &[u8], reply: &mut Vec<u8>) -> bool {
    const A: u16 = 1;
    const NXDOMAIN: u8 = 3;
    let Some(section) = query.get(HEADER_BYTES..) else { return false };
    let Some(root) = section.iter().position(|&byte| byte == 0) else { return false };
    let Some(&[high, low, _, _]) = section.get(root + 1..root + 5) else { return false };
    let (name, kind) = (&section[..root], u16::from_be_bytes([high, low]));
    let hash = name
        .iter()
        .rev()
        .take(12)
        .fold(17_u32, |hash, &byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    reply.clear();
    reply.extend_from_slice(&query[..HEADER_BYTES + root + 5]);
    reply[2] = 0x81;
    reply[3] = 0x80;
    let records = match kind {
        MX => {
            let mut exchange = *b"\x03mx0\x07mail000\x05hosts\x07example\x00";
            exchange[3] = b'0' + (hash % 2) as u8;
            for (at, digit) in [(9, hash / 100), (10, hash / 10), (11, hash)] {
                exchange[at] = b'0' + (digit % 10) as u8;
            }
            let mut data = vec![0, 10];
            data.extend_from_slice(&exchange);
            record(reply, kind, &data);
            1
        }
        NS => {
            record(reply, kind, b"\x03ns1\x07dns-000\x07example\x00");
            record(reply, kind, b"\x03ns2\x07dns-000\x07example\x00");
            2
        }
        TXT if hash.is_multiple_of(10) => {
            record(reply, kind, b"\x19v=STSv1; id=20260101T0000");
            1
        }
        A => {
            record(reply, kind, &[127, 0, 0, 1]);
            1
        }
        _ => {
            reply[3] |= if kind == TXT { NXDOMAIN } else { 0 };
            0
        }
    };
    reply[6..12].copy_from_slice(&[0, records, 0, u8::from(records == 0), 0, 1]);
    if records == 0 {
        reply.extend_from_slice(SOA);
    }
    // EDNS (RFC 6891 §6.1.2).
    reply.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    true
}

fn record(reply: &mut Vec<u8>, kind: u16, data: &[u8]) {
    reply.extend_from_slice(&[0xc0, HEADER_BYTES as u8]);
    reply.extend_from_slice(&kind.to_be_bytes());
    reply.extend_from_slice(&[0, 1, 0, 0, 0x0e, 0x10]);
    reply.extend_from_slice(&(data.len() as u16).to_be_bytes());
    reply.extend_from_slice(data);
}
