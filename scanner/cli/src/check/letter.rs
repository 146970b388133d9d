//! What `check` says to a person about one domain.

use std::fmt::Write;

use mxray_evidence::derived::{FindingRow, VerdictRow};

use super::assessment::{Assessment, Outcome, Problem};
use crate::palette::Palette;

/// Characters of a line, where words allow it.
const LINE_CHARS_MAX: usize = 100;

/// The whole of it, ready to be printed.
pub(super) fn letter(of: &Assessment, palette: Palette) -> String {
    let mut text = format!("{}  {}\n\n", palette.heading(&of.verdict.domain), headline(of, palette));
    text += &standing(&of.verdict, &of.hosts, palette);
    for (title, problems, mark) in [
        ("What breaks", &of.broken, palette.bad("✗")),
        ("What could be better", &of.lints, palette.doubtful("!")),
    ] {
        if !problems.is_empty() {
            let _ = writeln!(text, "\n{}", palette.heading(title));
            for alike in &alike(problems) {
                text += &paragraph(alike, &mark, palette);
            }
        }
    }
    text += &unmeasured(&of.unmeasured, palette);
    if of.is_nowhere() { text } else { text + &senders(&of.verdict, palette) }
}

fn headline(of: &Assessment, palette: Palette) -> String {
    let broken = alike(&of.broken).len();
    match of.outcome {
        Outcome::Unmeasured if of.is_nowhere() => palette.doubtful("does not exist"),
        Outcome::Unmeasured => {
            palette.doubtful("nothing broken was seen, and not everything could be measured")
        }
        Outcome::Broken if broken == 1 => palette.bad("1 thing is broken"),
        Outcome::Broken => palette.bad(&format!("{broken} things are broken")),
        Outcome::Sound if of.verdict.mx == "null" => palette.good("sound: it takes no mail, and says so"),
        Outcome::Sound if of.verdict.sts_attacker == "nothing" && is_guarded(&of.verdict) => {
            palette.good("sound: nothing is wrong, and senders with MTA-STS or DANE are protected")
        }
        Outcome::Sound if of.verdict.sts_attacker == "nothing" => {
            palette.good("sound: nothing is wrong, and senders with MTA-STS are protected")
        }
        Outcome::Sound if is_guarded(&of.verdict) => {
            palette.good("sound: nothing is wrong, and senders with DANE are protected")
        }
        Outcome::Sound => {
            palette.doubtful("nothing is wrong, and nothing protects its mail from an active attacker")
        }
    }
}

/// Whether a sender with DANE delivers to hosts that it authenticates, and to no others.
fn is_guarded(verdict: &VerdictRow) -> bool {
    verdict.dane == "authenticated" && verdict.dane_attacker == "nothing"
}

/// What could not be judged, by subject and reason.
fn unmeasured(problems: &[Problem], palette: Palette) -> String {
    if problems.is_empty() {
        return String::new();
    }
    let mut groups: Vec<((&str, &str), Vec<&str>)> = Vec::new();
    for Problem { finding, .. } in problems {
        let key = (finding.subject.as_str(), finding.detail.as_deref().unwrap_or("it could not be told"));
        match groups.iter_mut().find(|(group, _)| *group == key) {
            Some((_, rules)) => rules.push(&finding.rule),
            None => groups.push((key, vec![&finding.rule])),
        }
    }
    let mut text = format!("\n{}\n", palette.heading("What could not be measured"));
    for ((subject, why), rules) in groups {
        let _ =
            writeln!(text, "  {} {}: {}", palette.doubtful("?"), palette.heading(subject), wrapped(why, 6));
        let rules = format!("not judged: {}", rules.join(", "));
        let _ = writeln!(text, "      {}", palette.faint(&wrapped(&rules, 6)));
    }
    text
}

/// What stands: a line each for the things a domain publishes and does.
fn standing(verdict: &VerdictRow, hosts: &[String], palette: Palette) -> String {
    let matched = match verdict.mx_matched {
        Some(matched) if verdict.mx == "hosts" => {
            format!("; {matched} of {} match the policy", verdict.mx_hosts)
        }
        _ => String::new(),
    };
    let mail = match verdict.mx.as_str() {
        "hosts" => format!("{}{matched}", listed(hosts)),
        "null" => "nowhere: it takes no mail (null MX, RFC 7505)".to_owned(),
        "implicit" => "the domain itself: it has no MX (RFC 5321 §5.1)".to_owned(),
        "none" => "nowhere: the domain does not exist".to_owned(),
        _ => "unknown: the MX lookup could not be measured".to_owned(),
    };
    let policy = match (verdict.policy.as_str(), verdict.mode.as_deref(), verdict.max_age) {
        ("valid", Some(mode), Some(age)) => format!("valid, mode {mode}, max_age {age} s ({})", span(age)),
        ("unfetched", ..) => "cannot be fetched".to_owned(),
        ("none", ..) => "none is announced".to_owned(),
        (word, ..) => word.to_owned(),
    };
    let lines = [
        ("Mail goes to", mail, None),
        ("MTA-STS record", verdict.record.clone(), Some(verdict.record.as_str())),
        ("MTA-STS policy", policy, Some(verdict.policy.as_str())),
        ("TLS-RPT record", verdict.tlsrpt.clone(), Some(verdict.tlsrpt.as_str())),
        ("STARTTLS", over_hosts(&verdict.starttls, "offered by"), Some(verdict.starttls.as_str())),
        ("Certificates", over_hosts(&verdict.certificates, "valid at"), Some(verdict.certificates.as_str())),
        ("DNSSEC", dnssec_words(&verdict.mx_dnssec).to_owned(), None),
        ("DANE", dane_words(verdict), dane_state(verdict)),
    ];
    let mut text = String::new();
    for (title, words, state) in lines {
        let words = match state {
            Some("valid" | "all") => palette.good(&words),
            Some("invalid" | "unfetched" | "no" | "some") => palette.bad(&words),
            Some("unknown") => palette.doubtful(&words),
            _ => words,
        };
        let _ = writeln!(text, "  {title:<15} {}", wrapped(&words, 18));
    }
    text
}

/// What DNSSEC says of the MX set.
fn dnssec_words(word: &str) -> &'static str {
    match word {
        "secure" => "the MX set is signed, or its absence is",
        "insecure" => "the MX set is not signed",
        "bogus" => "the MX set is signed, and does not validate",
        _ => "unknown: no resolver that validates was asked, or none answered",
    }
}

/// TLSA records over the MX hosts.
fn dane_words(verdict: &VerdictRow) -> String {
    let matching = match (verdict.tlsa.as_str(), verdict.tlsa_matching.as_str()) {
        ("all" | "some", "all") => "; their certificates match",
        ("all" | "some", "some") => "; not all of their certificates match",
        ("all" | "some", "no") => "; their certificates do not match",
        ("all" | "some", _) => "; whether their certificates match is unknown",
        ("no", _) if matches!(verdict.tlsa_present.as_str(), "all" | "some") => {
            return "TLSA records that are not signed, or that nobody can use".to_owned();
        }
        _ => "",
    };
    format!("{}{matching}", over_hosts(&verdict.tlsa, "TLSA records at"))
}

/// Which state it is, where it is one of interest.
fn dane_state(verdict: &VerdictRow) -> Option<&'static str> {
    match (verdict.tlsa.as_str(), verdict.tlsa_matching.as_str()) {
        ("unknown", _) => Some("unknown"),
        ("all" | "some", "no" | "some") => Some("some"),
        ("all", "all") => Some("all"),
        _ => None,
    }
}

fn listed(hosts: &[String]) -> String {
    const SHOWN_MAX: usize = 4;
    match hosts.len() {
        n if n > SHOWN_MAX => format!("{} and {} more", hosts[..SHOWN_MAX].join(", "), n - SHOWN_MAX),
        _ => hosts.join(", "),
    }
}

fn over_hosts(word: &str, verb: &str) -> String {
    match word {
        "all" => format!("{verb} every MX host"),
        "some" => format!("{verb} some MX hosts only"),
        "no" => format!("{verb} no MX host"),
        "not-applicable" => "no MX host to ask".to_owned(),
        other => other.to_owned(),
    }
}

/// Seconds as a person counts them.
fn span(seconds: u64) -> String {
    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    let plural = |n: u64, unit: &str| if n == 1 { format!("1 {unit}") } else { format!("{n} {unit}s") };
    match seconds {
        0..HOUR => plural(seconds / 60, "minute"),
        HOUR..DAY => plural(seconds / HOUR, "hour"),
        _ => plural(seconds / DAY, "day"),
    }
}

/// Findings that differ in nothing but their subject are told once.
fn alike(problems: &[Problem]) -> Vec<Vec<&Problem>> {
    let mut groups: Vec<Vec<&Problem>> = Vec::new();
    for problem in problems {
        let said = |of: &Problem| {
            let FindingRow { rule, cause, detail, effect, .. } = &of.finding;
            (rule.clone(), cause.clone(), detail.clone(), effect.clone())
        };
        match groups.iter_mut().find(|group| said(group[0]) == said(problem)) {
            Some(group) => group.push(problem),
            None => groups.push(vec![problem]),
        }
    }
    groups
}

/// A finding: what it is, what was seen, what to change, and where that is written.
fn paragraph(alike: &[&Problem], mark: &str, palette: Palette) -> String {
    let Some(problem) = alike.first() else { return String::new() };
    let FindingRow { rule, cause, detail, effect, report_type, .. } = &problem.finding;
    let cause = cause.as_ref().map_or(String::new(), |cause| format!(" ({cause})"));
    let subjects: Vec<String> = alike.iter().map(|problem| problem.finding.subject.clone()).collect();
    let heading = palette.heading(&format!("{rule}{cause}"));
    let mut text = format!("  {mark} {heading}  {}\n", palette.faint(&listed(&subjects)));
    let mut add = |title: &str, words: &str| {
        if !words.is_empty() {
            let _ = writeln!(text, "      {title:<8}{}", wrapped(words, 14));
        }
    };
    add("what", &format!("{} [{}]", problem.summary, problem.section));
    add("seen", detail.as_deref().unwrap_or_default());
    add("effect", effect_words(effect));
    add("change", problem.advice);
    add("reports", &report_type.as_ref().map_or(String::new(), |word| format!("TLS-RPT result type {word}")));
    text
}

/// Broken into lines between words, all but the first of them behind `indent` blanks.
fn wrapped(words: &str, indent: usize) -> String {
    let mut text = String::new();
    let mut column = indent;
    for word in words.split(' ') {
        let width = word.chars().count();
        if column > indent && column + 1 + width > LINE_CHARS_MAX {
            let _ = write!(text, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text
}

fn effect_words(effect: &str) -> &'static str {
    match effect {
        "refuse" => "a sender that keeps to the standard refuses to deliver",
        "downgrade" => "a sender behaves as if there were no policy: mail is open to an attacker",
        "unknown" => "not known: it may be the path, and not the domain",
        _ => "",
    }
}

/// What each kind of sender does, and what an attacker then gets.
fn senders(verdict: &VerdictRow, palette: Palette) -> String {
    let mut text = format!("\n{}\n", palette.heading("What a sender does"));
    for (title, delivery, attacker) in [
        ("without MTA-STS or DANE", &verdict.opportunistic, &verdict.opportunistic_attacker),
        ("with MTA-STS", &verdict.sts, &verdict.sts_attacker),
        ("with DANE", &verdict.dane, &verdict.dane_attacker),
        ("with MTA-STS and DANE", &verdict.both, &verdict.both_attacker),
    ] {
        let words = match delivery.as_str() {
            "authenticated" => palette.good("delivers to the authenticated host, encrypted"),
            "encrypted" => palette.doubtful("delivers encrypted, to whoever answers"),
            "cleartext" => palette.bad("delivers in the clear"),
            "deferred" => palette.bad("does not deliver: it tries again, then bounces"),
            "no-mail" => "has nowhere to deliver".to_owned(),
            _ if title.ends_with("DANE")
                && !title.starts_with("without")
                && verdict.mx_dnssec == "unknown" =>
            {
                palette.faint("unknown: DNSSEC was not measured; ask a resolver that validates")
            }
            _ => palette.faint("unknown"),
        };
        let attack = match attacker.as_str() {
            "the-message" => palette.bad("; an active attacker gets the message"),
            "nothing" => palette.good("; an active attacker gets nothing"),
            _ => String::new(),
        };
        let _ = writeln!(text, "  {title:<24} {words}{attack}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_and_lines_short() {
        let text = wrapped(&"word ".repeat(60), 14);
        assert!(text.lines().count() > 3);
        assert!(
            text.lines()
                .skip(1)
                .all(|line| line.starts_with(&" ".repeat(14)) && line.len() <= LINE_CHARS_MAX)
        );
        assert_eq!(wrapped(&"x".repeat(300), 14).lines().count(), 1);
    }

    #[test]
    fn a_span_is_counted_in_the_largest_whole_unit() {
        assert_eq!(span(60), "1 minute");
        assert_eq!(span(86_400), "1 day");
        assert_eq!(span(604_800), "7 days");
    }
}
