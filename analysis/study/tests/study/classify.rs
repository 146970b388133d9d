//! Classification: complete, repeatable, and found again.

use std::fs;
use std::path::Path;

use mxray_evidence::derived::{FindingRow, HostRow, TallyRow, VerdictRow};
use mxray_evidence::{CertificateRow, RunDir, Table, read_rows};
use mxray_study::{ClassifyOptions, StudyError, classifications, classify, newest_classification};

use crate::run::{late_run, small_run};

pub(crate) fn rows<T: Table>(path: &Path) -> Vec<T> {
    read_rows::<T>(path).expect("open").flat_map(|rows| rows.expect("read")).collect()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .expect("list")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(path).expect("read"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_domain_has_a_verdict_in_the_order_of_the_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 3, 5);
    let options = ClassifyOptions::default();
    let classified = classify(&run, &options).expect("classify");
    assert_eq!(options.steps.so_far(), Some((6, 6)), "of three chunks");
    let verdicts = rows::<VerdictRow>(&run.derived_path::<VerdictRow>(&classified.id));
    let expected: Vec<String> = (0..15).map(|n| format!("d{n}.example")).collect();
    assert_eq!(verdicts.iter().map(|row| row.domain.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(
        verdicts.iter().filter(|row| row.record == "valid").count(),
        5,
        "policies of every chunk count"
    );
    let findings = rows::<FindingRow>(&run.derived_path::<FindingRow>(&classified.id));
    assert_eq!((classified.domains, classified.findings), (15, findings.len() as u64));
    let hosts = rows::<HostRow>(&run.derived_path::<HostRow>(&classified.id));
    assert_eq!(
        hosts.iter().map(|row| (row.host.as_str(), row.domains)).collect::<Vec<_>>(),
        [("mx.example", 15)]
    );
}

#[test]
fn a_policy_counts_for_its_domain_whichever_chunk_it_stands_in() {
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let derived = [small_run(folders[0].path(), 3, 7), late_run(folders[1].path(), 3, 7)].map(|run| {
        let classified = classify(&run, &ClassifyOptions::default()).expect("classify");
        let verdicts = rows::<VerdictRow>(&run.derived_path::<VerdictRow>(&classified.id));
        (verdicts, rows::<FindingRow>(&run.derived_path::<FindingRow>(&classified.id)))
    });
    assert_eq!(derived[0], derived[1]);
    assert!(derived[0].0.iter().all(|row| row.policy != "unknown"), "each was found");
}

#[test]
fn the_tallies_of_a_rule_add_up_to_all_domains() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 2, 7);
    let classified = classify(&run, &ClassifyOptions::default()).expect("classify");
    let tallies = rows::<TallyRow>(&run.derived_path::<TallyRow>(&classified.id));
    let findings = rows::<FindingRow>(&run.derived_path::<FindingRow>(&classified.id));
    let whole: Vec<&TallyRow> = tallies.iter().filter(|row| row.cause.is_none()).collect();
    assert_eq!(whole.len(), mxray_rules::rules().len());
    for row in whole {
        assert_eq!(row.pass + row.violation + row.unknown + row.not_applicable, 14, "{}", row.rule);
        let mut domains: Vec<&str> = findings
            .iter()
            .filter(|finding| finding.rule == row.rule && finding.outcome == "violation")
            .map(|finding| finding.domain.as_str())
            .collect();
        domains.dedup();
        assert_eq!(row.violation, domains.len() as u64, "{}", row.rule);
    }
}

#[test]
fn twice_gives_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 3, 5);
    let first = classify(&run, &ClassifyOptions::default()).expect("classify");
    let before = files(&first.folder);
    assert_eq!(before.len(), 5, "four tables, and what says that they are complete");
    fs::remove_dir_all(run.root().join("derived")).expect("deleting what is derived loses nothing");
    let second = classify(&run, &ClassifyOptions::default()).expect("classify again");
    assert_eq!(first, second);
    assert!(before == files(&second.folder), "byte for byte");
}

#[test]
fn another_time_or_store_is_another_classification() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 1, 2);
    assert!(matches!(newest_classification(&run), Err(StudyError::NotClassified(_))));
    let observed = classify(&run, &ClassifyOptions::default()).expect("classify");
    let options = ClassifyOptions { at: Some(1_800_000_000_000_000), ..ClassifyOptions::default() };
    let later = classify(&run, &options).expect("classify at another time");
    assert_ne!(observed.id, later.id);
    let ids: Vec<String> = classifications(&run).expect("list").into_iter().map(|one| one.id).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&newest_classification(&run).expect("one").id));
    let roots = vec![("roots.pem".to_owned(), b"nothing".to_vec())];
    let refused = classify(&run, &ClassifyOptions { trust_pem: roots, ..ClassifyOptions::default() });
    assert!(matches!(refused, Err(StudyError::Roots { .. })));
}

#[test]
fn a_chain_with_a_certificate_missing_is_counted_and_not_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 1, 3);
    fs::remove_file(run.part_path::<CertificateRow>(0)).expect("remove");
    let classified = classify(&run, &ClassifyOptions::default()).expect("classify");
    assert_eq!(classified.chains_incomplete, 2, "one session, one policy");
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = classify(&RunDir::new(folder.path()), &ClassifyOptions::default());
    assert!(matches!(refused, Err(StudyError::NothingCommitted(_))));
    assert_eq!(fs::read_dir(folder.path()).expect("list").count(), 0, "and left as it was");
}
