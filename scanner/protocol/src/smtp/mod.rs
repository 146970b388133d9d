//! The dialogue with a mail host, up to its TLS and no further (RFC 5321, RFC 3207).
//!
//! [`Dialogue`] decides what is said; it opens no connection and knows no time. Its driver [polls](Dialogue::poll) it
//! for the next thing to do, does it, and hands in the bytes that arrive. The dialogue asks for nothing but a
//! greeting, the server's keywords, TLS, and its keywords again: no `MAIL` is ever sent.
//!
//! The readings taken: any 2xx greets, whatever its words (§4.3.2 has 220; nothing asks for `ESMTP` in it); `EHLO` is tried on
//! every host, and `HELO` only behind a refusal for good (§3.2); what a host that is closing (421, §3.8) or deferring (4xx)
//! would have offered is not known, and so never "no STARTTLS"; only 220 is leave to begin TLS (RFC 3207 §4), and what follows
//! it in the clear is kept and never read (RFC 3207 §5).

mod reply;

pub use reply::{LINE_BYTES_MAX, REPLY_BYTES_MAX, REPLY_LINES_MAX, Reply, ReplyFlaw, ehlo_keywords};

use reply::ReplyReader;

/// What a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The connection: the server greets first.
    Banner,
    /// `EHLO` in the clear.
    Ehlo,
    /// `HELO`, after `EHLO` was refused for good.
    Helo,
    /// `STARTTLS`.
    Starttls,
    /// `EHLO` inside TLS.
    EhloTls,
    /// `QUIT`.
    Quit,
}

/// What the driver is to do, or to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A reply arrived: what it answers, and the reply.
    Reply(Step, Reply),
    /// Send these bytes.
    Send(Vec<u8>),
    /// Wait for bytes and [`receive`](Dialogue::receive) them.
    Receive,
    /// Begin TLS, and say so by [`encrypted`](Dialogue::encrypted).
    Handshake {
        /// What followed the reply to `STARTTLS` in the clear. Whoever sent it was not authenticated by TLS: it is
        /// never read as a reply.
        early_bytes: Vec<u8>,
    },
    /// It is over; close the connection.
    End(Outcome),
}

/// How a dialogue ended, as far as the server's words decide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All was asked, and all was answered.
    Completed,
    /// A reply to this step ended it.
    Refused(Step),
    /// The reply to this step offers no TLS, so there is nothing more to ask.
    NotOffered(Step),
    /// What answered this step is no reply.
    Flawed(Step, ReplyFlaw),
}

/// The client's side of a session.
#[derive(Debug)]
pub struct Dialogue {
    name: Vec<u8>,
    reader: ReplyReader,
    step: Step,
    next: Next,
    outcome: Option<Outcome>,
}

#[derive(Debug)]
enum Next {
    Send(Vec<u8>),
    Receive,
    Handshake,
    End,
}

const QUIT: &[u8] = b"QUIT\r\n";
/// The server is closing the connection (RFC 5321 §3.8): nobody is left to say `QUIT` to.
const CLOSING: u16 = 421;
/// The server is ready for TLS (RFC 3207 §4).
const READY: u16 = 220;

impl Dialogue {
    /// A dialogue on a fresh connection, under the name to be given in `EHLO`. What no command can carry is left
    /// out of the name.
    pub fn new(ehlo_name: &str) -> Self {
        Self {
            name: ehlo_name.bytes().filter(u8::is_ascii_graphic).collect(),
            reader: ReplyReader::default(),
            step: Step::Banner,
            next: Next::Receive,
            outcome: None,
        }
    }

    /// Takes bytes that arrived.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.reader.push(bytes);
    }

    /// TLS stands: the dialogue begins anew within it (RFC 3207 §4.2).
    pub fn encrypted(&mut self) {
        self.say_hello(Step::EhloTls, b"EHLO ");
    }

    /// What to do next.
    pub fn poll(&mut self) -> Event {
        match std::mem::replace(&mut self.next, Next::Receive) {
            Next::Send(bytes) => Event::Send(bytes),
            Next::Receive => match self.reader.next() {
                None => Event::Receive,
                Some((reply, flaw)) => {
                    let step = self.step;
                    self.answered(&reply, flaw);
                    Event::Reply(step, reply)
                }
            },
            Next::Handshake => {
                self.next = Next::Handshake;
                Event::Handshake { early_bytes: self.reader.take_rest() }
            }
            Next::End => {
                self.next = Next::End;
                Event::End(self.outcome.unwrap_or(Outcome::Completed))
            }
        }
    }

    /// What is being answered now.
    pub fn step(&self) -> Step {
        self.step
    }

    /// How it will end, where that no longer depends on the connection: `QUIT` has been said, or will be.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The connection ends early: takes what has arrived of a reply.
    pub fn take_partial(&mut self) -> Option<Reply> {
        self.reader.take_partial()
    }

    /// What is still to be said before hanging up on a server that does not answer, or not with replies. Nothing
    /// where it has not greeted us, is closing, or was told already.
    pub fn farewell(&self) -> Option<&'static [u8]> {
        let is_over =
            matches!(self.outcome, Some(Outcome::Completed | Outcome::Refused(_) | Outcome::NotOffered(_)));
        (self.step != Step::Banner && !is_over).then_some(QUIT)
    }

    fn answered(&mut self, reply: &Reply, flaw: Option<ReplyFlaw>) {
        let step = self.step;
        if step == Step::Quit {
            self.next = Next::End;
            return;
        }
        let code = match (reply.code, flaw) {
            (Some(code), None) => code,
            (_, flaw) => return self.end(Outcome::Flawed(step, flaw.unwrap_or(ReplyFlaw::Malformed))),
        };
        let is_fine = (200..300).contains(&code);
        match step {
            _ if code == CLOSING => self.end(Outcome::Refused(step)),
            Step::Banner if is_fine => self.say_hello(Step::Ehlo, b"EHLO "),
            Step::Ehlo if is_fine && offers_tls(reply) => self.say(Step::Starttls, b"STARTTLS\r\n".to_vec()),
            Step::Ehlo | Step::Helo if is_fine => self.quit(Outcome::NotOffered(step)),
            // Some servers are older than EHLO (RFC 5321 §3.2); a refusal for now is no sign of it.
            Step::Ehlo if code >= 500 => self.say_hello(Step::Helo, b"HELO "),
            Step::Starttls if code == READY => self.next = Next::Handshake,
            Step::EhloTls if is_fine => self.quit(Outcome::Completed),
            _ => self.quit(Outcome::Refused(step)),
        }
    }

    fn say_hello(&mut self, step: Step, verb: &[u8]) {
        self.say(step, [verb, &self.name, b"\r\n"].concat());
    }

    fn say(&mut self, step: Step, command: Vec<u8>) {
        self.step = step;
        self.next = Next::Send(command);
    }

    fn quit(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
        self.say(Step::Quit, QUIT.to_vec());
    }

    fn end(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
        self.next = Next::End;
    }
}

/// Whether an `EHLO` reply offers `STARTTLS` (RFC 3207 §4), in whatever case.
fn offers_tls(reply: &Reply) -> bool {
    ehlo_keywords(reply.lines.iter().map(Vec::as_slice))
        .any(|keyword| keyword.eq_ignore_ascii_case(b"STARTTLS"))
}
