//! One session with one mail host at one address: what it says, and what TLS it speaks.
//!
//! The words are [`mxray_protocol::smtp::Dialogue`]'s. This is the connection: deadlines, bytes, TLS, and the row.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use mxray_evidence::{ByteBuf, Cause, Ending, OwnCause, Reply, SmtpSessionRow, Stage, TlsObservation};
use mxray_protocol::smtp::{Dialogue, Event, Outcome, ReplyFlaw, Step};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::deadline::Deadline;
use crate::{Net, clock, connect, legacy, tls};

/// Most bytes read at once. What follows the leave to begin TLS in the clear is kept as far as the same read goes, and must not
/// reach the handshake.
const READ_BYTES_MAX: usize = 4 << 10;
/// How long a server may take to answer `QUIT`, within the session's deadline.
const QUIT_WAIT: Duration = Duration::from_secs(5);
/// How long a last word may take to leave once the exchange is over, or its deadline has passed.
const FAREWELL_WAIT: Duration = Duration::from_millis(500);

/// A session, and the certificates that its row names by their digests.
#[derive(Debug, Clone)]
pub struct Session {
    /// What was observed.
    pub row: SmtpSessionRow,
    /// DER, in the order of the chain.
    pub certificates: Vec<Vec<u8>>,
}

/// Connects to a mail host at one of its addresses, and asks for its TLS. It waits for nobody's leave, and always
/// gives a row. No `MAIL` is ever sent; `QUIT` is, wherever somebody is left to hear it.
pub async fn probe(net: &Net, host: &str, address: IpAddr) -> Session {
    let mut session = Session { row: blank_row(net, host, address), certificates: Vec::new() };
    let admitted = if net.opts_out(host) { Err(OwnCause::OptOut) } else { net.admits(address) };
    if let Err(cause) = admitted {
        session.row.ending = Ending::withheld(Stage::Connect, cause);
        return session;
    }
    let begin = Instant::now();
    session.row.started = clock::now();
    let ending = session.run(net, begin + net.settings.smtp_timeout).await;
    session.row.ending = net.stalls.judge(ending, begin);
    session.row.elapsed_us = begin.elapsed().as_micros() as u64;
    // Its connection is within the same place.
    let alert = session.row.tls.as_ref().and_then(|tls| tls.alert.as_deref());
    if net.settings.legacy_tls && legacy::is_suspected(&session.row.ending, alert) {
        let (hello, certificates) = legacy::ask(net, host, address).await;
        session.row.legacy = Some(hello);
        session.certificates.extend(certificates);
    }
    session
}

/// Whether the server says that it has no time now, to be asked again later: it closes the channel (RFC 5321 §3.8), or
/// turns greeting or `EHLO` away for now (RFC 5321 §4.2.1).
pub(crate) fn asks_to_wait(row: &SmtpSessionRow) -> bool {
    let codes = row.replies.iter().filter_map(|reply| Some((reply.stage.as_str(), reply.code?)));
    let greets = |stage: &str| [Stage::Banner, Stage::Ehlo, Stage::Helo].iter().any(|s| s.as_str() == stage);
    codes.into_iter().any(|(stage, code)| code == 421 || greets(stage) && (400..500).contains(&code))
}

impl Session {
    async fn run(&mut self, net: &Net, end: Instant) -> Ending {
        let address = SocketAddr::new(
            self.row.address.parse().expect("the row's address was written from one"),
            self.row.port,
        );
        let mut deadline = Deadline::new(end.min(Instant::now() + net.settings.connect_timeout));
        let mut stream = match connect::open(net, address, &mut deadline).await {
            Ok(stream) => stream,
            Err(ending) => return ending,
        };
        deadline.move_to(end);
        let mut dialogue = Dialogue::new(&net.settings.ehlo_name);
        let replies = &mut self.row.replies;
        match converse(&mut stream, &mut dialogue, replies, &mut None, &mut deadline).await {
            Talk::Ended(ending) => return ending,
            Talk::Handshake(early_bytes) => {
                self.row.early_bytes = (!early_bytes.is_empty()).then(|| ByteBuf::from(early_bytes));
            }
        }
        let shaken = net.tls.handshake(stream, &self.row.host, &[], &mut deadline).await;
        self.certificates = shaken.certificates;
        self.row.tls = shaken.observation;
        let mut stream = match shaken.outcome {
            Ok(stream) => stream,
            Err(ending) => return ending,
        };
        dialogue.encrypted();
        match converse(
            &mut stream,
            &mut dialogue,
            &mut self.row.replies,
            &mut self.row.tls.as_mut(),
            &mut deadline,
        )
        .await
        {
            Talk::Ended(ending) => {
                let goodbye = deadline.at().min(Instant::now() + FAREWELL_WAIT);
                // The closing alert is a courtesy; nothing depends on its arrival.
                stream.get_mut().0.hold();
                let _ = tokio::time::timeout_at(goodbye, stream.shutdown()).await;
                ending
            }
            Talk::Handshake(_) => unreachable!("STARTTLS is not said within TLS"),
        }
    }
}

/// How far a conversation went.
pub(crate) enum Talk {
    /// The server is ready for TLS; these bytes followed its word in the clear.
    Handshake(Vec<u8>),
    /// It is over.
    Ended(Ending),
}

/// Drives the dialogue until it asks for TLS or is over, and writes down every reply.
pub(crate) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    dialogue: &mut Dialogue,
    replies: &mut Vec<Reply>,
    tls: &mut Option<&mut TlsObservation>,
    deadline: &mut Deadline,
) -> Talk {
    let mut buffer = vec![0; READ_BYTES_MAX];
    let mut said = Instant::now();
    let failed = loop {
        match dialogue.poll() {
            Event::Reply(step, reply) => replies.push(reply_row(step, reply, said)),
            Event::Handshake { early_bytes } => return Talk::Handshake(early_bytes),
            Event::End(outcome) => {
                say_farewell(stream, dialogue).await;
                return Talk::Ended(ending_of(outcome));
            }
            Event::Send(bytes) => {
                said = Instant::now();
                if dialogue.step() == Step::Quit {
                    deadline.move_to(deadline.at().min(said + QUIT_WAIT));
                }
                let sending = async {
                    stream.write_all(&bytes).await?;
                    stream.flush().await
                };
                match deadline.bound(pin!(sending)).await {
                    Some(Ok(())) => {}
                    Some(Err(error)) => break Failed::Io(error),
                    None => break Failed::Timeout,
                }
            }
            Event::Receive => match deadline.bound(pin!(stream.read(&mut buffer))).await {
                Some(Ok(0)) => break Failed::Closed,
                Some(Ok(length)) => dialogue.receive(&buffer[..length]),
                Some(Err(error)) => break Failed::Io(error),
                None => break Failed::Timeout,
            },
        }
    };
    let step = dialogue.step();
    if let Some(partial) = dialogue.take_partial() {
        replies.push(reply_row(step, partial, said));
    }
    if let (Some(observed), Failed::Io(error)) = (tls, &failed) {
        observed.alert = tls::alert_of(error).or(observed.alert.take());
    }
    if matches!(failed, Failed::Timeout) {
        say_farewell(stream, dialogue).await;
    }
    // What the server's words had decided, a broken farewell does not change.
    Talk::Ended(dialogue.outcome().map_or_else(|| failed.ending(stage(step)), ending_of))
}

/// Why no more can be said or heard.
enum Failed {
    Closed,
    Timeout,
    Io(std::io::Error),
}

impl Failed {
    fn ending(&self, stage: Stage) -> Ending {
        match self {
            Self::Closed => Ending::stopped(stage, Cause::Closed),
            Self::Timeout => Ending::stopped(stage, Cause::Timeout),
            Self::Io(error) => tls::ending_of(stage, error),
        }
    }
}

/// Says `QUIT` where it is owed, without waiting for an answer.
async fn say_farewell<S: AsyncWrite + Unpin>(stream: &mut S, dialogue: &Dialogue) {
    if let Some(farewell) = dialogue.farewell() {
        let saying = async {
            stream.write_all(farewell).await?;
            stream.flush().await
        };
        // Whoever did not answer before may not hear this either.
        let _ = tokio::time::timeout(FAREWELL_WAIT, saying).await;
    }
}

fn reply_row(step: Step, reply: mxray_protocol::smtp::Reply, said: Instant) -> Reply {
    Reply {
        stage: stage(step).as_str().to_owned(),
        code: reply.code,
        lines: reply.lines.into_iter().map(ByteBuf::from).collect(),
        elapsed_us: said.elapsed().as_micros() as u64,
    }
}

fn ending_of(outcome: Outcome) -> Ending {
    match outcome {
        Outcome::Completed => Ending::Completed,
        Outcome::Refused(step) => Ending::stopped(stage(step), Cause::Reply),
        Outcome::NotOffered(step) => Ending::stopped(stage(step), Cause::NotOffered),
        Outcome::Flawed(step, ReplyFlaw::Malformed) => Ending::stopped(stage(step), Cause::Malformed),
        Outcome::Flawed(step, ReplyFlaw::Oversize) => Ending::stopped(stage(step), Cause::Oversize),
    }
}

fn stage(step: Step) -> Stage {
    match step {
        Step::Banner => Stage::Banner,
        Step::Ehlo => Stage::Ehlo,
        Step::Helo => Stage::Helo,
        Step::Starttls => Stage::Starttls,
        Step::EhloTls => Stage::EhloTls,
        Step::Quit => Stage::Quit,
    }
}

fn blank_row(net: &Net, host: &str, address: IpAddr) -> SmtpSessionRow {
    SmtpSessionRow {
        host: host.to_owned(),
        address: address.to_string(),
        port: net.settings.smtp_port,
        started: clock::now(),
        elapsed_us: 0,
        attempts: 1,
        reused_from: None,
        replies: Vec::new(),
        early_bytes: None,
        tls: None,
        legacy: None,
        ending: Ending::Completed,
    }
}
