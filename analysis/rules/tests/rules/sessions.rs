//! What one session shows, and what it does not.

use mxray_evidence::{Cause, Ending, OwnCause, SmtpSessionRow, Stage, TlsObservation};
use mxray_rules::{HandshakeFailure as H, SessionOutcome as S, assess_session};

use crate::case::{NOW, chain, cut, reply, session, tls};

const HOST: &str = "mx1.d.example";
const AT: &str = "192.0.2.1";

fn outcome(row: &SmtpSessionRow) -> S {
    assess_session(row, None, None).outcome
}

fn stopped(replies: usize, stage: Stage, cause: Cause) -> SmtpSessionRow {
    cut(HOST, AT, replies, Ending::stopped(stage, cause))
}

fn replaced(place: usize, with: mxray_evidence::Reply) -> SmtpSessionRow {
    let mut row = session(HOST, AT);
    row.replies[place] = with;
    row
}

fn shaken(cause: Cause, detail: &str, alert: Option<&str>) -> SmtpSessionRow {
    let mut row = session(HOST, AT);
    row.replies.truncate(3);
    row.ending = Ending::stopped_with(Stage::Handshake, cause, detail);
    row.tls = Some(TlsObservation { alert: alert.map(str::to_owned), chain: Vec::new(), ..tls(HOST) });
    row
}

#[test]
fn a_session_that_goes_well() {
    let assessed = assess_session(&session(HOST, AT), Some(chain(&[])), None);
    assert_eq!((assessed.outcome, assessed.at, assessed.leaf), (S::Encrypted, NOW, Some([1; 32])));
    assert_eq!(assess_session(&session(HOST, AT), None, Some(5)).at, 5);
}

#[test]
fn rfc3207_4_the_keyword_has_no_case_and_its_line_is_never_the_first() {
    assert_eq!(outcome(&session(HOST, AT)), S::Encrypted);
    let mut greeting_only = replaced(1, reply(Stage::Ehlo, 250, &["250 STARTTLS"]));
    greeting_only.ending = Ending::stopped(Stage::Ehlo, Cause::NotOffered);
    assert_eq!(outcome(&greeting_only), S::Absent);
    let mut other = replaced(1, reply(Stage::Ehlo, 250, &["250-mx", "250-XSTARTTLS", "250 AUTH STARTTLS"]));
    other.ending = Ending::stopped(Stage::Ehlo, Cause::NotOffered);
    assert_eq!(outcome(&other), S::Absent);
}

#[test]
fn a_keyword_that_was_overwritten_is_not_absence() {
    for line in ["250 XXXXXXXA", "250-XXXXXXXX", "250-xxxxXXXA"] {
        let mut row = replaced(1, reply(Stage::Ehlo, 250, &["250-mx", line, "250 HELP"]));
        row.ending = Ending::stopped(Stage::Ehlo, Cause::NotOffered);
        assert_eq!(outcome(&row) == S::Mangled, line.contains("XXXXX"), "{line}");
    }
}

#[test]
fn a_server_that_only_knows_helo_offers_nothing() {
    let mut row = replaced(1, reply(Stage::Ehlo, 502, &["502 what?"]));
    row.replies[2] = reply(Stage::Helo, 250, &["250 mx"]);
    row.ending = Ending::stopped(Stage::Helo, Cause::NotOffered);
    assert_eq!(outcome(&row), S::Absent);
}

#[test]
fn a_4xx_or_5xx_before_anything_is_asked_is_about_us() {
    assert_eq!(outcome(&replaced(0, reply(Stage::Banner, 554, &["554 no"]))), S::Refused(554));
    assert_eq!(outcome(&replaced(0, reply(Stage::Banner, 421, &["421 later"]))), S::Refused(421));
    assert_eq!(outcome(&replaced(1, reply(Stage::Ehlo, 450, &["450 later"]))), S::Refused(450));
    let mut row = replaced(1, reply(Stage::Ehlo, 550, &["550 no"]));
    row.replies[2] = reply(Stage::Helo, 550, &["550 no"]);
    assert_eq!(outcome(&row), S::Refused(550));
}

#[test]
fn what_did_not_answer_is_unreachable_and_what_cannot_be_read_is_not_judged() {
    assert_eq!(outcome(&stopped(0, Stage::Connect, Cause::Refused)), S::Unreachable);
    assert_eq!(outcome(&stopped(0, Stage::Banner, Cause::Timeout)), S::Unreachable);
    assert_eq!(outcome(&stopped(1, Stage::Ehlo, Cause::Closed)), S::Unreachable);
    assert_eq!(outcome(&stopped(0, Stage::Banner, Cause::Malformed)), S::Unreadable);
    assert_eq!(
        outcome(&cut(HOST, AT, 0, Ending::withheld(Stage::Connect, OwnCause::NotRoutable))),
        S::NotGlobal
    );
    assert_eq!(outcome(&cut(HOST, AT, 1, Ending::withheld(Stage::Ehlo, OwnCause::Cancelled))), S::Withheld);
    let mut oversize = stopped(2, Stage::Ehlo, Cause::Oversize);
    oversize.replies[1] = reply(Stage::Ehlo, 250, &["250-mx", "250-SIZE"]);
    assert_eq!(outcome(&oversize), S::Unreadable, "a reply that was cut does not prove absence");
}

#[test]
fn starttls_is_answered_by_220_or_rejected_or_not_known() {
    for code in [421, 454, 501, 554, 250] {
        let mut row = replaced(2, reply(Stage::Starttls, code, &["no"]));
        row.tls = None;
        row.ending = Ending::stopped(Stage::Starttls, Cause::Reply);
        assert_eq!(outcome(&row), S::Rejected(code));
    }
    assert_eq!(outcome(&stopped(2, Stage::Starttls, Cause::Timeout)), S::Offered);
    assert_eq!(
        outcome(&cut(HOST, AT, 3, Ending::withheld(Stage::Handshake, OwnCause::Cancelled))),
        S::Answered
    );
}

#[test]
fn why_a_handshake_failed() {
    let failures = [
        (shaken(Cause::TlsAlert, "", Some("handshake_failure")), H::Alert),
        (shaken(Cause::TlsAlert, "", Some("protocol_version")), H::ProtocolVersion),
        (
            shaken(Cause::TlsError, "peer is incompatible: ServerDoesNotSupportTls12Or13", None),
            H::ProtocolVersion,
        ),
        (shaken(Cause::TlsError, "received corrupt message of type InvalidContentType", None), H::NotTls),
        (shaken(Cause::Closed, "", None), H::Closed),
        (shaken(Cause::Reset, "", None), H::Closed),
        (shaken(Cause::TlsError, "something else", None), H::Failed),
    ];
    for (row, failure) in failures {
        assert_eq!(outcome(&row), S::HandshakeFailed(failure));
    }
    assert_eq!(outcome(&shaken(Cause::Timeout, "", None)), S::Answered, "a time that ran out may be ours");
    let mut unproven = session(HOST, AT);
    unproven.tls.as_mut().unwrap().signature_valid = Some(false);
    assert_eq!(outcome(&unproven), S::HandshakeFailed(H::Signature));
    let mut late = session(HOST, AT);
    late.ending = Ending::stopped(Stage::EhloTls, Cause::TlsAlert);
    late.tls.as_mut().unwrap().alert = Some("certificate_required".to_owned());
    assert_eq!(outcome(&late), S::HandshakeFailed(H::Alert));
}

#[test]
fn what_happens_after_the_handshake_does_not_undo_it() {
    for ending in [
        Ending::stopped(Stage::EhloTls, Cause::Closed),
        Ending::stopped(Stage::Quit, Cause::Timeout),
        Ending::withheld(Stage::EhloTls, OwnCause::Cancelled),
    ] {
        let mut row = session(HOST, AT);
        row.ending = ending;
        assert_eq!(outcome(&row), S::Encrypted);
    }
}
