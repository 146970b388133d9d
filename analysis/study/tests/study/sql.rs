//! SQL over a run, and the report that stands on it.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Field};
use mxray_evidence::{DomainRow, MailHostRow};
use mxray_study::{ClassifyOptions, Grid, ReportOptions, classify, query, report};

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

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
async fn a_file_of_rows_is_whole_or_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 1, 3);
    let path = folder.path().join("rows.parquet");
    let write = async |sql: &str| query(&run, None, sql).await.expect("plan").write_parquet(&path).await;
    write("SELECT CAST(domain AS BIGINT) AS n FROM domains").await.expect_err("a domain is no number");
    let files = || {
        let entries = fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry"));
        entries.filter(|entry| entry.path().is_file()).count()
    };
    assert_eq!(files(), 0, "nor under a temporary name");
    write("SELECT domain FROM domains").await.expect("write");
    assert_eq!((files(), crate::export::read(&path).num_rows()), (1, 3));
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
    fs::copy(run.part_path::<DomainRow>(0), &part).expect("copy");
    let refused = query(&run, None, "SELECT * FROM policies").await.expect("plan").into_grid().await;
    assert!(refused.expect_err("another schema").to_string().contains("part-000000.parquet"));
}

/// A part as an older mxray wrote it: without these fields, wherever they stand.
fn rewrite_without(part: &Path, names: &[&str]) {
    fn without(array: &ArrayRef, names: &[&str]) -> ArrayRef {
        match array.data_type() {
            DataType::Struct(fields) => {
                let of = array.as_struct();
                let kept: Vec<_> =
                    fields.iter().filter(|field| !names.contains(&field.name().as_str())).collect();
                let columns: Vec<ArrayRef> = kept
                    .iter()
                    .map(|field| without(of.column_by_name(field.name()).expect("its own"), names))
                    .collect();
                let field = |(field, column): (&&Arc<Field>, &ArrayRef)| {
                    Field::clone(field).with_data_type(column.data_type().clone())
                };
                let fields: Vec<Field> = kept.iter().zip(&columns).map(field).collect();
                Arc::new(StructArray::new(fields.into(), columns, of.nulls().cloned()))
            }
            _ => Arc::clone(array),
        }
    }
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(part).expect("open")).expect("Parquet");
    let batches: Vec<StructArray> = reader
        .build()
        .expect("a reader")
        .map(|batch| {
            without(&(Arc::new(StructArray::from(batch.expect("rows"))) as ArrayRef), names)
                .as_struct()
                .clone()
        })
        .collect();
    let schema = RecordBatch::from(&batches[0]).schema();
    let mut writer =
        ArrowWriter::try_new(File::create(part).expect("create"), schema, None).expect("a writer");
    for batch in &batches {
        writer.write(&batch.into()).expect("write");
    }
    writer.close().expect("close");
}

#[tokio::test]
async fn parts_from_before_a_column_are_asked_as_if_it_were_null_or_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 2, 5);
    let told = |id: String| {
        let run = run.clone();
        async move {
            let out = run.root().join("report");
            report(&[(run.clone(), id)], &out, &ReportOptions::default(), &mut |_| {})
                .await
                .expect("report")
                .markdown
        }
    };
    let id = classify(&run, &ClassifyOptions::default()).expect("classify").id;
    let before = told(id.clone()).await;
    let later = ["extended_errors", "security", "tlsa_alias"];
    rewrite_without(&run.part_path::<DomainRow>(0), &later);
    rewrite_without(&run.part_path::<MailHostRow>(0), &later);
    assert_eq!(classify(&run, &ClassifyOptions::default()).expect("classify").id, id);
    assert_eq!(told(id.clone()).await, before);
    let sql = "SELECT domain, mx['security'] AS security, mx['extended_errors'] AS errors FROM domains ORDER BY line";
    let grid = ask(&run, Some(&id), sql).await;
    assert_eq!(grid.rows.len(), 10, "of the older part and the newer");
    assert!(grid.rows.iter().all(|row| row[1..] == ["", "[]"]), "{grid}");
    assert_eq!(ask(&run, None, "SELECT tlsa_alias FROM mail_hosts").await.rows, [[""]]);
    rewrite_without(&run.part_path::<DomainRow>(0), &["line"]);
    let refused = query(&run, None, "SELECT line FROM domains").await.expect("plan").into_grid().await;
    let words = refused.expect_err("a column that was always there").to_string();
    assert!(words.contains("`line`") && words.contains("another schema"), "{words}");
}

#[tokio::test]
async fn a_report_is_the_same_twice_and_stands_on_empty_tables_too() {
    for domains in [0, 9] {
        let folder = tempfile::tempdir().expect("a folder");
        let run = small_run(folder.path(), 1, domains);
        let id = classify(&run, &ClassifyOptions::default()).expect("classify").id;
        let out = folder.path().join("report");
        let of = [(run, id)];
        let first = report(&of, &out, &ReportOptions::default(), &mut |_| {}).await.expect("report");
        let again = folder.path().join("again");
        let second = report(&of, &again, &ReportOptions::default(), &mut |_| {}).await.expect("report");
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
    let refused = report(&of, folder.path(), &ReportOptions::default(), &mut |_| {})
        .await
        .expect_err("no such classification");
    assert!(refused.to_string().contains("mxray classify"), "{refused}");
}
