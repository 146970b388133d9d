//! The same question over TCP, after a truncated answer (RFC 7766).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mxray_evidence::{Cause, Ending, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::question::{self, Question};
use crate::ending;

/// Asks over a connection of its own, and closes it.
pub(super) async fn ask(
    resolver: SocketAddr,
    question: &Question,
    id: u16,
    timeout: Duration,
) -> Result<Box<[u8]>, Ending> {
    match tokio::time::timeout(timeout, exchange(resolver, question, id)).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(ending::of_io(Stage::Dns, &error)),
        Err(_) => Err(Ending::stopped(Stage::Dns, Cause::Timeout)),
    }
}

async fn exchange(resolver: SocketAddr, question: &Question, id: u16) -> io::Result<Box<[u8]>> {
    let mut stream = TcpStream::connect(resolver).await?;
    let packet = question.behind_id();
    let mut framed = Vec::with_capacity(packet.len() + 4);
    framed.extend_from_slice(&(packet.len() as u16 + 2).to_be_bytes());
    framed.extend_from_slice(&id.to_be_bytes());
    framed.extend_from_slice(packet);
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    if question::id(&reply) == Some(id) && question::answers(&reply, question.section()) {
        Ok(reply.into())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "the reply over TCP answers another question"))
    }
}
