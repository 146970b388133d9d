//! Other projects' test cases: opinions, and where ours is another, a written line says who is right and why.

mod postfix;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use mxray_evidence::Header;
use mxray_protocol::mx_pattern::MxPattern;
use mxray_protocol::name::DomainName;
use mxray_protocol::sts_policy::StsPolicy;
use mxray_protocol::sts_record::StsRecord;
use mxray_protocol::tlsrpt::TlsrptRecord;
use mxray_rules::Outcome;
use serde_json::Value;

use crate::case::{Case, txt};
use crate::golden::{collected, hold, or_dash};

/// The lines that say who is right: line, who, section, why.
const WRITTEN: &str = include_str!("../golden/vectors_disagreements.tsv");

const HEAD: &str = "# Other projects' test cases\n\n\
    Cases of other projects' tests for records, policies, patterns and media types, each an input and what that project\n\
    expects. They are opinions, and disagree with each other. The inputs have no licence to be copied: a case is its line in\n\
    the collection. The report is made by `MXRAY_BLESS=1 cargo test -p mxray-rules vectors`, from the collection and from\n\
    `vectors_disagreements.tsv`, which is written by hand; a disagreement without its line there fails the test.\n";

/// A case of the collection.
pub(crate) struct Vector {
    pub(crate) line: usize,
    json: Value,
}

impl Vector {
    pub(crate) fn word(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }

    fn words(&self, name: &str) -> Vec<&str> {
        self.json[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.json[name].as_u64()
    }

    fn source(&self) -> String {
        let source = self.word("source");
        if source.contains("ruby MtaSts gem") {
            return "the Ruby gem mta_sts".to_owned();
        }
        source.split(':').next().unwrap_or_default().replacen('+', "/", 1)
    }
}

/// What we say of a case; `Err` is why it cannot be asked.
fn opinion(vector: &Vector, all: &[Vector]) -> Result<String, &'static str> {
    let input = vector.word("input");
    let validity = |is_valid: bool| if is_valid { "valid" } else { "invalid" }.to_owned();
    let bytes = input.as_bytes();
    Ok(match vector.word("kind") {
        "sts-txt" => validity(is_sts_record(bytes)),
        "sts-txt-set" => {
            let mut case = Case::sound();
            case.domain.sts_txt.records = vector.words("input").into_iter().map(txt).collect();
            validity(case.judge().verdict.record == "valid")
        }
        "sts-txt-lenient" => match StsRecord::parse(bytes).id {
            Some(id) if is_sts_record(bytes) => format!("{{\"v\": \"STSv1\", \"id\": \"{id}\"}}"),
            _ => "{}".to_owned(),
        },
        "tlsrpt-txt" => {
            validity(TlsrptRecord::opening(bytes).is_record() && TlsrptRecord::parse(bytes).is_valid())
        }
        "sts-policy" => validity(StsPolicy::parse(bytes).is_valid()),
        "mx-pattern" => validity(MxPattern::parse(bytes).is_ok()),
        "mx-match" => {
            // MX hosts come from DNS as A-labels without the last dot.
            let host = DomainName::parse(input).map_or(input.to_owned(), DomainName::into_string);
            let patterns = vector.words("patterns");
            let matches =
                |text: &str| MxPattern::parse(text.as_bytes()).is_ok_and(|pattern| pattern.matches(&host));
            patterns.into_iter().any(matches).to_string()
        }
        "content-type" => {
            let mut case = Case::sound();
            case.policy_row().headers =
                vec![Header { name: "content-type".to_owned(), value: input.as_bytes().to_vec().into() }];
            let passes = case.outcome("sts-fetch-media-type") == Outcome::Pass;
            if passes { "text/plain" } else { "reject" }.to_owned()
        }
        "tlspolicy-query" => postfix::answer(input, all),
        "zone-txt" | "sts-http" => {
            return Err("no expectation of its own: it is asked through its domain's query, if any");
        }
        _ => return Err("a kind that the test does not know"),
    })
}

fn is_sts_record(text: &[u8]) -> bool {
    StsRecord::opening(text).is_record() && StsRecord::parse(text).is_valid()
}

/// What is expected of a case, in the words of [`opinion`].
fn expectation(vector: &Vector) -> &str {
    let expect = vector.word("expect");
    if vector.word("kind") == "tlspolicy-query" && expect.starts_with("OK ") { "OK" } else { expect }
}

/// What the report shows of an expectation: of the fields of a record no more than that there are some.
fn shown(expectation: &str) -> &str {
    match expectation {
        "{}" => "no fields",
        fields if fields.starts_with('{') => "its fields",
        word => word,
    }
}

#[derive(Default)]
struct Tally {
    agree: usize,
    differ: usize,
    unasked: usize,
}

#[test]
fn vectors_of_other_projects_agree_or_a_written_line_says_who_is_right() {
    let Some(path) = collected("vectors/vectors.jsonl") else { return };
    let text = fs::read_to_string(path).expect("a readable file");
    let read = |(at, line): (usize, &str)| Vector {
        line: at + 1,
        json: serde_json::from_str(line).expect("a line of JSON"),
    };
    let vectors = text.lines().enumerate().map(read).collect::<Vec<_>>();
    let mut written = written();
    let (mut sources, mut kinds) = (BTreeMap::<String, Tally>::new(), BTreeMap::<String, Tally>::new());
    let mut unasked = BTreeMap::<(&str, &str), usize>::new();
    let (mut rows, mut unwritten) = (String::new(), Vec::new());
    for vector in &vectors {
        let kind = vector.word("kind");
        let ours = opinion(vector, &vectors);
        let theirs = expectation(vector);
        for tally in [sources.entry(vector.source()).or_default(), kinds.entry(kind.to_owned()).or_default()]
        {
            match &ours {
                Err(_) => tally.unasked += 1,
                Ok(ours) if ours == theirs => tally.agree += 1,
                Ok(_) => tally.differ += 1,
            }
        }
        match ours {
            Err(why) => *unasked.entry((kind, why)).or_default() += 1,
            Ok(ours) if ours != theirs => match written.remove(&vector.line) {
                Some([who, section, why]) => {
                    let (line, source) = (vector.line, vector.source());
                    let [theirs, ours] = [theirs, ours.as_str()].map(shown);
                    writeln!(
                        rows,
                        "| {line} | {kind} | {source} | {theirs} | {ours} | {who} | {section} | {why} |"
                    )
                    .expect("a string");
                }
                None => unwritten.push(format!("{} {kind} {} {theirs} {ours}", vector.line, vector.source())),
            },
            Ok(_) => {}
        }
    }
    assert!(unwritten.is_empty(), "disagreements without a line:\n{}", unwritten.join("\n"));
    assert!(written.is_empty(), "lines about what agrees: {:?}", written.keys());
    let mut report = HEAD.to_owned();
    write_tallies(&mut report, "project", &sources);
    write_tallies(&mut report, "kind", &kinds);
    report += "\n## Not asked\n\n";
    for ((kind, why), cases) in unasked {
        writeln!(report, "- {cases} of {kind}: {why}").expect("a string");
    }
    report += "\n## Disagreements\n\n| line | kind | project | they | we | right | section | why |\n|---|---|---|---|---|---|---|---|\n";
    report += &rows;
    hold("vectors.md", &report);
}

fn write_tallies(report: &mut String, title: &str, tallies: &BTreeMap<String, Tally>) {
    write!(report, "\n| {title} | cases | agree | disagree | not asked |\n|---|---|---|---|---|\n")
        .expect("a string");
    let all = tallies.values().fold(Tally::default(), |sum, tally| Tally {
        agree: sum.agree + tally.agree,
        differ: sum.differ + tally.differ,
        unasked: sum.unasked + tally.unasked,
    });
    for (name, tally) in tallies.iter().map(|(name, tally)| (name.as_str(), tally)).chain([("all", &all)]) {
        let Tally { agree, differ, unasked } = tally;
        writeln!(report, "| {name} | {} | {agree} | {differ} | {unasked} |", agree + differ + unasked)
            .expect("a string");
    }
}

fn written() -> BTreeMap<usize, [&'static str; 3]> {
    let row = |line: &'static str| {
        let mut cells = line.split('\t');
        let number = cells.next().and_then(|cell| cell.parse().ok()).expect("a line's number");
        let [who, section, why] = [(); 3].map(|()| cells.next().expect("line, who, section, why"));
        assert!(
            ["we", "they", "both"].contains(&who) && section.starts_with("RFC ") && !why.is_empty(),
            "{line}"
        );
        (number, [who, section, why])
    };
    WRITTEN.lines().skip(1).map(row).collect()
}

#[test]
fn a_dash_stands_for_nothing() {
    assert_eq!((or_dash(""), or_dash("x")), ("-".to_owned(), "x".to_owned()));
}
