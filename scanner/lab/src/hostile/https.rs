//! Policy hosts that mean harm.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Hostile;
use super::smtp::{drip, flood};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

/// Answers a request whose head was read, for the policy of a hostile domain. The status that was said.
pub(crate) async fn serve_policy(
    domain: &str,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> io::Result<()> {
    let Some(case) = Hostile::of_domain(domain) else { return Ok(()) };
    let (head, words): (String, &[u8]) = match case {
        Hostile::HttpsSilence => return wait(stream).await,
        Hostile::HttpsDrip => {
            stream.write_all(format!("{OK}Content-Length: 60000\r\n\r\n").as_bytes()).await?;
            return drip(stream, b"version: STSv1\r\n").await;
        }
        Hostile::HttpsHeadersDrip => return drip(stream, b"HTTP/1.1 200 OK\r\nX-Drip: ").await,
        Hostile::HttpsBodyEndless => (format!("{OK}\r\n"), b"version: STSv1\r\n"),
        Hostile::HttpsChunkedEndless => (format!("{OK}Transfer-Encoding: chunked\r\n\r\n"), b"4\r\nmode\r\n"),
        Hostile::HttpsChunkExtension => (format!("{OK}Transfer-Encoding: chunked\r\n\r\n1;"), b"x=y;"),
        Hostile::HttpsTrailersEndless => {
            (format!("{OK}Transfer-Encoding: chunked\r\n\r\n1\r\nv\r\n0\r\n"), b"X-Trailer: more\r\n")
        }
        Hostile::HttpsHeadersEndless => (OK.to_owned(), b"X-Header: more\r\n"),
        Hostile::HttpsHeaderLong => (format!("{OK}X-Long: "), b"longer and "),
        Hostile::HttpsInterimEndless => (String::new(), b"HTTP/1.1 100 Continue\r\n\r\n"),
        Hostile::HttpsUpgrade => {
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: hostile\r\n\r\n";
            (head.to_owned(), b"\0\xff")
        }
        _ => {
            stream.write_all(&whole(case, domain)).await?;
            return stream.shutdown().await;
        }
    };
    stream.write_all(head.as_bytes()).await?;
    flood(stream, words).await
}

/// A response that ends.
fn whole(case: Hostile, domain: &str) -> Vec<u8> {
    let policy = format!("version: STSv1\r\nmode: enforce\r\nmx: *.{domain}\r\nmax_age: 2592000\r\n");
    let sized = |head: &str, body: &[u8]| {
        [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
    };
    let moved = |to: &str| sized(&format!("HTTP/1.1 301 Moved Permanently\r\nLocation: {to}\r\n"), b"");
    match case {
        Hostile::HttpsRedirectFile => moved("file:///etc/passwd"),
        Hostile::HttpsRedirectLoopback => moved("https://127.0.0.1/.well-known/mta-sts.txt"),
        Hostile::HttpsGzipBomb => sized(&format!("{OK}Content-Encoding: gzip\r\n"), &gzip_bomb()),
        Hostile::HttpsLengthLiar => {
            format!("{OK}Content-Length: 18446744073709551616\r\n\r\n{policy}").into_bytes()
        }
        Hostile::HttpsLengthsTwo => {
            format!("{OK}Content-Length: 5\r\nContent-Length: 500\r\n\r\n{policy}").into_bytes()
        }
        Hostile::HttpsNuls => sized(OK, &[0; 4_096]),
        _ => sized(OK, policy.as_bytes()),
    }
}

/// Gzip (RFC 1952) of eight megabytes in fifty thousand bytes: one zero, and a copy of the 258 bytes before, again and
/// again, by the fixed codes of RFC 1951 §3.2.6.
fn gzip_bomb() -> Vec<u8> {
    /// Of the longest copy there is (code 285, distance code 0), most significant bit first.
    const COPY: [bool; 13] =
        [true, true, false, false, false, true, false, true, false, false, false, false, false];
    const COPIES: usize = 31_000;
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    // The last block, of fixed codes (least significant bit first); then the literal 0, which is 00110000.
    let head = [true, true, false, false, false, true, true, false, false, false, false];
    let mut filled = 0;
    for bit in head.into_iter().chain(COPY.into_iter().cycle().take(COPIES * COPY.len())) {
        if filled == 0 {
            bytes.push(0);
        }
        if let Some(last) = bytes.last_mut() {
            *last |= u8::from(bit) << filled;
        }
        filled = (filled + 1) % 8;
    }
    // The end of the block (seven zeros), a checksum and a length that nobody gets to.
    bytes.extend_from_slice(&[0; 10]);
    bytes
}

async fn wait(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut sink = [0; 1_024];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}
