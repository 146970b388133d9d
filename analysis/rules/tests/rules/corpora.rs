//! What is really published, through the parsers and the rules: a row a policy or record, committed and read by eye.

use std::fmt::Write;
use std::fs;

use mxray_protocol::sts_policy::StsPolicy;
use mxray_protocol::sts_record::StsRecord;
use mxray_protocol::tlsrpt::TlsrptRecord;

use crate::case::{Case, txt};
use crate::golden::{collected, flaws, hold, or_dash, reading, violations};

#[test]
fn every_policy_collected_is_judged_as_the_table_has_it() {
    let mut table = "file\treading\tmode\tmax_age\tmx\tflaws\tfindings\n".to_owned();
    for folder in ["policies", "policies-live"] {
        let Some(path) = collected(folder) else { return };
        let mut files = fs::read_dir(path)
            .expect("a folder")
            .map(|file| file.expect("a file").path())
            .collect::<Vec<_>>();
        files.sort();
        for file in files {
            let text = fs::read(&file).expect("a readable file");
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            writeln!(table, "{folder}/{name}\t{}", policy_row(&text)).expect("a string");
        }
    }
    hold("policies.tsv", &table);
}

fn policy_row(text: &[u8]) -> String {
    let policy = StsPolicy::parse(text);
    assert_eq!(policy.print(), text);
    let reading = reading(policy.is_valid_strictly(), policy.is_valid(), policy.is_valid_leniently());
    let mode = policy.mode.map_or("-", |mode| mode.as_str());
    let max_age = policy.max_age.map_or("-".to_owned(), |seconds| seconds.to_string());
    let mut case = Case::sound();
    case.policy_row().body = Some(text.to_vec().into());
    let judged = case.judge().verdict;
    assert_eq!(judged.policy == "valid", policy.is_valid(), "the rules take what the parser takes");
    let flaws = flaws(policy.flaws.iter().map(|flaw| (flaw.kind, flaw.span.clone())));
    let found = violations(&case, &["sts-policy-"]);
    format!("{reading}\t{mode}\t{max_age}\t{}\t{flaws}\t{found}", policy.mx.len())
}

/// The first two cells of each line but the first: a record, a tab in it written `\t`, and its class.
fn records(file: &str) -> Option<Vec<(usize, String, String)>> {
    let text = fs::read_to_string(collected("txt")?.join(file)).expect("a readable table");
    let row = |(line, text): (usize, &str)| {
        let mut cells = text.split('\t').map(|cell| cell.replace("\\;", ";").replace("\\t", "\t"));
        (line + 1, cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
    };
    Some(text.lines().enumerate().skip(1).map(row).collect())
}

#[test]
fn every_sts_record_collected_is_judged_as_the_table_has_it() {
    let Some(records) = records("mta_sts_txt.tsv") else { return };
    let mut table = "line\tclass\treading\tid_chars\tflaws\tfindings\n".to_owned();
    for (line, text, class) in records {
        writeln!(table, "{line}\t{class}\t{}", sts_row(&text)).expect("a string");
    }
    hold("sts_records.tsv", &table);
}

fn sts_row(text: &str) -> String {
    let record = StsRecord::parse(text.as_bytes());
    assert_eq!(record.print(), text.as_bytes());
    let is_record = StsRecord::opening(text.as_bytes()).is_record();
    let reading =
        if is_record { reading(record.is_valid_strictly(), record.is_valid(), false) } else { "no record" };
    let case = Case::with_record(text);
    assert_eq!(case.judge().verdict.record == "valid", is_record && record.is_valid());
    let id = record.id.map_or("-".to_owned(), |id| id.len().to_string());
    let flaws = flaws(record.flaws.iter().map(|flaw| (flaw.kind, flaw.span.clone())));
    format!("{reading}\t{id}\t{flaws}\t{}", violations(&case, &["sts-record-"]))
}

#[test]
fn every_tlsrpt_record_collected_is_judged_as_the_table_has_it() {
    let Some(records) = records("tls_rpt_txt.tsv") else { return };
    let mut table = "line\tclass\treading\turis\tflaws\tfindings\n".to_owned();
    for (line, text, class) in records {
        writeln!(table, "{line}\t{class}\t{}", tlsrpt_row(&text)).expect("a string");
    }
    hold("tlsrpt_records.tsv", &table);
}

fn tlsrpt_row(text: &str) -> String {
    let record = TlsrptRecord::parse(text.as_bytes());
    assert_eq!(record.print(), text.as_bytes());
    let is_record = TlsrptRecord::opening(text.as_bytes()).is_record();
    let reading =
        if is_record { reading(record.is_valid_strictly(), record.is_valid(), false) } else { "no record" };
    let mut case = Case::sound();
    case.domain.tlsrpt_txt.records = vec![txt(text)];
    assert_eq!(case.judge().verdict.tlsrpt == "valid", is_record && record.is_valid());
    let flaws = flaws(record.flaws.iter().map(|flaw| (flaw.kind, flaw.span.clone())));
    format!("{reading}\t{}\t{flaws}\t{}", record.rua.len(), violations(&case, &["tlsrpt-"]))
}

/// Lines of a government's zone files, each as its YAML has it: the value without its key, quotes and escapes.
#[test]
fn every_value_of_the_zone_files_is_judged_as_the_table_has_it() {
    let Some(values) = records("moj_octodns_raw_values.tsv") else { return };
    let mut table = "line\ttimes\tkind\treading\tid_chars_or_uris\tflaws\tfindings\n".to_owned();
    for (line, times, value) in values {
        let value = value.trim_start_matches("value: ").trim_start_matches("\"TXT\": ").trim_matches('"');
        let (kind, row) =
            if value.contains("TLSRPT") { ("tlsrpt", tlsrpt_row(value)) } else { ("sts", sts_row(value)) };
        writeln!(table, "{line}\t{}\t{kind}\t{row}", or_dash(&times)).expect("a string");
    }
    hold("zone_values.tsv", &table);
}
