//! SQL over a run, and the report that stands on it.

use std::fs;

use mxray_study::{ClassifyOptions, Grid, ReportOptions, classify, query, report};

use crate::run::small_run;

async fn ask(run: &mxray_evidence::RunDir, id: Option<&str>, sql: &str) -> Grid {
    query(run, id, sql).await.expect("plan").into_grid().await.expect("answer")
}

#[tokio::test]
async fn every_table_answers_and_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 3, 5);
    let classified = classify(&run, &ClassifyOptions::default()).expect("classify");
    for (table, rows) in [
        ("domains", 15),
        ("policies", 5),
        ("mail_hosts", 1),
        ("smtp_sessions", 1),
        ("certificates", 1),
        ("rejects", 0),
        ("verdicts", 15),
        ("hosts", 1),
        ("findings", classified.findings),
        ("rules", mxray_rules::rules().len() as u64),
    ] {
        let grid = ask(&run, Some(&classified.id), &format!("SELECT count(*) AS n FROM {table}")).await;
        assert_eq!(grid.rows, [[rows.to_string()]], "{table}");
        let all = ask(&run, Some(&classified.id), &format!("SELECT * FROM {table}")).await;
        assert_eq!(all.rows.len() as u64, rows, "{table}");
    }
    assert_eq!(
        ask(&run, None, "SELECT count(*) FROM verdicts").await.rows,
        [["0"]],
        "not classified, not an error"
    );
}

#[tokio::test]
async fn structs_and_lists_can_be_reached() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 1, 4);
    let sql = "SELECT line, mx['rcode'] AS rcode, mx['records'][1]['exchange'] AS first, domain \
               FROM domains WHERE domain = 'd2.example'";
    let grid = ask(&run, None, sql).await;
    assert_eq!(grid.rows, [["3", "0", "mx.example", "d2.example"]]);
    assert_eq!(grid.right, [true, true, false, false], "numbers stand flush right");
    let unnested = ask(&run, None, "SELECT count(*) FROM (SELECT unnest(mx['records']) FROM domains)").await;
    assert_eq!(unnested.rows, [["4"]]);
}

#[tokio::test]
async fn answers_come_as_csv_and_json_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 2, 1);
    let sql = "SELECT domain, rank, CAST(NULL AS BIGINT) AS nothing FROM domains ORDER BY line";
    let mut csv = Vec::new();
    query(&run, None, sql).await.expect("plan").write_csv(&mut csv).await.expect("write");
    assert_eq!(String::from_utf8_lossy(&csv), "domain,rank,nothing\nd0.example,1,\nd1.example,2,\n");
    let mut json = Vec::new();
    query(&run, None, sql).await.expect("plan").write_json_lines(&mut json).await.expect("write");
    let text = String::from_utf8_lossy(&json);
    assert_eq!(text, "{\"domain\":\"d0.example\",\"rank\":1}\n{\"domain\":\"d1.example\",\"rank\":2}\n");
}

#[tokio::test]
async fn a_query_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 1, 1);
    let target = folder.path().join("out.csv");
    for sql in [
        format!("COPY (SELECT * FROM domains) TO '{}'", target.display()),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "INSERT INTO domains SELECT * FROM domains".to_owned(),
        "DROP TABLE domains".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "SELECT nonsense FROM domains".to_owned(),
    ] {
        assert!(query(&run, None, &sql).await.is_err(), "{sql}");
    }
    assert!(!target.exists());
}

#[tokio::test]
async fn a_part_of_another_shape_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 1, 1);
    let part = run.part_path::<mxray_evidence::PolicyRow>(0);
    fs::copy(run.part_path::<mxray_evidence::DomainRow>(0), &part).expect("copy");
    let refused = query(&run, None, "SELECT * FROM policies").await.expect("plan").into_grid().await;
    assert!(refused.expect_err("another schema").to_string().contains("part-000000.parquet"));
}

#[tokio::test]
async fn a_report_is_the_same_twice_and_stands_on_empty_tables_too() {
    for domains in [0, 9] {
        let folder = tempfile::tempdir().expect("a folder");
        let run = small_run(folder.path(), 1, domains);
        let id = classify(&run, &ClassifyOptions::default()).expect("classify").id;
        let out = folder.path().join("report");
        let of = [(run, id)];
        let first = report(&of, &out, &ReportOptions::default()).await.expect("report");
        let again = folder.path().join("again");
        let second = report(&of, &again, &ReportOptions::default()).await.expect("report");
        assert_eq!(first.markdown, second.markdown);
        assert_eq!(first.files.len(), 3 * first.tables.len() + first.figures.len() + 3);
        for (a, b) in first.files.iter().zip(&second.files) {
            assert!(fs::read(a).expect("read") == fs::read(b).expect("read"), "{}", a.display());
        }
        assert_eq!(fs::read_to_string(out.join("report.md")).expect("read"), first.markdown);
        let adoption = fs::read_to_string(out.join("adoption.csv")).expect("read");
        assert!(adoption.starts_with("measure,value,domains,measured,rate,unknown\n"), "{adoption}");
        assert_eq!(adoption.contains("MTA-STS record,valid,3,9,0.333"), domains == 9, "{adoption}");
    }
}

#[tokio::test]
async fn a_report_of_what_was_not_classified_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 1, 1);
    let of = [(run, "rules-x".to_owned())];
    let refused =
        report(&of, folder.path(), &ReportOptions::default()).await.expect_err("no such classification");
    assert!(refused.to_string().contains("mxray classify"), "{refused}");
}
