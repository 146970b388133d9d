//! The dialogue with a mail host, against hosts that speak by the book and hosts that do not.

use mxray_protocol::smtp::{
    Dialogue, Event, LINE_BYTES_MAX, Outcome, REPLY_BYTES_MAX, REPLY_LINES_MAX, Reply, ReplyFlaw, Step,
    ehlo_keywords,
};
use proptest::prelude::*;

/// A server of canned replies, one a turn; what it was told, and what it answered, as the client saw it.
#[derive(Debug, Default)]
struct Heard {
    sent: Vec<String>,
    replies: Vec<(Step, Reply)>,
    early_bytes: Option<Vec<u8>>,
    /// `None`: the replies ran out, and the client still waits.
    outcome: Option<Outcome>,
}

/// Runs a dialogue against replies, in pieces of `piece` bytes. TLS is a nod.
fn talk_in_pieces(replies: &[&[u8]], piece: usize) -> (Heard, Dialogue) {
    let mut dialogue = Dialogue::new("probe.example");
    let mut heard = Heard::default();
    let mut turns = replies.iter();
    let mut pending: &[u8] = turns.next().unwrap_or(&&b""[..]);
    loop {
        match dialogue.poll() {
            Event::Reply(step, reply) => heard.replies.push((step, reply)),
            Event::Send(bytes) => {
                heard.sent.push(String::from_utf8(bytes).expect("commands are ASCII"));
                pending = turns.next().unwrap_or(&&b""[..]);
            }
            Event::Receive if pending.is_empty() => return (heard, dialogue),
            Event::Receive => {
                let (now, later) = pending.split_at(piece.min(pending.len()));
                dialogue.receive(now);
                pending = later;
            }
            Event::Handshake { early_bytes } => {
                heard.early_bytes = Some(early_bytes);
                dialogue.encrypted();
            }
            Event::End(outcome) => {
                heard.outcome = Some(outcome);
                return (heard, dialogue);
            }
        }
    }
}

fn talk(replies: &[&[u8]]) -> Heard {
    talk_in_pieces(replies, usize::MAX).0
}

const BY_THE_BOOK: [&[u8]; 5] = [
    b"220 mx.example ESMTP\r\n",
    b"250-mx.example greets you\r\n250-SIZE 1000\r\n250 STARTTLS\r\n",
    b"220 go ahead\r\n",
    b"250-mx.example\r\n250 SIZE 1000\r\n",
    b"221 bye\r\n",
];

#[test]
fn rfc3207_4_a_session_by_the_book() {
    let heard = talk(&BY_THE_BOOK);
    assert_eq!(heard.sent, ["EHLO probe.example\r\n", "STARTTLS\r\n", "EHLO probe.example\r\n", "QUIT\r\n"]);
    assert_eq!(heard.outcome, Some(Outcome::Completed));
    let steps: Vec<Step> = heard.replies.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [Step::Banner, Step::Ehlo, Step::Starttls, Step::EhloTls, Step::Quit]);
    let codes: Vec<Option<u16>> = heard.replies.iter().map(|(_, reply)| reply.code).collect();
    assert_eq!(codes, [Some(220), Some(250), Some(220), Some(250), Some(221)]);
    assert_eq!(heard.replies[1].1.lines[2], b"250 STARTTLS");
}

#[test]
fn rfc5321_4_2_1_replies_split_anywhere_mean_the_same() {
    let whole = talk(&BY_THE_BOOK);
    for piece in 1..20 {
        let (split, _) = talk_in_pieces(&BY_THE_BOOK, piece);
        assert_eq!(split.replies, whole.replies, "pieces of {piece}");
        assert_eq!(split.outcome, whole.outcome, "pieces of {piece}");
    }
}

#[test]
fn rfc5321_4_2_1_a_reply_split_at_any_place_means_the_same() {
    let script: [&[u8]; 5] = [
        b"220-mx.example\r\n220-one moment\r\n220 ready\r\n",
        b"250-mx.example\r\n250-PIPELINING\r\n250-StartTLS\r\n250 HELP\r\n",
        b"220 go ahead\r\n",
        b"250 mx.example\r\n",
        b"221-closing\r\n221 bye\r\n",
    ];
    let whole = talk(&script);
    assert_eq!(whole.outcome, Some(Outcome::Completed));
    for turn in 0..script.len() {
        for cut in 0..=script[turn].len() {
            let mut dialogue = Dialogue::new("probe.example");
            let (mut replies, mut at) = (Vec::new(), 0);
            let outcome = loop {
                match dialogue.poll() {
                    Event::Reply(step, reply) => replies.push((step, reply)),
                    Event::Send(_) => at += 1,
                    Event::Receive if at == turn => {
                        dialogue.receive(&script[turn][..cut]);
                        while let Event::Reply(step, reply) = dialogue.poll() {
                            assert_eq!(cut, script[turn].len(), "turn {turn} is over at {cut}");
                            replies.push((step, reply));
                        }
                        if cut < script[turn].len() {
                            dialogue.receive(&script[turn][cut..]);
                        } else {
                            // What was polled away was the next thing to do.
                            break None;
                        }
                    }
                    Event::Receive => dialogue.receive(script[at]),
                    Event::Handshake { early_bytes } => {
                        assert_eq!(early_bytes, b"");
                        dialogue.encrypted();
                    }
                    Event::End(outcome) => break Some(outcome),
                }
            };
            let seen = if outcome.is_some() { script.len() } else { turn + 1 };
            assert_eq!(replies, whole.replies[..seen], "turn {turn} cut at {cut}");
        }
    }
}

#[test]
fn rfc5321_4_3_1_a_banner_is_several_lines_or_one_and_need_not_say_esmtp() {
    for banner in
        ["220 mx.example\r\n", "220\r\n", "220-mx.example SMTP\r\n220-no spam\r\n220\r\n", "220 ESMTP\r\n"]
    {
        let heard = talk(&[banner.as_bytes(), b"250-mx\r\n250 STARTTLS\r\n"]);
        assert_eq!(heard.sent, ["EHLO probe.example\r\n", "STARTTLS\r\n"], "{banner:?}");
        assert_eq!(heard.replies[0].1.lines.len(), banner.lines().count());
    }
}

/// What a server has said that was then asked for each step.
fn until(step: Step) -> Vec<&'static [u8]> {
    match step {
        Step::Banner => Vec::new(),
        Step::Ehlo => BY_THE_BOOK[..1].to_vec(),
        Step::Helo => vec![BY_THE_BOOK[0], b"502 what?\r\n"],
        Step::Starttls => BY_THE_BOOK[..2].to_vec(),
        Step::EhloTls => BY_THE_BOOK[..3].to_vec(),
        Step::Quit => BY_THE_BOOK[..4].to_vec(),
    }
}

const STEPS: [Step; 6] = [Step::Banner, Step::Ehlo, Step::Helo, Step::Starttls, Step::EhloTls, Step::Quit];

#[test]
fn a_refusal_at_any_step_is_that_and_never_a_host_without_starttls() {
    for step in STEPS {
        for code in [421, 450, 451, 454, 500, 501, 502, 521, 530, 550, 554] {
            let refusal = format!("{code}-no\r\n{code} and no\r\n");
            let mut replies = until(step);
            replies.push(refusal.as_bytes());
            let (heard, dialogue) = talk_in_pieces(&replies, usize::MAX);
            let is_recorded = heard.replies.iter().any(|(at, reply)| *at == step && reply.code == Some(code));
            assert!(is_recorded, "{code} at {step:?}: {heard:?}");
            match (step, code) {
                (Step::Quit, _) => assert_eq!(heard.outcome, Some(Outcome::Completed)),
                (Step::Ehlo, 500..) => assert_eq!((dialogue.step(), dialogue.outcome()), (Step::Helo, None)),
                _ => assert_eq!(dialogue.outcome(), Some(Outcome::Refused(step)), "{code} at {step:?}"),
            }
            let says_quit = heard.sent.last().is_some_and(|last| last == "QUIT\r\n");
            assert_eq!(says_quit, step == Step::Quit || (code != 421 && dialogue.step() == Step::Quit));
        }
    }
}

#[test]
fn a_connection_that_ends_early_at_any_step_leaves_what_was_said_and_no_verdict() {
    for step in STEPS {
        for partial in [&b""[..], b"2", b"250", b"250-mx.example\r\n", b"250-mx.example\r\n250 STARTTLS\r"] {
            let mut replies = until(step);
            replies.push(partial);
            let (heard, mut dialogue) = talk_in_pieces(&replies, usize::MAX);
            assert_eq!((heard.outcome, dialogue.step()), (None, step), "{partial:?}");
            assert_eq!(heard.replies.len(), replies.len() - 1);
            let verdict = (step == Step::Quit).then_some(Outcome::Completed);
            assert_eq!(dialogue.outcome(), verdict, "{step:?}: nothing was decided by what did not arrive");
            let kept = dialogue.take_partial().map(|reply| (reply.code, reply.lines.concat().len()));
            let bytes = partial.len() - if partial.contains(&b'\n') { 2 } else { 0 };
            assert_eq!(kept, (bytes > 0).then_some((None, bytes)), "{step:?} {partial:?}");
        }
    }
}

#[test]
fn a_reply_of_ten_megabytes_at_any_step_is_cut_at_the_caps() {
    let endless = [b"250-".to_vec(), vec![b'x'; 10 << 20]].concat();
    let many_lines = b"250-x\r\n".repeat((10 << 20) / 7);
    for step in STEPS {
        for flood in [&endless, &many_lines] {
            let mut replies = until(step);
            replies.push(flood);
            let (heard, dialogue) = talk_in_pieces(&replies, 16 << 10);
            let (at, reply) = heard.replies.last().unwrap();
            assert_eq!((*at, reply.code), (step, None));
            assert!(reply.lines.concat().len() <= REPLY_BYTES_MAX + LINE_BYTES_MAX, "{step:?}");
            let expected = if step == Step::Quit {
                Outcome::Completed
            } else {
                Outcome::Flawed(step, ReplyFlaw::Oversize)
            };
            assert_eq!(dialogue.outcome(), Some(expected), "{step:?}");
        }
    }
}

#[test]
fn a_bare_line_feed_ends_a_line() {
    let heard = talk(&[b"220-one\n220 two\n", b"250 mx.example\n", b"221\n"]);
    assert_eq!(heard.replies[0].1.lines, [b"220-one".to_vec(), b"220 two".to_vec()]);
    assert_eq!(heard.outcome, Some(Outcome::NotOffered(Step::Ehlo)));
}

#[test]
fn rfc3207_4_starttls_has_no_case() {
    for keyword in ["STARTTLS", "starttls", "StartTLS", "STARTTLS ", "STARTTLS\tREQUIRED"] {
        let ehlo = format!("250-mx.example\r\n250-{keyword}\r\n250 HELP\r\n");
        let heard = talk(&[b"220 hi\r\n", ehlo.as_bytes()]);
        assert_eq!(heard.sent.last().unwrap(), "STARTTLS\r\n", "{keyword:?}");
    }
}

#[test]
fn what_only_resembles_starttls_is_no_offer() {
    for keyword in ["XXXXXXXA", "STARTTLSX", "X-STARTTLS", "AUTH STARTTLS", "START TLS"] {
        let ehlo = format!("250-mx.example\r\n250 {keyword}\r\n");
        let heard = talk(&[b"220 hi\r\n", ehlo.as_bytes(), b"221 bye\r\n"]);
        assert_eq!(heard.outcome, Some(Outcome::NotOffered(Step::Ehlo)), "{keyword:?}");
        assert_eq!(heard.sent.last().unwrap(), "QUIT\r\n");
    }
}

#[test]
fn rfc5321_4_1_1_1_the_first_line_of_ehlo_is_a_greeting_and_no_keyword() {
    let heard = talk(&[b"220 hi\r\n", b"250 STARTTLS\r\n", b"221 bye\r\n"]);
    assert_eq!(heard.outcome, Some(Outcome::NotOffered(Step::Ehlo)));
    let lines: [&[u8]; 4] = [b"250-mx.example AUTH", b"250-AUTH=LOGIN", b"250-", b"250 size 10"];
    let words: Vec<&[u8]> = ehlo_keywords(lines).collect();
    assert_eq!(words, [&b"AUTH"[..], b"size"]);
}

#[test]
fn rfc5321_3_2_helo_follows_an_ehlo_refused_for_good() {
    let heard = talk(&[b"220 hi\r\n", b"502 what?\r\n", b"250 mx.example\r\n", b"221 bye\r\n"]);
    assert_eq!(heard.sent, ["EHLO probe.example\r\n", "HELO probe.example\r\n", "QUIT\r\n"]);
    assert_eq!(heard.outcome, Some(Outcome::NotOffered(Step::Helo)));
    let refused = talk(&[b"220 hi\r\n", b"502 what?\r\n", b"550 no\r\n", b"221 bye\r\n"]);
    assert_eq!(refused.outcome, Some(Outcome::Refused(Step::Helo)));
    assert_eq!(refused.sent.last().unwrap(), "QUIT\r\n");
}

#[test]
fn rfc5321_3_1_quit_is_said_after_a_refusal() {
    let turns: [(&[&[u8]], Step); 5] = [
        (&[b"554 no service\r\n", b"221 bye\r\n"], Step::Banner),
        (&[b"450 later\r\n", b"221 bye\r\n"], Step::Banner),
        (&[b"220 hi\r\n", b"451 greylisted\r\n", b"221 bye\r\n"], Step::Ehlo),
        (
            &[b"220 hi\r\n", b"250-a\r\n250 STARTTLS\r\n", b"454 no TLS now\r\n", b"221 bye\r\n"],
            Step::Starttls,
        ),
        (
            &[b"220 hi\r\n", b"250-a\r\n250 STARTTLS\r\n", b"220 go\r\n", b"550 no\r\n", b"221 .\r\n"],
            Step::EhloTls,
        ),
    ];
    for (replies, step) in turns {
        let heard = talk(replies);
        assert_eq!(heard.outcome, Some(Outcome::Refused(step)), "{step:?}");
        assert_eq!(heard.sent.last().unwrap(), "QUIT\r\n", "{step:?}");
        assert_eq!(heard.replies.last().unwrap().0, Step::Quit, "{step:?}");
    }
}

#[test]
fn rfc5321_3_8_after_a_421_nobody_is_left_to_say_quit_to() {
    let script = |turns: usize| {
        let mut replies = BY_THE_BOOK[..turns].to_vec();
        replies.push(b"421 shutting down\r\n");
        replies
    };
    for (turns, step) in [Step::Banner, Step::Ehlo, Step::Starttls, Step::EhloTls].into_iter().enumerate() {
        let (heard, dialogue) = talk_in_pieces(&script(turns), usize::MAX);
        assert_eq!(heard.outcome, Some(Outcome::Refused(step)));
        assert!(!heard.sent.contains(&"QUIT\r\n".to_owned()), "{step:?}");
        assert_eq!(dialogue.farewell(), None, "{step:?}");
    }
    let at_quit = talk(&script(4));
    assert_eq!(at_quit.outcome, Some(Outcome::Completed));
}

#[test]
fn rfc3207_4_only_220_is_leave_to_begin() {
    let heard = talk(&[b"220 hi\r\n", b"250-a\r\n250 STARTTLS\r\n", b"250 fine\r\n", b"221 bye\r\n"]);
    assert_eq!(heard.outcome, Some(Outcome::Refused(Step::Starttls)));
    assert_eq!(heard.early_bytes, None);
}

#[test]
fn what_follows_220_in_the_clear_is_kept_and_never_read_as_a_reply() {
    let injected = b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n";
    let heard =
        talk(&[b"220 hi\r\n", b"250-a\r\n250 STARTTLS\r\n", injected, b"250 true\r\n", b"221 bye\r\n"]);
    assert_eq!(heard.early_bytes.as_deref(), Some(&b"250-evil\r\n250 AUTH PLAIN\r\n"[..]));
    let (step, reply) = &heard.replies[3];
    assert_eq!((*step, reply.lines[0].as_slice()), (Step::EhloTls, &b"250 true"[..]));
}

#[test]
fn bytes_that_are_no_reply_end_it_and_are_kept() {
    for banner in ["SSH-2.0-x\r\n", "<html>\r\n", "\r\n", "22\r\n", "2200 hi\r\n", "abc hi\r\n"] {
        let heard = talk(&[banner.as_bytes()]);
        assert_eq!(heard.outcome, Some(Outcome::Flawed(Step::Banner, ReplyFlaw::Malformed)), "{banner:?}");
        let (step, reply) = &heard.replies[0];
        assert_eq!((*step, reply.code), (Step::Banner, None));
        assert_eq!(reply.lines[0], banner.trim_end().as_bytes());
        assert!(heard.sent.is_empty());
    }
    let later = talk(&[b"220 hi\r\n", b"250-fine\r\nnonsense\r\n250 STARTTLS\r\n"]);
    assert_eq!(later.outcome, Some(Outcome::Flawed(Step::Ehlo, ReplyFlaw::Malformed)));
    assert_eq!(later.replies[1].1.lines, [b"250-fine".to_vec(), b"nonsense".to_vec()]);
}

#[test]
fn a_reply_without_end_is_cut_at_the_caps() {
    let endless_line = vec![b'x'; 10 << 20];
    let endless_lines = b"220-x\r\n".repeat(1 << 20);
    let wide_lines = [b"220-".to_vec(), vec![b'x'; 1_000], b"\r\n".to_vec()].concat().repeat(REPLY_LINES_MAX);
    for banner in [endless_line, endless_lines, wide_lines] {
        let (heard, _) = talk_in_pieces(&[&banner], 4096);
        assert_eq!(heard.outcome, Some(Outcome::Flawed(Step::Banner, ReplyFlaw::Oversize)));
        let lines = &heard.replies[0].1.lines;
        assert!(!lines.is_empty() && lines.len() <= REPLY_LINES_MAX);
        assert!(lines.iter().all(|line| line.len() <= LINE_BYTES_MAX));
        assert!(lines.iter().map(Vec::len).sum::<usize>() <= REPLY_BYTES_MAX + LINE_BYTES_MAX);
    }
}

#[test]
fn a_line_at_the_cap_is_whole_though_its_end_comes_in_two() {
    let banner = [b"220 ".to_vec(), vec![b'x'; LINE_BYTES_MAX - 4], b"\r\n".to_vec()].concat();
    for piece in [1, LINE_BYTES_MAX, LINE_BYTES_MAX + 1, usize::MAX] {
        let (heard, _) = talk_in_pieces(&[&banner], piece);
        assert_eq!(heard.replies[0].1.code, Some(220), "in pieces of {piece}");
        let (heard, _) = talk_in_pieces(&[&[b"2", &banner[..]].concat()], piece);
        assert_eq!(
            heard.outcome,
            Some(Outcome::Flawed(Step::Banner, ReplyFlaw::Oversize)),
            "in pieces of {piece}"
        );
    }
}

#[test]
fn a_reply_cut_off_is_kept_as_far_as_it_came() {
    let (heard, mut dialogue) = talk_in_pieces(&[b"220 hi\r\n", b"250-mx.example\r\n250-STARTT"], usize::MAX);
    assert_eq!(heard.outcome, None);
    assert_eq!(dialogue.step(), Step::Ehlo);
    let partial = dialogue.take_partial().unwrap();
    assert_eq!(partial.code, None);
    assert_eq!(partial.lines, [b"250-mx.example".to_vec(), b"250-STARTT".to_vec()]);
    assert_eq!(dialogue.take_partial(), None);
    assert_eq!(dialogue.farewell(), Some(&b"QUIT\r\n"[..]));
}

#[test]
fn nothing_is_said_to_a_server_that_has_not_greeted() {
    let (heard, dialogue) = talk_in_pieces(&[b"220-wait\r\n"], usize::MAX);
    assert!(heard.sent.is_empty());
    assert_eq!(dialogue.farewell(), None);
}

#[test]
fn the_ehlo_name_cannot_carry_a_command() {
    let mut dialogue = Dialogue::new("probe.example\r\nMAIL FROM:<>\r\n");
    dialogue.receive(b"220 hi\r\n");
    assert!(matches!(dialogue.poll(), Event::Reply(Step::Banner, _)));
    assert_eq!(dialogue.poll(), Event::Send(b"EHLO probe.exampleMAILFROM:<>\r\n".to_vec()));
}

proptest! {
    #[test]
    fn whatever_arrives_the_dialogue_ends_or_waits_and_never_says_mail(
        turns in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "[2-5][0-9]{2}[ -][ -~]{0,20}\r\n".prop_map(String::into_bytes),
                Just(b"220 ok\r\n".to_vec()),
                Just(b"250-mx\r\n250 starttls\r\n".to_vec()),
            ],
            0..8,
        ),
        piece in 1usize..64,
    ) {
        let turns: Vec<&[u8]> = turns.iter().map(Vec::as_slice).collect();
        let (heard, _) = talk_in_pieces(&turns, piece);
        for command in &heard.sent {
            let verb = command.trim_end().split(' ').next().unwrap_or_default();
            prop_assert!(["EHLO", "HELO", "STARTTLS", "QUIT"].contains(&verb), "{}", command);
            prop_assert!(command.ends_with("\r\n") && command.matches('\n').count() == 1);
        }
        prop_assert!(heard.sent.len() <= 5);
    }
}
