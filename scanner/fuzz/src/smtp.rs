//! The SMTP dialogue.

use mxray_protocol::smtp::{
    Dialogue, Event, LINE_BYTES_MAX, Outcome, REPLY_BYTES_MAX, REPLY_LINES_MAX, Reply, Step, ehlo_keywords,
};

/// Stands between what the server says in the clear and what it says within TLS; no server says it.
const TLS_MARK: u8 = 0xfe;
/// Longest input that is handed in byte by byte.
const BYTEWISE_BYTES_MAX: usize = 3_000;
/// More events than a dialogue has: five commands and their replies, twice over.
const EVENTS_MAX: usize = 32;

/// A server's side: a byte that says how it is cut, what it says in the clear, the byte 0xfe, what it says within TLS.
pub fn smtp_dialogue(data: &[u8]) {
    let Some((seed, data)) = data.split_first() else { return };
    let mut sides = data.splitn(2, |byte| *byte == TLS_MARK);
    let (clear, tls) = (sides.next().unwrap_or_default(), sides.next().unwrap_or_default());
    let whole = Talk::hold(clear, tls, usize::MAX, 0);
    whole.check();
    // One byte at a time takes its time where there are many.
    let least = if data.len() > BYTEWISE_BYTES_MAX { 64 } else { 1 };
    for (most, seed) in [(least, 0), (least + usize::from(*seed), u32::from(*seed))] {
        let cut = Talk::hold(clear, tls, most, seed);
        assert_eq!(whole.events, cut.events, "what is said does not depend on how it was cut");
        assert_eq!((whole.outcome, &whole.partial), (cut.outcome, &cut.partial));
        assert!(whole.early.starts_with(&cut.early), "early bytes are what came early");
    }
}

/// A dialogue held with a server that says what it says, whatever it is told.
#[derive(Default)]
struct Talk {
    /// Replies and commands.
    events: Vec<Event>,
    early: Vec<u8>,
    shaken: bool,
    outcome: Option<Outcome>,
    /// What had arrived of a reply when the server fell silent.
    partial: Option<Reply>,
}

impl Talk {
    /// Hands in pieces of one to `most` bytes, in a sequence that `seed` settles.
    fn hold(clear: &[u8], tls: &[u8], most: usize, mut seed: u32) -> Self {
        let mut dialogue = Dialogue::new("scan.example\r\nMAIL FROM:<>");
        let mut talk = Self::default();
        let mut left = clear;
        loop {
            match dialogue.poll() {
                Event::Receive if left.is_empty() => {
                    talk.outcome = dialogue.outcome();
                    talk.partial = dialogue.take_partial();
                    return talk;
                }
                Event::Receive => {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let length = left.len().min(1 + (seed >> 16) as usize % most);
                    let piece = if most == usize::MAX { left } else { &left[..length] };
                    dialogue.receive(piece);
                    left = &left[piece.len()..];
                }
                Event::Handshake { early_bytes } => {
                    assert!(!talk.shaken, "TLS stands once");
                    talk.shaken = true;
                    talk.early = early_bytes;
                    left = tls;
                    dialogue.encrypted();
                }
                Event::End(outcome) => {
                    talk.outcome = Some(outcome);
                    return talk;
                }
                event => talk.events.push(event),
            }
            assert!(talk.events.len() <= EVENTS_MAX, "a dialogue ends");
        }
    }

    fn check(&self) {
        let mut offered = false;
        let mut last = None;
        let mut quits = 0;
        for event in &self.events {
            match event {
                Event::Send(command) => {
                    let line = command.strip_suffix(b"\r\n").expect("a command ends its line");
                    assert!(line.iter().all(|byte| (0x20..0x7f).contains(byte)), "one line of text");
                    let verb = line.split(|byte| *byte == b' ').next().unwrap_or_default();
                    assert!(
                        matches!(verb, b"EHLO" | b"HELO" | b"STARTTLS" | b"QUIT"),
                        "nothing else is said"
                    );
                    assert!(verb != b"STARTTLS" || offered, "STARTTLS where it is offered");
                    quits += usize::from(verb == b"QUIT");
                }
                Event::Reply(step, reply) => {
                    check_caps(reply);
                    if *step == Step::Ehlo {
                        let mut keywords = ehlo_keywords(reply.lines.iter().map(Vec::as_slice));
                        offered = keywords.any(|keyword| keyword.eq_ignore_ascii_case(b"STARTTLS"));
                    }
                    if *step != Step::Quit {
                        last = Some((*step, reply.code));
                    }
                }
                _ => unreachable!("only replies and commands are kept"),
            }
        }
        assert!(quits <= 1, "QUIT is said once");
        let fine = |code: Option<u16>| code.is_some_and(|code| (200..300).contains(&code));
        match self.outcome {
            Some(Outcome::NotOffered(step)) => {
                let (at, code) = last.expect("a reply decided it");
                assert!(
                    at == step && fine(code),
                    "what is refused or deferred does not say that TLS is not offered"
                );
            }
            Some(Outcome::Completed) => {
                assert!(self.shaken && last.is_some_and(|(step, code)| step == Step::EhloTls && fine(code)));
            }
            Some(Outcome::Refused(step)) => {
                let (at, code) = last.expect("a reply decided it");
                assert!(at == step && code.is_some() && (step == Step::Starttls || !fine(code)));
            }
            Some(Outcome::Flawed(step, _)) => assert!(last.is_some_and(|(at, _)| at == step)),
            None => {}
        }
        if let Some(partial) = &self.partial {
            assert_eq!(partial.code, None, "half a reply has no code");
            check_caps(partial);
        }
    }
}

fn check_caps(reply: &Reply) {
    assert!(reply.lines.len() <= REPLY_LINES_MAX + 1);
    assert!(reply.lines.iter().all(|line| line.len() <= LINE_BYTES_MAX));
    assert!(reply.lines.iter().map(Vec::len).sum::<usize>() <= REPLY_BYTES_MAX + LINE_BYTES_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialogue_in_which_all_goes_well_is_completed() {
        let talk = Talk::hold(b"220 a\n250-a\n250 STARTTLS\n220 go\n", b"250 a\n221 bye\n", usize::MAX, 0);
        assert_eq!((talk.outcome, talk.shaken, talk.events.len()), (Some(Outcome::Completed), true, 9));
    }
}
