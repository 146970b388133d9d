//! A run as one flat file: a row a domain, read back by a Parquet reader.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, UInt16Type, UInt32Type, UInt64Type};
use mxray_evidence::derived::VerdictRow;
use mxray_evidence::{Home, RunDir, flat, read_rows, tables};
use mxray_rules::rules;
use mxray_study::{ClassifyOptions, Steps, StudyError, classify, export, query};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::run::{late_run, small_run};

/// All rows of a file.
pub(crate) fn read(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("open")).expect("Parquet");
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> =
        builder.build().expect("a reader").map(|batch| batch.expect("rows")).collect();
    concat_batches(&schema, &batches).expect("one schema")
}

/// The cells of a column of text, null as `None`.
pub(crate) fn texts<'a>(rows: &'a RecordBatch, column: &str) -> Vec<Option<&'a str>> {
    rows.column_by_name(column)
        .unwrap_or_else(|| panic!("no column {column}"))
        .as_string::<i32>()
        .iter()
        .collect()
}

fn exported(run: &RunDir, folder: &Path) -> (RecordBatch, String) {
    let classified = classify(run, &ClassifyOptions::default()).expect("classify");
    let path = folder.join("flat.parquet");
    let steps = Steps::default();
    let rows = export(run, &classified, &path, &steps).expect("export");
    let chunks = u64::from(classified.chunks);
    assert_eq!(steps.so_far(), Some((chunks, chunks)));
    let read = read(&path);
    assert_eq!(read.num_rows() as u64, rows);
    assert_eq!(rows, classified.domains);
    (read, classified.id)
}

#[tokio::test]
async fn a_row_a_domain_with_its_verdict_its_rules_and_its_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 3, 5);
    let (rows, id) = exported(&run, folder.path());
    let verdicts: Vec<VerdictRow> = read_rows::<VerdictRow>(&run.derived_path::<VerdictRow>(&id))
        .expect("open")
        .flat_map(|rows| rows.expect("read"))
        .collect();
    let of = |column: fn(&VerdictRow) -> Option<&str>| verdicts.iter().map(column).collect::<Vec<_>>();
    assert_eq!(texts(&rows, "domain"), of(|row| Some(&row.domain)), "in the order of the scan");
    assert_eq!(texts(&rows, "policy"), of(|row| Some(&row.policy)));
    assert_eq!(texts(&rows, "mode"), of(|row| row.mode.as_deref()), "null without a valid policy");
    assert_eq!(texts(&rows, "both_attacker"), of(|row| Some(&row.both_attacker)));
    let input = verdicts.iter().map(|row| Some(row.columns[0].value.as_str())).collect::<Vec<_>>();
    assert_eq!(texts(&rows, "input_sector"), input);
    let line = rows.column_by_name("line").expect("line").as_primitive::<UInt64Type>();
    assert_eq!(line.values().to_vec(), (1..=15).collect::<Vec<u64>>());
    every_column_is_documented(&rows);
    each_rule_comes_out_as_the_tallies_say(&rows, &run, &id).await;
}

/// In the data dictionary: a column of its own, or one of the two kinds that it explains.
fn every_column_is_documented(rows: &RecordBatch) {
    let doc = tables().into_iter().find(|table| table.home == Home::Export).expect("in the dictionary");
    let rule_columns: Vec<String> = rules().iter().map(|rule| flat::rule_column(rule.name)).collect();
    let schema = rows.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let documented = doc.columns.iter().map(|column| column.name);
    let expected: Vec<&str> =
        documented.chain(rule_columns.iter().map(String::as_str)).chain(["input_sector"]).collect();
    assert_eq!(names, expected);
    for column in &doc.columns {
        assert_eq!(*schema.field_with_name(column.name).expect("there"), column.field(), "{}", column.name);
    }
    assert!(
        schema.fields().iter().all(|field| !matches!(field.data_type(), DataType::Struct(_))),
        "it is flat: {schema}"
    );
}

async fn each_rule_comes_out_as_the_tallies_say(rows: &RecordBatch, run: &RunDir, id: &str) {
    let sql = "SELECT rule, pass, violation, unknown, not_applicable FROM tallies WHERE cause IS NULL";
    let tallies = query(run, Some(id), sql).await.expect("plan").into_grid().await.expect("answer");
    assert_eq!(tallies.rows.len(), rules().len());
    for tally in &tallies.rows {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for outcome in texts(rows, &flat::rule_column(&tally[0])) {
            *counts.entry(outcome.expect("never null")).or_default() += 1;
        }
        let counted = ["pass", "violation", "unknown", "not-applicable"]
            .map(|outcome| counts.remove(outcome).unwrap_or(0).to_string());
        assert_eq!(counted, tally[1..], "{}", tally[0]);
        assert!(counts.is_empty(), "{counts:?}");
    }
}

#[test]
fn what_was_not_measured_is_told_from_what_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 1, 6);
    let mut rows: Vec<_> = (0..6).map(crate::run::domain).collect();
    rows[1].mx.rcode = Some(2);
    rows[1].mx.records.clear();
    rows[2].mx.rcode = Some(3);
    rows[2].mx.records.clear();
    rows[4].mx.records[0].exchange = "elsewhere.example".into();
    rows[5].columns.clear();
    crate::run::write(&run, 0, &rows);
    let (flat, _) = exported(&run, folder.path());
    let words = texts(&flat, "mx_lookup").into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(words, ["found", "failed", "nxdomain", "found", "found", "found"]);
    let measured = flat.column_by_name("mx_hosts_measured").expect("there").as_primitive::<UInt32Type>();
    assert_eq!(measured.values().to_vec(), [1, 0, 0, 1, 0, 1]);
    let versions = flat.column_by_name("tls_versions").expect("there").as_list::<i32>();
    let known: Vec<bool> = (0..6).map(|row| versions.is_valid(row)).collect();
    assert_eq!(known, [true, false, false, true, false, true], "null where no host could be judged");
    assert_eq!(versions.value(0).as_string::<i32>().value(0), "TLSv1.3");
    let fetches = texts(&flat, "policy_fetch");
    assert_eq!(fetches, [Some("completed"), None, None, Some("completed"), None, None]);
    let status = flat.column_by_name("policy_status").expect("there").as_primitive::<UInt16Type>();
    assert_eq!(status.iter().collect::<Vec<_>>(), [Some(200), None, None, Some(200), None, None]);
    assert_eq!(texts(&flat, "input_sector")[4..], [Some("retail"), None], "its input has no such column");
    assert_eq!(texts(&flat, "rule_mx_policy_mismatch_all")[1], Some("not-applicable"));
    assert_eq!(texts(&flat, "protection")[1], Some("unknown"));
}

#[test]
fn policies_that_came_late_stand_with_their_domains() {
    let folder = tempfile::tempdir().expect("a folder");
    let early = small_run(&folder.path().join("early"), 3, 5);
    let late = late_run(&folder.path().join("late"), 3, 5);
    let (early, _) = exported(&early, &folder.path().join("early"));
    let (late, _) = exported(&late, &folder.path().join("late"));
    assert_eq!(early, late);
    assert_eq!(texts(&late, "policy_fetch").into_iter().flatten().count(), 5);
}

fn files_in(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries.filter(|entry| entry.path().is_file()).count()
}

#[test]
fn a_classification_of_another_evidence_is_refused_and_nothing_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 2, 4);
    let classified = classify(&run, &ClassifyOptions::default()).expect("classify");
    crate::run::write(&run, 1, &[crate::run::domain(7), crate::run::domain(6)]);
    let path = folder.path().join("flat.parquet");
    let refused = export(&run, &classified, &path, &Steps::default());
    assert!(matches!(refused, Err(StudyError::Stale(_))), "{refused:?}");
    assert_eq!(files_in(folder.path()), 0, "nor under a temporary name");
}
