//! What is really published, where the collection is at hand: it is read, never copied.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use mxray_protocol::mx_pattern::MxPattern;
use mxray_protocol::sts_policy::StsPolicy;
use mxray_protocol::sts_record::StsRecord;
use mxray_protocol::tlsrpt::TlsrptRecord;

/// A folder of the collection, if it is there.
fn folder(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora").join(name);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: no collection at {}", path.display());
    None
}

type Classes = BTreeMap<String, usize>;

fn count(classes: &mut Classes, class: impl std::fmt::Debug) {
    *classes.entry(format!("{class:?}")).or_default() += 1;
}

fn print(title: &str, classes: &Classes) {
    eprintln!(
        "{title}: {}",
        classes.iter().map(|(class, n)| format!("{n} {class}")).collect::<Vec<_>>().join(", ")
    );
}

#[test]
fn every_policy_collected_is_read_and_most_are_valid() {
    for name in ["policies", "policies-live"] {
        let Some(folder) = folder(name) else { continue };
        let (mut classes, mut valid, mut all) = (Classes::new(), 0, 0);
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let text = fs::read(entry.expect("an entry").path()).expect("a readable file");
            let policy = StsPolicy::parse(&text);
            all += 1;
            valid += usize::from(policy.is_valid());
            policy.flaws.iter().for_each(|flaw| count(&mut classes, flaw.kind));
            if policy.flaws.is_empty() {
                count(&mut classes, "sound");
            }
        }
        print(&format!("{name}: {valid} of {all} valid"), &classes);
        assert!(all > 0 && valid * 2 > all);
        assert!(name == "policies" || valid == all, "the policies of large operators are valid");
    }
}

/// The first column of a table of TXT records, zone-file escapes undone.
fn records(file: &str) -> Option<Vec<(String, String)>> {
    let text = fs::read_to_string(folder("txt")?.join(file)).expect("a readable table");
    let row = |line: &str| {
        let mut cells = line.split('\t');
        let record = cells.next().unwrap_or_default().replace("\\;", ";");
        (record, cells.next().unwrap_or_default().to_owned())
    };
    Some(text.lines().skip(1).map(row).collect())
}

#[test]
fn every_txt_record_collected_is_read() {
    let mut classes = Classes::new();
    for (text, _) in records("mta_sts_txt.tsv").unwrap_or_default() {
        count(&mut classes, StsRecord::opening(text.as_bytes()));
        StsRecord::parse(text.as_bytes()).flaws.iter().for_each(|flaw| count(&mut classes, flaw.kind));
    }
    print("mta_sts_txt", &classes);
    let mut classes = Classes::new();
    for (text, class) in records("tls_rpt_txt.tsv").unwrap_or_default() {
        let record = TlsrptRecord::parse(text.as_bytes());
        count(&mut classes, TlsrptRecord::opening(text.as_bytes()));
        record.flaws.iter().for_each(|flaw| count(&mut classes, flaw.kind));
        let is_record =
            matches!(TlsrptRecord::opening(text.as_bytes()), mxray_protocol::Opening::Record { .. });
        assert!(class != "captured" || (is_record && record.is_valid()), "{text}");
    }
    print("tls_rpt_txt", &classes);
    for (line, _) in records("moj_octodns_raw_values.tsv").unwrap_or_default() {
        StsRecord::parse(line.as_bytes());
        TlsrptRecord::parse(line.as_bytes());
    }
}

/// What we say of a text of a kind; `None` for kinds that are not of this crate.
fn opinion(kind: &str, text: &[u8]) -> Option<bool> {
    let begins = |opening| matches!(opening, mxray_protocol::Opening::Record { .. });
    Some(match kind {
        "sts-txt" => begins(StsRecord::opening(text)) && StsRecord::parse(text).is_valid(),
        "tlsrpt-txt" => begins(TlsrptRecord::opening(text)) && TlsrptRecord::parse(text).is_valid(),
        "sts-policy" => StsPolicy::parse(text).is_valid(),
        "mx-pattern" => MxPattern::parse(text).is_ok(),
        _ => return None,
    })
}

#[test]
fn other_projects_cases_are_opinions_and_the_strict_parsers_among_them_agree() {
    let Some(folder) = folder("vectors") else { return };
    let text = fs::read_to_string(folder.join("vectors.jsonl")).expect("a readable file");
    let (mut agreed, mut differing) = (0, Vec::new());
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let word = |name: &str| case[name].as_str().unwrap_or_default();
        let expected = match word("expect") {
            "valid" => true,
            "invalid" => false,
            _ => continue,
        };
        match opinion(word("kind"), word("input").as_bytes()) {
            None => {}
            Some(ours) if ours == expected => agreed += 1,
            Some(_) => differing.push(format!(
                "{} {:?} {} {} {}",
                word("kind"),
                word("input"),
                word("expect"),
                word("source"),
                word("note")
            )),
        }
    }
    eprintln!("{agreed} agreed; {} differ:\n{}", differing.len(), differing.join("\n"));
    let strict = |line: &&String| line.contains(" mjl-+mox:") || line.contains(" ukncsc+");
    assert_eq!(differing.iter().find(strict), None);
    assert!(differing.len() * 10 < agreed);
}
