//! What a policy host answers.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mxray_engine::ProbeSettings;
use mxray_engine::bytes::read_response;
use mxray_evidence::{Cause, Ending, PolicyRow};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};

/// Small, so that a fuzzer reaches it.
const POLICY_BYTES_MAX: usize = 300;
const HEADERS_MAX: usize = 128;
/// Bytes of a name or value in the head at most: all of it.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A response, behind one byte that says how many bytes arrive at a time.
pub fn http_response(data: &[u8]) {
    let Some((size, response)) = data.split_first() else { return };
    let row = fetch(response, usize::MAX);
    check(&row, response);
    let pieces = fetch(response, usize::from(*size) + 1);
    assert_eq!(essence(&row), essence(&pieces), "a response is the same however it arrives");
}

fn fetch(response: &[u8], size: usize) -> PolicyRow {
    thread_local! {
        static RUNTIME: RefCell<Runtime> = RefCell::new(
            Builder::new_current_thread().enable_time().build().expect("a runtime without sockets"),
        );
    }
    let mut settings = ProbeSettings::new("scan.example", "https://example.net/scan");
    settings.policy_bytes_max = POLICY_BYTES_MAX;
    settings.policy_timeout = Duration::from_hours(1);
    let stream = Pieces { left: response, size, asked: false, reader: None };
    RUNTIME.with_borrow_mut(|runtime| runtime.block_on(read_response(&settings, stream, "d.example")))
}

/// What was observed, without when and in which words.
fn essence(row: &PolicyRow) -> impl PartialEq + std::fmt::Debug + use<> {
    let headers: Vec<_> =
        row.headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
    // A head that comes in pieces is looked at when its end is there, and only then found to be malformed or long.
    let cause = match (row.status, row.ending.cause()) {
        (None, Some(Cause::Malformed | Cause::Oversize)) => Some(Cause::Closed),
        (_, cause) => cause,
    };
    (row.status, headers, row.body.clone(), row.body_truncated, row.ending.stage(), cause)
}

fn check(row: &PolicyRow, response: &[u8]) {
    assert!(!row.ending.is_withheld(), "nothing of ours stood in the way");
    assert_eq!(row.status.is_none(), row.body.is_none(), "a status comes with a body, if an empty one");
    assert!(row.status.is_some() || row.headers.is_empty() && !row.ending.is_completed());
    let is_final = |status| status == 101 || (200..1_000).contains(&status);
    assert!(row.status.is_none_or(is_final), "{:?}", row.status);
    assert!(row.headers.len() <= HEADERS_MAX);
    for header in &row.headers {
        assert!(header.name.len() + header.value.len() <= HEAD_BYTES_MAX);
        assert!(!header.name.bytes().any(|byte| byte.is_ascii_uppercase()));
        assert!(response.windows(header.value.len().max(1)).any(|part| part.starts_with(&header.value)));
    }
    let body = row.body.as_ref().map_or(&[][..], |body| body.as_slice());
    assert!(body.len() <= POLICY_BYTES_MAX);
    match &row.ending {
        Ending::Completed => assert!(!row.body_truncated, "what is whole is not cut"),
        Ending::Stopped { cause: Cause::Oversize, .. } if row.status.is_some() => {
            // Chunks may have longer extensions and trailers than are read, behind a body that is not too long.
            let is_chunked = row.headers.iter().any(|header| header.name == "transfer-encoding");
            let is_cut = row.body_truncated && body.len() == POLICY_BYTES_MAX;
            assert!(is_cut || is_chunked && !row.body_truncated);
        }
        _ => {}
    }
    assert_ne!(row.ending.cause(), Some(Cause::Timeout), "all of it was there at once");
}

/// A server that says what it has to say once it is asked, and hangs up.
struct Pieces<'a> {
    left: &'a [u8],
    size: usize,
    asked: bool,
    /// Who waits for it.
    reader: Option<Waker>,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.asked {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let length = self.left.len().min(self.size).min(buffer.remaining());
        let (piece, left) = self.left.split_at(length);
        buffer.put_slice(piece);
        self.left = left;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.asked = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_to_its_end() {
        let row = fetch(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", usize::MAX);
        assert_eq!((row.status, row.body.as_deref().map(Vec::as_slice)), (Some(200), Some(&b"abc"[..])));
        assert!(row.ending.is_completed());
    }
}
