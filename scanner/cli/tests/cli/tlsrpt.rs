//! `mxray tlsrpt`: what senders report, read and laid beside a run.

use std::fs;

use serde_json::Value;

use crate::mxray::{refuses, run};

const REPORT: &str = r#"{"organization-name":"Sender \u001b[2J","contact-info":"a@b.example","report-id":"1",
    "date-range":{"start-datetime":"2026-11-01T00:00:00","end-datetime":"2026-11-01T23:59:59Z"},
    "policies":[{"policy":{"policy-type":"sts","policy-domain":"a.example","mx-host":"*.a.example"},
    "summary":{"total-successful-session-count":18446744073709551615,"total-failure-session-count":3},
    "failure-details":[{"result-type":"sts-policy-fetch-error","failed-session-count":2}]}]}"#;

#[test]
fn reports_are_read_summed_up_and_written() {
    let scratch = tempfile::tempdir().unwrap();
    let (inbox, out) = (scratch.path().join("inbox"), scratch.path().join("out"));
    fs::create_dir(&inbox).unwrap();
    fs::write(inbox.join("1.json"), REPORT).unwrap();
    fs::write(inbox.join("2.json"), REPORT).unwrap();
    let args = ["tlsrpt", inbox.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let said = run(&args);
    assert_eq!(said.code, 0, "{}", said.stderr);
    for line in ["sessions that failed ", "  date-without-offset        2", "  totals-differ              2"]
    {
        assert!(said.stdout.contains(line), "{line:?} is not in\n{}", said.stdout);
    }
    assert!(said.stdout.lines().any(|line| line.split_whitespace().eq("sessions that failed 3".split(' '))));
    assert!(!said.stdout.contains('\x1b'));
    for table in [
        "tls_reports",
        "tls_report_policies",
        "tls_report_failures",
        "tls_report_oddities",
        "tls_report_rejects",
    ] {
        assert!(out.join(format!("{table}.parquet")).is_file(), "{table}");
    }

    fs::write(inbox.join("3.txt"), "no report").unwrap();
    let said = run(&[&args[..], &["--format", "json"]].concat());
    assert_eq!(said.code, 1, "something held no report");
    let summary = &serde_json::from_str::<Value>(&said.stdout).unwrap()["summary"];
    assert_eq!(
        (&summary["reports"], &summary["repeats"], &summary["rejects"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!(summary["successful_sessions"], u64::MAX);
    assert_eq!(summary["oddities"]["not-a-list"], 2);
    assert_eq!(summary["reject_reasons"]["not-recognised"], 1);
}

#[test]
fn a_run_that_is_not_there_is_said_before_the_reading_begins() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("out");
    refuses(
        &["tlsrpt", "nowhere", "--out", out.to_str().unwrap(), "--run", scratch.path().to_str().unwrap()],
        2,
        &["is no run"],
    );
    assert!(!out.exists());
}
