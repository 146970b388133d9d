//! The policy axis: the policy's text (RFC 8461 §3.2).

use std::borrow::Cow;

use mxray_protocol::mx_pattern::MxPatternFlaw;
use mxray_protocol::sts_policy::{
    Blank, Comment, LineSlip, Mode, PolicyFlaw, PolicyFlawKind as Flaw, Shape, StsPolicy,
};

use crate::fetch::Fetch;
use crate::finding::Notes;
use crate::quote::quote;
use crate::rule::{Effect, Rule, RuleId, Subject, cause};

const BASE: Rule = Rule {
    id: RuleId::StsPolicyEmpty,
    name: "",
    summary: "",
    section: "RFC 8461 §3.2",
    effect: Effect::Downgrade,
    report_type: Some("sts-policy-invalid"),
    advice: "",
    causes: &[],
    subject: Subject::PolicyHost,
};
const LINT: Rule = Rule { effect: Effect::None, report_type: None, ..BASE };

/// A `max_age` under this is a lint: a day, in seconds.
const MAX_AGE_DAY_SECONDS: u64 = 86_400;
/// A `max_age` under this is a milder one: "weeks or greater" (§3.2).
const MAX_AGE_TWO_WEEKS_SECONDS: u64 = 1_209_600;

/// Keys that stand again and are reported, of one policy.
const DUPLICATE_KEYS_MAX: usize = 16;

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: RuleId::StsPolicyEmpty,
        name: "sts-policy-empty",
        summary: "The policy is empty",
        advice: "Put the policy into the file.",
        ..BASE
    },
    Rule {
        id: RuleId::StsPolicyNotKeyValue,
        name: "sts-policy-not-key-value",
        summary: "The policy, or a line of it, is not made of keys and values",
        advice: "Serve a plain ASCII file, one key: value a line, without markup, placeholders or byte order mark, the \
            lines ended by LF or CRLF.",
        causes: &[
            cause("html", "it is markup"),
            cause("json", "it is JSON, or begins as such"),
            cause("bare-cr", "a CR without LF: its lines end so, or one stands inside"),
            cause("bom", "it begins with a byte order mark"),
            cause("utf-16", "it is in UTF-16"),
            cause(
                "front-matter",
                "it begins with ---, the front matter of a site generator that did not run",
            ),
            cause("template", "a value is a placeholder that nobody has filled in"),
            cause("no-colon", "a line without a colon"),
            cause("key", "a line with a key that the grammar does not allow"),
            cause(
                "value",
                "a line with another key, and a value that the grammar does not allow: none, or controls",
            ),
            cause("other", "something else: no line of it has a key of a policy"),
        ],
        ..BASE
    },
    Rule {
        id: RuleId::StsPolicyVersion,
        name: "sts-policy-version",
        summary: "The policy's version is missing or is not STSv1",
        advice: "Begin the policy with version: STSv1 - the case counts.",
        causes: &[cause("missing", "no version"), cause("wrong", "a version other than STSv1")],
        ..BASE
    },
    Rule {
        id: RuleId::StsPolicyMode,
        name: "sts-policy-mode",
        summary: "The policy's mode is missing or none of enforce, testing, none",
        advice: "Give one mode: enforce, testing or none, in lower case.",
        causes: &[cause("missing", "no mode"), cause("unknown", "a mode that is none of the three")],
        ..BASE
    },
    Rule {
        id: RuleId::StsPolicyMaxAge,
        name: "sts-policy-max-age",
        summary: "The policy's max_age is missing, not a number, or over 31557600 (the prose's reading; the grammar's ten \
            digits would hold more, erratum 7282)",
        advice: "Give max_age in seconds, digits only, such as 2419200 for four weeks.",
        causes: &[
            cause("missing", "no max_age"),
            cause("not-a-number", "something other than digits"),
            cause("too-large", "over 31557600 seconds, or over ten digits"),
        ],
        ..BASE
    },
    Rule {
        id: RuleId::StsPolicyMxMissing,
        name: "sts-policy-mx-missing",
        summary: "The policy names no mx, and its mode is not none",
        advice: "Add a line mx: for each MX host, or for the wildcard that covers it.",
        ..BASE
    },
    Rule {
        id: RuleId::StsPolicyMxSyntax,
        name: "sts-policy-mx-syntax",
        summary: "An mx of the policy is no host name or wildcard",
        advice: "Write each mx as a host name, or as *. and a name, on a line of its own, as DNS has it in A-labels and without \
            the last dot.",
        causes: &[
            cause("email", "an e-mail address"),
            cause("ip", "an IP address"),
            cause("comma", "a list"),
            cause("preference", "a preference before the name, as DNS and the consoles of operators show it"),
            cause("root", "a dot alone, the host of a null MX"),
            cause("trailing-dot", "a dot at the end"),
            cause("wildcard", "a * that is not the whole leftmost label"),
            cause("u-label", "characters beyond ASCII"),
            cause("empty", "nothing"),
            cause("label", "a label that host names have not: a blank, an underscore, an empty one"),
        ],
        ..BASE
    },
    Rule {
        id: RuleId::StsPolicyComment,
        name: "sts-policy-comment",
        summary: "The policy has comments, which no grammar allows; senders differ. Reading taken: it is invalid",
        advice: "Remove everything from # to the end of the line.",
        causes: &[
            cause("line", "a line of comment; senders that skip what they cannot read take the policy"),
            cause("tail", "a comment behind a value; most senders take it for a part of the value"),
        ],
        ..BASE
    },
    Rule {
        id: RuleId::StsPolicyWhitespace,
        name: "sts-policy-whitespace",
        summary: "White space stands where the grammar has none; senders differ. Reading taken: it is passed over",
        advice: "Remove blank lines, indents, and blanks before the colons.",
        causes: &[
            cause("blank-line", "a line with nothing on it"),
            cause("indent", "a blank before a key"),
            cause("before-colon", "a blank between a key and its colon"),
        ],
        ..LINT
    },
    Rule {
        id: RuleId::StsPolicyDuplicateKey,
        name: "sts-policy-duplicate-key",
        summary: "A key other than mx stands more than once; the first counts",
        advice: "Keep one line for each key but mx.",
        causes: &[cause("<key>", "the key")],
        ..LINT
    },
    Rule {
        id: RuleId::StsPolicyModeWeak,
        name: "sts-policy-mode-weak",
        summary: "The policy is valid and protects nothing: its mode is testing or none",
        section: "RFC 8461 §5",
        advice: "Read the TLS reports, and go from testing to enforce when they are clean.",
        causes: &[
            cause("testing", "failures are reported, and mail is delivered all the same"),
            cause("none", "senders behave as if there were no policy"),
        ],
        ..LINT
    },
    Rule {
        id: RuleId::StsPolicyMaxAgeShort,
        name: "sts-policy-max-age-short",
        summary: "The policy's max_age is under two weeks, so that an attacker need not block its refresh for long",
        section: "RFC 8461 §3.2, §10.2",
        advice: "Raise max_age to some weeks once the policy has proven itself.",
        causes: &[
            cause("under-a-day", "under 86400 seconds"),
            cause("under-two-weeks", "under 1209600 seconds"),
        ],
        ..LINT
    },
];

/// What holds for a text that is made of keys and values, whether it is valid or not.
const FIELD_RULES: &[RuleId] = &[
    RuleId::StsPolicyVersion,
    RuleId::StsPolicyMode,
    RuleId::StsPolicyMaxAge,
    RuleId::StsPolicyMxSyntax,
    RuleId::StsPolicyComment,
    RuleId::StsPolicyWhitespace,
    RuleId::StsPolicyDuplicateKey,
];

/// What the text of a policy came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// None was received, and none was to be expected.
    None,
    /// It was not measured.
    Unknown,
    Invalid,
    Valid(ValidPolicy),
}

/// A policy whose text is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ValidPolicy {
    pub(crate) mode: Mode,
    pub(crate) max_age: u64,
    pub(crate) policy: StsPolicy,
}

/// Judges the text that a fetch brought.
pub(crate) fn judge(domain: &str, fetch: Fetch<'_>, notes: &mut Notes) -> Text {
    let subject = format!("mta-sts.{domain}");
    let text = match fetch {
        Fetch::NotAnnounced | Fetch::Failed => return Text::None,
        Fetch::Unknown => {
            let all = RULES.iter().map(|rule| rule.id).collect::<Vec<_>>();
            notes.unknown(&all, &subject, "the policy's text was not measured");
            return Text::Unknown;
        }
        Fetch::Text(text, _) => text,
    };
    let policy = StsPolicy::parse(text);
    notes.pass(RuleId::StsPolicyEmpty);
    let kinds = || policy.flaws.iter().map(|flaw| flaw.kind);
    if !kinds().any(|kind| kind == Flaw::Empty) {
        notes.pass(RuleId::StsPolicyNotKeyValue);
        if !kinds().any(|kind| matches!(kind, Flaw::NotKeyValue(_))) {
            notes.applies(FIELD_RULES);
            if policy.mode.is_some_and(|mode| mode != Mode::None) {
                notes.pass(RuleId::StsPolicyMxMissing);
            }
        }
    }
    let mut duplicates = 0;
    for flaw in &policy.flaws {
        duplicates += usize::from(flaw.kind == Flaw::DuplicateKey);
        if flaw.kind == Flaw::DuplicateKey && duplicates > DUPLICATE_KEYS_MAX {
            continue;
        }
        let (rule, cause, detail) = finding(flaw, text);
        notes.violation(rule, &subject, cause, Some(detail));
    }
    match (policy.is_valid(), policy.mode, policy.max_age) {
        (true, Some(mode), Some(max_age)) => {
            lint(&subject, mode, max_age, notes);
            Text::Valid(ValidPolicy { mode, max_age, policy })
        }
        _ => Text::Invalid,
    }
}

fn lint(subject: &str, mode: Mode, max_age: u64, notes: &mut Notes) {
    notes.pass(RuleId::StsPolicyModeWeak);
    if mode != Mode::Enforce {
        let detail = format!("mode: {}", mode.as_str());
        notes.violation(RuleId::StsPolicyModeWeak, subject, Some(mode.as_str().into()), Some(detail));
    }
    // A policy that is being withdrawn does well to be short-lived (§8.3).
    if mode == Mode::None {
        return;
    }
    notes.pass(RuleId::StsPolicyMaxAgeShort);
    let cause = match max_age {
        0..MAX_AGE_DAY_SECONDS => "under-a-day",
        MAX_AGE_DAY_SECONDS..MAX_AGE_TWO_WEEKS_SECONDS => "under-two-weeks",
        _ => return,
    };
    let detail = format!("max_age: {max_age}");
    notes.violation(RuleId::StsPolicyMaxAgeShort, subject, Some(cause.into()), Some(detail));
}

type Parts = (RuleId, Option<Cow<'static, str>>, String);

fn finding(flaw: &PolicyFlaw, text: &[u8]) -> Parts {
    let words = quote(&text[flaw.span.clone()]);
    let (rule, cause): (_, Option<&'static str>) = match flaw.kind {
        Flaw::Empty => (RuleId::StsPolicyEmpty, None),
        Flaw::NotKeyValue(shape) => (RuleId::StsPolicyNotKeyValue, Some(shape_cause(shape))),
        Flaw::Line(slip) => (RuleId::StsPolicyNotKeyValue, Some(line_cause(slip))),
        Flaw::Placeholder => (RuleId::StsPolicyNotKeyValue, Some("template")),
        Flaw::VersionMissing => (RuleId::StsPolicyVersion, Some("missing")),
        Flaw::VersionWrong => (RuleId::StsPolicyVersion, Some("wrong")),
        Flaw::ModeMissing => (RuleId::StsPolicyMode, Some("missing")),
        Flaw::ModeUnknown => (RuleId::StsPolicyMode, Some("unknown")),
        Flaw::MaxAgeMissing => (RuleId::StsPolicyMaxAge, Some("missing")),
        Flaw::MaxAgeNotANumber => (RuleId::StsPolicyMaxAge, Some("not-a-number")),
        Flaw::MaxAgeTooLarge | Flaw::MaxAgeTooLong => (RuleId::StsPolicyMaxAge, Some("too-large")),
        Flaw::MxMissing => (RuleId::StsPolicyMxMissing, None),
        Flaw::MxSyntax(flaw) => (RuleId::StsPolicyMxSyntax, Some(pattern_cause(flaw))),
        Flaw::Comment(Comment::Line) => (RuleId::StsPolicyComment, Some("line")),
        Flaw::Comment(Comment::Tail) => (RuleId::StsPolicyComment, Some("tail")),
        Flaw::Whitespace(blank) => {
            let (cause, words) = match blank {
                Blank::Line => ("blank-line", "a blank line"),
                Blank::Indent => ("indent", "an indented line"),
                Blank::BeforeColon => ("before-colon", "a blank before a colon"),
            };
            let detail = format!("{words} at byte {}; read strictly, the policy is invalid", flaw.span.start);
            return (RuleId::StsPolicyWhitespace, Some(cause.into()), detail);
        }
        Flaw::DuplicateKey => {
            let key = words.split(':').next().unwrap_or_default().trim_end().to_owned();
            return (RuleId::StsPolicyDuplicateKey, Some(key.into()), words);
        }
    };
    let missing = cause == Some("missing") || matches!(flaw.kind, Flaw::MxMissing | Flaw::Empty);
    let detail = match flaw.kind {
        _ if missing => format!("{} bytes of text", text.len()),
        Flaw::MaxAgeTooLarge => format!("{words}; a sender that goes by the grammar alone takes it"),
        _ => words,
    };
    (rule, cause.map(Into::into), detail)
}

fn shape_cause(shape: Shape) -> &'static str {
    match shape {
        Shape::Html => "html",
        Shape::Json => "json",
        Shape::BareCr => "bare-cr",
        Shape::Bom => "bom",
        Shape::Utf16 => "utf-16",
        Shape::FrontMatter => "front-matter",
        Shape::Other => "other",
    }
}

fn line_cause(slip: LineSlip) -> &'static str {
    match slip {
        LineSlip::NoColon => "no-colon",
        LineSlip::Key => "key",
        LineSlip::Value => "value",
    }
}

fn pattern_cause(flaw: MxPatternFlaw) -> &'static str {
    match flaw {
        MxPatternFlaw::Empty => "empty",
        MxPatternFlaw::Email => "email",
        MxPatternFlaw::Ip => "ip",
        MxPatternFlaw::Comma => "comma",
        MxPatternFlaw::Wildcard => "wildcard",
        MxPatternFlaw::TrailingDot => "trailing-dot",
        MxPatternFlaw::Root => "root",
        MxPatternFlaw::Preference => "preference",
        MxPatternFlaw::ULabel => "u-label",
        MxPatternFlaw::Label => "label",
    }
}
