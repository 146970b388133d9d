//! One request and its response, over TLS that stands.

use std::error::Error as _;
use std::io;
use std::pin::pin;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use mxray_evidence::{ByteBuf, Cause, Ending, Header, PolicyRow, Stage};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::deadline::Deadline;
use crate::{ProbeSettings, tls};

/// The path of every policy (RFC 8461 §3.3).
const PATH: &str = "/.well-known/mta-sts.txt";
/// Most bytes of a status line with its header fields.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most header fields.
const HEADERS_MAX: usize = 128;

/// Asks for the policy, and writes what arrives into the row as it arrives.
pub(super) async fn get<S: AsyncRead + AsyncWrite + Unpin>(
    settings: &ProbeSettings,
    stream: S,
    row: &mut PolicyRow,
    deadline: &mut Deadline,
) -> Ending {
    let exchanged = deadline.bound(pin!(exchange(settings, stream, row))).await;
    match exchanged {
        Some(Ok(())) => Ending::Completed,
        Some(Err(Failed::Oversize)) => Ending::stopped(Stage::Body, Cause::Oversize),
        Some(Err(Failed::Hyper(error))) => ending_of(row, &error),
        None => Ending::stopped(stage(row), Cause::Timeout),
    }
}

/// What has begun to arrive.
fn stage(row: &PolicyRow) -> Stage {
    if row.status.is_some() { Stage::Body } else { Stage::Headers }
}

enum Failed {
    /// The body is longer than the cap.
    Oversize,
    Hyper(hyper::Error),
}

impl From<hyper::Error> for Failed {
    fn from(error: hyper::Error) -> Self {
        Self::Hyper(error)
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    settings: &ProbeSettings,
    stream: S,
    row: &mut PolicyRow,
) -> Result<(), Failed> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await?;
    let request = request(&row.host, &settings.user_agent);
    let talk = async {
        let response = sender.send_request(request).await?;
        note_head(row, &response);
        read_body(row, response.into_body(), settings.policy_bytes_max).await
    };
    tokio::pin!(talk, connection);
    tokio::select! {
        // The request is said first, so that it leaves with the end of the handshake.
        biased;
        talked = &mut talk => talked,
        // The connection is done, or broken: what it delivered is still to be read, its error is told there too.
        _ = &mut connection => talk.await,
    }
}

fn request(host: &str, user_agent: &str) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = PATH.parse().expect("the path is a valid URI");
    let headers = request.headers_mut();
    // A host that no header can carry has no A record either; the empty value is legal (RFC 9112 §3.2).
    let value = |text: &str| header::HeaderValue::from_str(text);
    headers.insert(header::HOST, value(host).unwrap_or_else(|_| header::HeaderValue::from_static("")));
    if let Ok(agent) = value(user_agent) {
        headers.insert(header::USER_AGENT, agent);
    }
    headers.insert(header::ACCEPT, header::HeaderValue::from_static("text/plain, */*;q=0.1"));
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    request
}

fn note_head(row: &mut PolicyRow, response: &Response<Incoming>) {
    row.status = Some(response.status().as_u16());
    row.headers = response
        .headers()
        .iter()
        .map(|(name, value)| Header {
            name: name.as_str().to_owned(),
            value: ByteBuf::from(value.as_bytes().to_vec()),
        })
        .collect();
    row.body = Some(ByteBuf::new());
}

/// Reads up to the cap, and one frame more to know that there is more.
async fn read_body(row: &mut PolicyRow, mut body: Incoming, bytes_max: usize) -> Result<(), Failed> {
    let announced = announced_bytes(row);
    let kept = row.body.get_or_insert_default();
    row.body_truncated = announced.is_some_and(|announced| announced > 0);
    while let Some(frame) = body.frame().await {
        // Trailers are no policy.
        let Ok(data) = frame?.into_data() else { continue };
        let room = bytes_max - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            row.body_truncated = true;
            return Err(Failed::Oversize);
        }
        row.body_truncated = announced.is_some_and(|announced| announced > kept.len() as u64);
    }
    row.body_truncated = false;
    Ok(())
}

/// What `content-length` says is to come.
fn announced_bytes(row: &PolicyRow) -> Option<u64> {
    let length = row.headers.iter().find(|field| field.name == "content-length")?;
    std::str::from_utf8(&length.value).ok()?.trim().parse().ok()
}

fn ending_of(row: &mut PolicyRow, error: &hyper::Error) -> Ending {
    let stage = stage(row);
    if let Some(io) = io_error(error) {
        if let Some(observed) = &mut row.tls {
            observed.alert = tls::alert_of(io).or(observed.alert.take());
        }
        return match io.kind() {
            // Hyper's words for chunks that are none, and for those with more behind them than it reads.
            io::ErrorKind::InvalidInput => Ending::stopped_with(stage, Cause::Malformed, io),
            io::ErrorKind::InvalidData if !tls::is_of_tls(io) => {
                let words = io.to_string();
                let is_limit =
                    ["limit", "count overflow", "buffer full"].iter().any(|word| words.contains(word));
                let cause = if is_limit { Cause::Oversize } else { Cause::Malformed };
                Ending::stopped_with(stage, cause, words)
            }
            _ => tls::ending_of(stage, io),
        };
    }
    let cause = if error.is_parse_too_large() {
        Cause::Oversize
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Cause::Closed
    } else {
        Cause::Malformed
    };
    Ending::stopped_with(stage, cause, error)
}

fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        source = error.source();
    }
    None
}
