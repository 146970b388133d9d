//! The match axis: the policy's patterns against the MX set (RFC 8461 §4.1).

use mxray_protocol::mx_pattern::MxPattern;
use mxray_protocol::sts_policy::Mode;

use crate::finding::Notes;
use crate::policy::{Text, ValidPolicy};
use crate::route::Route;
use crate::rule::{CauseDoc, Effect, Rule, RuleId, Subject, cause};

/// Patterns that are compared with a host to say why it matches none.
const PATTERNS_EXPLAINED_MAX: usize = 256;
/// Patterns named in a detail.
const PATTERNS_SHOWN_MAX: usize = 6;
/// A name that differs by so many characters is taken for a slip.
const TYPO_DISTANCE_MAX: usize = 3;

const MATCH: Rule = Rule {
    id: RuleId::MxPolicyMismatchAll,
    name: "",
    summary: "",
    section: "RFC 8461 §4.1",
    effect: Effect::Refuse,
    report_type: Some("validation-failure"),
    advice: "Name every MX host in the policy, by its own name or by a wildcard for its leftmost label; update the policy \
        before the MX records.",
    causes: MISMATCH_CAUSES,
    subject: Subject::MxHost,
};
const LINT: Rule =
    Rule { effect: Effect::None, report_type: None, causes: &[], subject: Subject::Domain, ..MATCH };

const MISMATCH_CAUSES: &[CauseDoc] = &[
    cause("mta-sts-host", "a pattern names the policy host, mta-sts.<domain>, as MX"),
    cause("wildcard-depth", "a wildcard would have to stand for two labels"),
    cause("tld", "a pattern differs in its public suffix alone"),
    cause("typo", "a pattern with as many labels differs by at most three characters"),
    cause("label", "a pattern under the same registrable domain has another label, one more or one less"),
    cause("domain", "every pattern is under another domain"),
];

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: RuleId::MxPolicyMismatchAll,
        name: "mx-policy-mismatch-all",
        summary: "No MX host matches any mx of the policy; one finding a host",
        ..MATCH
    },
    Rule {
        id: RuleId::MxPolicyMismatchSome,
        name: "mx-policy-mismatch-some",
        summary: "Some MX hosts match no mx of the policy; one finding a host",
        ..MATCH
    },
    Rule {
        id: RuleId::MxPatternUnused,
        name: "mx-pattern-unused",
        summary: "An mx of the policy matches none of the MX hosts, while another does",
        advice: "Remove the pattern, unless the host is to come.",
        ..LINT
    },
    Rule {
        id: RuleId::MxNullWithPolicy,
        name: "mx-null-with-policy",
        summary: "The domain has a null MX, and a policy for mail that it does not take",
        section: "RFC 7505 §3",
        advice: "Remove the policy as §8.3 of RFC 8461 describes, or the null MX.",
        ..LINT
    },
    Rule {
        id: RuleId::MxImplicitWithPolicy,
        name: "mx-implicit-with-policy",
        summary: "The domain has a policy and no MX: its own address takes the mail, and its own name must match",
        section: "RFC 5321 §5.1",
        advice: "Publish an MX record, and name its host in the policy.",
        ..LINT
    },
];

const MISMATCH: &[RuleId] = &[RuleId::MxPolicyMismatchAll, RuleId::MxPolicyMismatchSome];
const ROUTE_LINTS: &[RuleId] = &[RuleId::MxNullWithPolicy, RuleId::MxImplicitWithPolicy];

/// Judges the policy against the MX set.
pub(crate) fn judge(domain: &str, text: &Text, route: &Route, notes: &mut Notes) {
    let valid = match text {
        Text::None | Text::Invalid => return,
        Text::Unknown => {
            let all = RULES.iter().map(|rule| rule.id).collect::<Vec<_>>();
            return notes.unknown(&all, domain, "the policy's text was not measured");
        }
        Text::Valid(valid) => valid,
    };
    if *route == Route::Unknown {
        let why = "the MX lookup was not answered";
        notes.unknown(ROUTE_LINTS, domain, why);
        if valid.mode != Mode::None {
            notes.unknown(MISMATCH, domain, why);
            notes.unknown(&[RuleId::MxPatternUnused], domain, why);
        }
        return;
    }
    notes.applies(ROUTE_LINTS);
    if *route == Route::Null {
        notes.violation(RuleId::MxNullWithPolicy, domain, None, Some("MX 0 .".to_owned()));
    }
    if *route == Route::Implicit {
        let detail = "the domain has no MX record".to_owned();
        notes.violation(RuleId::MxImplicitWithPolicy, domain, None, Some(detail));
    }
    if valid.mode != Mode::None {
        judge_hosts(domain, valid, route, notes);
    }
}

fn judge_hosts(domain: &str, valid: &ValidPolicy, route: &Route, notes: &mut Notes) {
    let hosts = route.hosts(domain, true);
    let patterns = valid.policy.mx.as_slice();
    let unmatched = hosts.iter().filter(|exchange| !is_matched(patterns, &exchange.host)).collect::<Vec<_>>();
    if hosts.is_empty() {
        return;
    }
    notes.applies(MISMATCH);
    let rule = if unmatched.len() == hosts.len() { MISMATCH[0] } else { MISMATCH[1] };
    for exchange in &unmatched {
        let cause = mismatch_cause(domain, &exchange.host, patterns);
        let detail = format!("the policy has {}", shown(patterns.iter()));
        notes.violation(rule, &exchange.host, Some(cause.into()), Some(detail));
    }
    if unmatched.len() < hosts.len() {
        notes.pass(RuleId::MxPatternUnused);
        let unused =
            patterns.iter().filter(|pattern| !hosts.iter().any(|exchange| pattern.matches(&exchange.host)));
        if unused.clone().next().is_some() {
            notes.violation(RuleId::MxPatternUnused, domain, None, Some(shown(unused)));
        }
    }
}

/// Whether a host matches any of the patterns.
pub(crate) fn is_matched(patterns: &[MxPattern], host: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(host))
}

fn shown<'a>(patterns: impl Iterator<Item = &'a MxPattern>) -> String {
    let mut names = patterns.take(PATTERNS_SHOWN_MAX + 1).map(ToString::to_string).collect::<Vec<_>>();
    if names.len() > PATTERNS_SHOWN_MAX {
        names.truncate(PATTERNS_SHOWN_MAX);
        names.push("…".to_owned());
    }
    names.join(", ")
}

/// Why a host matches no pattern: the first of the causes, in the order of the codebook, that any pattern shows.
fn mismatch_cause(domain: &str, host: &str, patterns: &[MxPattern]) -> &'static str {
    let patterns = &patterns[..patterns.len().min(PATTERNS_EXPLAINED_MAX)];
    let any = |test: &dyn Fn(&MxPattern) -> bool| patterns.iter().any(test);
    let policy_host = format!("mta-sts.{domain}");
    let place = Place::of(host);
    if any(&|pattern| !pattern.is_wildcard() && pattern.name() == policy_host) {
        "mta-sts-host"
    } else if any(&|pattern| pattern.is_wildcard() && spans_two_labels(pattern.name(), host)) {
        "wildcard-depth"
    } else if any(&|pattern| place.differs_in_suffix(pattern)) {
        "tld"
    } else if any(&|pattern| is_typo(pattern, host)) {
        "typo"
    } else if any(&|pattern| {
        place.registrable.is_some() && psl::domain_str(pattern.name()) == place.registrable
    }) {
        "label"
    } else {
        "domain"
    }
}

fn spans_two_labels(name: &str, host: &str) -> bool {
    let before = host.strip_suffix(name).and_then(|rest| rest.strip_suffix('.'));
    before.is_some_and(|labels| labels.contains('.'))
}

/// A host's name, cut at its public suffix.
struct Place<'a> {
    host: &'a str,
    registrable: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(host: &'a str) -> Self {
        Self { host, registrable: psl::domain_str(host) }
    }

    /// Whether all but the public suffix is the same. A wildcard stands for the host's leftmost label.
    fn differs_in_suffix(&self, pattern: &MxPattern) -> bool {
        let host = if pattern.is_wildcard() {
            self.host.split_once('.').map_or(self.host, |(_, rest)| rest)
        } else {
            self.host
        };
        match (before_suffix(host), before_suffix(pattern.name())) {
            (Some(ours), Some(theirs)) => ours == theirs && host != pattern.name(),
            _ => false,
        }
    }
}

fn before_suffix(name: &str) -> Option<&str> {
    name.strip_suffix(psl::suffix_str(name)?)?.strip_suffix('.')
}

/// Whether a pattern with as many labels differs by at most [`TYPO_DISTANCE_MAX`] characters.
fn is_typo(pattern: &MxPattern, host: &str) -> bool {
    let host = if pattern.is_wildcard() { host.split_once('.').map_or("", |(_, rest)| rest) } else { host };
    let labels = |name: &str| name.split('.').count();
    labels(host) == labels(pattern.name())
        && distance_within(host.as_bytes(), pattern.name().as_bytes(), TYPO_DISTANCE_MAX)
}

/// Whether the edit distance of two names is at most `limit` (Levenshtein, two rows).
fn distance_within(a: &[u8], b: &[u8], limit: usize) -> bool {
    if a.len().abs_diff(b.len()) > limit {
        return false;
    }
    let mut row = (0..=b.len()).collect::<Vec<_>>();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
        if row.iter().min().is_some_and(|least| *least > limit) {
            return false;
        }
    }
    row[b.len()] <= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(host: &str, patterns: &[&str]) -> &'static str {
        let patterns = patterns.iter().map(|p| MxPattern::parse(p.as_bytes()).unwrap()).collect::<Vec<_>>();
        mismatch_cause("d.example", host, &patterns)
    }

    #[test]
    fn each_cause_of_a_mismatch_and_their_precedence() {
        assert_eq!(why("mx.d.example", &["nothing.else.test", "mta-sts.d.example"]), "mta-sts-host");
        assert_eq!(why("a.b.d.example", &["*.d.example"]), "wildcard-depth");
        assert_eq!(why("mx.foo.co.uk", &["mx.foo.com"]), "tld");
        assert_eq!(why("mx.foo.com", &["*.foo.net"]), "tld");
        assert_eq!(why("mail.foo.com", &["mial.foo.com"]), "typo");
        assert_eq!(why("mail.foo.com", &["*.fooo.com"]), "typo");
        assert_eq!(why("mail.foo.com", &["in.mail.foo.com"]), "label");
        assert_eq!(why("mail.foo.com", &["foo.com"]), "label");
        assert_eq!(why("inbound.foo.com", &["mail.foo.com"]), "label");
        assert_eq!(why("mail.foo.com", &["mail.protection.outlook.com"]), "domain");
        assert_eq!(why("a.b.foo.com", &["a.b.foo.net", "*.foo.com"]), "wildcard-depth");
    }

    #[test]
    fn the_edit_distance_is_levenshtein() {
        assert!(distance_within(b"kitten", b"sitting", 3));
        assert!(!distance_within(b"kitten", b"sitting", 2));
        assert!(distance_within(b"", b"abc", 3));
        assert!(!distance_within(b"", b"abcd", 3));
    }
}
