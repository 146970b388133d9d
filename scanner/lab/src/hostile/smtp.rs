//! Mail hosts that mean harm.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::dns::DRIP;
use super::{Hostile, tls};
use crate::authority::Authority;
use crate::ledger::SmtpSeen;

/// A command line has so many bytes at most.
const LINE_BYTES_MAX: u64 = 1_024;
/// A session has so many commands at most.
const COMMANDS_MAX: usize = 20;

/// Serves a connection to the mail host of a case.
pub(crate) async fn serve_mail(
    case: Hostile,
    stream: TcpStream,
    authority: &Authority,
    seen: &mut SmtpSeen,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    if !speak(case, &mut stream, false, seen).await? {
        return Ok(());
    }
    let Some(stream) = tls::shake(case, stream.into_inner(), authority, seen).await? else { return Ok(()) };
    let mut stream = BufReader::new(stream);
    speak(case, &mut stream, true, seen).await?;
    stream.shutdown().await
}

/// The dialogue, before TLS with the greeting, inside it without. Whether TLS is to begin now.
async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    case: Hostile,
    stream: &mut BufReader<S>,
    inside: bool,
    seen: &mut SmtpSeen,
) -> io::Result<bool> {
    if !inside {
        greet(case, stream).await?;
    }
    let mut line = Vec::new();
    for _ in 0..COMMANDS_MAX {
        line.clear();
        if (&mut *stream).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await? == 0 {
            return Ok(false);
        }
        let text = String::from_utf8_lossy(&line);
        let verb = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        if !seen.commands.is_empty() {
            seen.commands.push(' ');
        }
        seen.commands.push_str(&verb);
        seen.quit |= verb == "QUIT";
        seen.mail |= verb == "MAIL";
        match verb.as_str() {
            "EHLO" => hello(case, stream, inside).await?,
            "STARTTLS" if !inside => {
                say(stream, ready(case)).await?;
                return Ok(true);
            }
            "QUIT" if case == Hostile::SmtpQuitSilence => {
                let mut sink = Vec::new();
                (&mut *stream).take(LINE_BYTES_MAX).read_to_end(&mut sink).await?;
                return Ok(false);
            }
            "QUIT" => {
                say(stream, b"221 2.0.0 Bye\r\n").await?;
                return Ok(false);
            }
            _ => say(stream, b"502 5.5.1 Command not implemented\r\n").await?,
        }
    }
    Ok(false)
}

async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    case: Hostile,
    stream: &mut BufReader<S>,
) -> io::Result<()> {
    match case {
        Hostile::SmtpBannerEndless => flood(stream, b"220-mx.hostile will greet you in a moment\r\n").await,
        Hostile::SmtpLineEndless => flood(stream, b"220-mx.hostile").await,
        Hostile::SmtpBlankLines => flood(stream, b"\r\n").await,
        Hostile::SmtpDrip => drip(stream, b"220-mx.hostile is slow ").await,
        Hostile::SmtpNuls => say(stream, b"220 mx\0hostile \x1b[2J\x1b]0;owned\x07 ESMTP\0\r\n").await,
        Hostile::SmtpCodesDiffer => say(stream, b"220-mx.hostile\r\n554 ESMTP\r\n").await,
        Hostile::SmtpEarly => {
            say(stream, b"220 mx.hostile ESMTP\r\n250-mx.hostile\r\n250 STARTTLS\r\n220 Ready\r\n").await
        }
        _ => say(stream, b"220 mx.hostile ESMTP\r\n").await,
    }
}

/// The answer to `EHLO`.
async fn hello<S: AsyncRead + AsyncWrite + Unpin>(
    case: Hostile,
    stream: &mut BufReader<S>,
    inside: bool,
) -> io::Result<()> {
    match case {
        Hostile::SmtpEhloEndless => flood(stream, b"250-X-MORE\r\n").await,
        Hostile::SmtpEhloTlsEndless if inside => flood(stream, b"250-X-MORE\r\n").await,
        Hostile::SmtpNuls => say(stream, b"250-mx\0hostile\r\n250-\0\0\x1b[8m\r\n250 STARTTLS\r\n").await,
        _ if inside => say(stream, b"250-mx.hostile\r\n250 8BITMIME\r\n").await,
        _ => say(stream, b"250-mx.hostile\r\n250-8BITMIME\r\n250 STARTTLS\r\n").await,
    }
}

/// The answer to `STARTTLS`, and what is slipped in behind it.
fn ready(case: Hostile) -> &'static [u8] {
    match case {
        Hostile::SmtpInjection => {
            b"220 Ready\r\n250-mx.hostile\r\n250 AUTH PLAIN\r\n250 2.1.0 Ok\r\n354 Go ahead\r\n"
        }
        Hostile::SmtpNuls => b"220 \0Ready\0\r\n",
        _ => b"220 Ready\r\n",
    }
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// The same words again and again, as fast as they are taken, until nobody takes them.
pub(super) async fn flood(stream: &mut (impl AsyncWrite + Unpin), words: &[u8]) -> io::Result<()> {
    const WRITE_BYTES: usize = 4 << 10;
    let chunk = words.repeat(WRITE_BYTES.div_ceil(words.len()));
    loop {
        say(stream, &chunk).await?;
    }
}

/// Some words, and a byte now and then, until nobody takes it.
pub(super) async fn drip(stream: &mut (impl AsyncWrite + Unpin), words: &[u8]) -> io::Result<()> {
    say(stream, words).await?;
    loop {
        tokio::time::sleep(DRIP).await;
        say(stream, b"x").await?;
    }
}
