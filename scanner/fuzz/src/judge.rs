//! A whole domain, judged.

use mxray_evidence::{ByteBuf, Cause, DomainRow, Ending, Lookup, OwnCause, Reply, Stage, TxtRecord};
use mxray_protocol::smtp::{Dialogue, Event, Step};
use mxray_rules::{ChainProblem, Effect, Judgement, Outcome, SessionOutcome, assess_session, rules};

#[path = "../../../analysis/rules/tests/rules/case.rs"]
#[expect(dead_code, reason = "the tests of the rules, whose it is, need more of it")]
mod case;

use case::{Case, DOMAIN, Host, chain, lookup, mx, timed_out, withheld};

/// Stands between the parts of an input, and [`RECORD_MARK`] between the records of a part; UTF-8 has neither.
const PART_MARK: u8 = 0xfe;
const RECORD_MARK: u8 = 0xff;
/// Records of a lookup, and MX hosts, at most.
const RECORDS_MAX: usize = 8;
/// Rules that make no finding where nobody asked for their lookups.
const ON_REQUEST: [&str; 3] = ["sts-record-wrong-owner", "sts-policy-without-record", "tlsrpt-wrong-owner"];
const PROBLEMS: [ChainProblem; 7] = [
    ChainProblem::Name,
    ChainProblem::Expired,
    ChainProblem::NotYetValid,
    ChainProblem::SelfSigned,
    ChainProblem::UnknownRoot,
    ChainProblem::MissingIntermediate,
    ChainProblem::Malformed,
];

/// Six parts: choices, a byte each; the `_mta-sts` records; the `_smtp._tls` records; the policy's body; the MX hosts;
/// what a mail host says.
pub fn judge(data: &[u8]) {
    check(&read(data));
}

fn read(data: &[u8]) -> Case {
    let mut parts = data.splitn(6, |byte| *byte == PART_MARK);
    let mut part = || parts.next().unwrap_or_default();
    let mut choices = Choices(part());
    let mut case = Case::sound();
    let segment = usize::from(choices.next()) + 1;
    case.domain.sts_txt = choices.lookup("_mta-sts.d.example", records(part(), segment));
    case.domain.tlsrpt_txt = choices.lookup("_smtp._tls.d.example", records(part(), segment));
    let (row, judged) = case.policy.as_mut().expect("a sound case has a policy");
    row.body = Some(ByteBuf::from(part()));
    row.body_truncated = choices.next() == 1;
    row.status = choices.pick(&[Some(200), Some(404), Some(301), Some(204), None]);
    row.ending = choices.ending();
    row.connects[0].ending = choices.ending();
    *judged = choices.problems();
    if choices.next() == 1 {
        row.tls = None;
    }
    let exchanges = part().split(|byte| *byte == b'\n').take(RECORDS_MAX).filter_map(exchange);
    case.domain.mx =
        choices.lookup(DOMAIN, exchanges.map(|(preference, host)| mx(preference, host)).collect());
    let host = session(part(), &mut choices);
    case.hosts.insert(host.row.host.clone(), host);
    case
}

/// What is chosen, byte after byte; behind the end, zeros, which are the sound choice.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        // Digits can be read in a seed.
        first.wrapping_sub(b'0')
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.next()) % of.len()]
    }

    fn ending(&mut self) -> Ending {
        match self.next() % 8 {
            1 => Ending::stopped(self.pick(Stage::ALL), self.pick(Cause::ALL)),
            2 => Ending::withheld(self.pick(Stage::ALL), self.pick(OwnCause::ALL)),
            _ => Ending::Completed,
        }
    }

    fn problems(&mut self) -> Option<mxray_rules::ChainAssessment> {
        match self.next() {
            9 => None,
            0 => Some(chain(&[])),
            many => {
                let chosen = PROBLEMS.into_iter().enumerate().filter(|(at, _)| many >> at & 1 == 1);
                Some(chain(&chosen.map(|(_, problem)| problem).collect::<Vec<_>>()))
            }
        }
    }

    fn lookup<R>(&mut self, name: &str, records: Vec<R>) -> Lookup<R> {
        match self.next() {
            1 => lookup(name, 3, Vec::new()),
            2 => timed_out(name),
            3 => withheld(name),
            4 => lookup(name, 2, Vec::new()),
            5 => case::dangling(name, 0),
            _ => lookup(name, 0, records),
        }
    }
}

fn records(part: &[u8], segment: usize) -> Vec<TxtRecord> {
    let texts = part.split(|byte| *byte == RECORD_MARK).take(RECORDS_MAX);
    texts.map(|text| record(text, segment)).collect()
}

/// A TXT record of character-strings of so many bytes.
fn record(text: &[u8], segment: usize) -> TxtRecord {
    TxtRecord { segments: text.chunks(segment).map(ByteBuf::from).collect(), ttl: 60 }
}

/// `10 mx.example`: as the engine writes names, in printable ASCII and lower case.
fn exchange(line: &[u8]) -> Option<(u16, &str)> {
    let (preference, host) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let is_name = host.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase());
    (is_name && !host.is_empty()).then_some((preference.parse().ok()?, host))
}

/// A mail host that says this at its one address.
fn session(says: &[u8], choices: &mut Choices<'_>) -> Host {
    let mut row = case::session("mx1.d.example", "192.0.2.1");
    row.replies.clear();
    let mut dialogue = Dialogue::new("scan.example");
    dialogue.receive(says);
    loop {
        match dialogue.poll() {
            Event::Reply(step, reply) => row.replies.push(Reply {
                stage: stage(step).as_str().to_owned(),
                code: reply.code,
                lines: reply.lines.into_iter().map(ByteBuf::from).collect(),
                elapsed_us: 1,
            }),
            Event::Send(_) => {}
            Event::Handshake { .. } | Event::Receive | Event::End(_) => break,
        }
    }
    row.ending = choices.ending();
    if choices.next() == 1 {
        row.tls = None;
    }
    let chain = choices.problems();
    let assessed = assess_session(&row, chain.clone(), None);
    let code = |stage: Stage| row.reply(stage).and_then(|reply| reply.code);
    if assessed.outcome == SessionOutcome::Absent {
        let answer = code(Stage::Ehlo).filter(|code| *code < 300).or(code(Stage::Helo));
        assert!(answer.is_some_and(|code| (200..300).contains(&code)), "who was refused has not been told");
        assert_ne!(code(Stage::Banner), Some(421));
    }
    Host::with_sessions("mx1.d.example", vec![(row, chain)])
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

fn check(case: &Case) {
    let judgement = case.judge();
    outcomes_follow_from_findings(&judgement);
    verdict_follows_from_findings(&judgement);
    for finding in &judgement.findings {
        let words = finding.detail.iter().map(String::as_str).chain(finding.cause.as_deref());
        for word in words {
            assert!(!word.chars().any(char::is_control), "{word:?} can be shown to a person");
        }
    }
    let same = |other: &Case, why: &str| {
        let other = other.judge();
        assert_eq!(judgement.outcomes, other.outcomes, "{why}");
        assert!(judgement.verdict == other.verdict, "{why}");
    };
    let mut again = case.clone();
    again.domain.mx.records.reverse();
    same(&again, "the order of MX records does not count");
    let mut again = case.clone();
    resegment(&mut again.domain);
    same(&again, "how a TXT record is cut into character-strings does not count");
    let mut again = case.clone();
    for lookup in [&mut again.domain.sts_txt, &mut again.domain.tlsrpt_txt] {
        if !lookup.records.is_empty() {
            lookup.records.push(record(b"v=spf1 -all", 255));
        }
    }
    same(&again, "a record of something else does not count");
    unmeasured_is_unknown(case.clone());
}

fn resegment(domain: &mut DomainRow) {
    for lookup in [&mut domain.sts_txt, &mut domain.tlsrpt_txt] {
        for txt in &mut lookup.records {
            *txt = record(&txt.segments.iter().flat_map(|segment| segment.to_vec()).collect::<Vec<_>>(), 3);
        }
    }
}

fn outcomes_follow_from_findings(judgement: &Judgement) {
    assert_eq!(judgement.outcomes.len(), rules().len());
    for (rule, outcome) in rules().iter().zip(&judgement.outcomes) {
        let of_rule = || judgement.findings.iter().filter(|finding| finding.rule.id == rule.id);
        let worst = of_rule().map(|finding| finding.outcome).max();
        let unasked = worst.is_none() && *outcome == Outcome::Unknown && ON_REQUEST.contains(&rule.name);
        assert!(unasked || worst == (*outcome >= Outcome::Unknown).then_some(*outcome), "{}", rule.name);
        for finding in of_rule() {
            let known =
                |cause: &str| rule.causes.iter().any(|doc| doc.name == cause || doc.name.starts_with('<'));
            assert!(finding.cause.as_deref().is_none_or(known), "{} {:?}", rule.name, finding.cause);
            assert!(finding.outcome == Outcome::Unknown || finding.cause.is_some() != rule.causes.is_empty());
            assert!(finding.effect <= rule.effect.max(Effect::Unknown), "{}", rule.name);
        }
    }
}

fn verdict_follows_from_findings(judgement: &Judgement) {
    let verdict = &judgement.verdict;
    let any = |effect: Effect| {
        judgement
            .findings
            .iter()
            .any(|finding| finding.outcome == Outcome::Violation && finding.effect == effect)
    };
    assert_eq!(verdict.refusing > 0, any(Effect::Refuse));
    assert_eq!(verdict.downgrading > 0, any(Effect::Downgrade));
    assert_eq!(verdict.mode.is_some(), verdict.policy == "valid");
    assert_eq!(verdict.max_age.is_some(), verdict.policy == "valid");
    assert!(verdict.mx_matched.is_none_or(|matched| matched <= verdict.mx_hosts));
    let enforced = verdict.record == "valid" && verdict.mode.as_deref() == Some("enforce");
    assert!(enforced || verdict.refusing == 0, "nothing is refused where nothing is enforced");
    if enforced {
        assert!(!matches!(verdict.sts.as_str(), "encrypted" | "cleartext"), "{}", verdict.sts);
        assert_ne!(verdict.sts_attacker, "the-message");
    } else if verdict.record != "unknown" && verdict.policy != "unknown" {
        assert_eq!(verdict.sts, verdict.opportunistic, "without a policy in force the two senders are one");
    }
}

/// The same domain, of which nothing was measured.
fn unmeasured_is_unknown(mut case: Case) {
    case.domain.mx = withheld(DOMAIN);
    case.domain.sts_txt = withheld("_mta-sts.d.example");
    case.domain.tlsrpt_txt = timed_out("_smtp._tls.d.example");
    let judgement = case.judge();
    assert!(judgement.findings.iter().all(|finding| finding.outcome == Outcome::Unknown));
    let verdict = judgement.verdict;
    assert_eq!([verdict.record, verdict.tlsrpt, verdict.mx, verdict.sts], ["unknown"; 4]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_that_is_to_be_sound_is() {
        let case = read(include_bytes!("../seeds/judge/sound"));
        assert_eq!(case.violations(), ["sts-policy-max-age-short/under-two-weeks"]);
        assert_eq!(case.judge().verdict.sts, "authenticated");
    }
}
