//! The tables of a report: their rates, cohorts, samples, and several runs.

use std::fs;
use std::path::Path;

use mxray_evidence::RunDir;
use mxray_study::{ClassifyOptions, Report, ReportOptions, ReportTable, classify, report};

use serde_json::Value;

use crate::latex;
use crate::run::small_run;

async fn report_of(runs: &[RunDir], out: &Path, options: &ReportOptions) -> Report {
    let classified =
        |run: &RunDir| (run.clone(), classify(run, &ClassifyOptions::default()).expect("classify").id);
    let of: Vec<_> = runs.iter().map(classified).collect();
    report(&of, out, options, &mut |_| {}).await.expect("report")
}

fn table<'a>(report: &'a Report, name: &str) -> &'a ReportTable {
    report.tables.iter().find(|table| table.name == name).expect("a table of that name")
}

/// The cells of a column, by the words of another.
fn cells<'a>(table: &'a ReportTable, by: (&str, &str), column: &str) -> Vec<&'a str> {
    let place = |name: &str| table.grid.header.iter().position(|title| title == name).expect("a column");
    let (key, column) = (place(by.0), place(column));
    table.grid.rows.iter().filter(|row| row[key] == by.1).map(|row| row[column].as_str()).collect()
}

/// One report, looked at from several sides: in a debug build it takes seconds.
#[tokio::test]
async fn a_report_of_a_sample() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 2, 15);
    let options = ReportOptions { sample_of: Some(1_000) };
    let report = report_of(&[run], &folder.path().join("out"), &options).await;
    every_rate_is_its_numerator_over_its_denominator_and_in_its_interval(&report);
    domains_are_counted_by_rank_and_by_the_inputs_own_columns(&report, folder.path());
    a_rules_violations_are_those_of_the_operators_and_the_rest(&report);
    each_table_is_the_same_in_every_form(&report, &folder.path().join("out"));
}

fn each_table_is_the_same_in_every_form(report: &Report, out: &Path) {
    let (mut numbers, mut nulls, mut long) = (0, 0, 0);
    for table in &report.tables {
        let text = |end: &str| fs::read_to_string(out.join(format!("{}.{end}", table.name))).expect("read");
        let rows: Vec<serde_json::Map<String, Value>> = serde_json::from_str(&text("json")).expect("JSON");
        assert_eq!(rows.len(), table.grid.rows.len(), "{}", table.name);
        for (row, cells) in rows.iter().zip(&table.grid.rows) {
            assert_eq!(row.len(), table.grid.header.len(), "{}", table.name);
            for ((name, cell), right) in table.grid.header.iter().zip(cells).zip(&table.grid.right) {
                match &row[name] {
                    Value::Number(number) => {
                        assert!(*right, "{}: {name}", table.name);
                        // The reader that this test has is off by a last digit.
                        let (a, b) =
                            (number.as_f64().expect("finite"), cell.parse::<f64>().expect("a number"));
                        assert!((a - b).abs() <= 1e-12 * b.abs(), "{}: {name}: {a} {b}", table.name);
                        numbers += 1;
                    }
                    Value::String(said) => assert!(!right && said == cell, "{}: {name}: {said}", table.name),
                    Value::Null => {
                        assert_eq!(cell, "", "{}: {name}", table.name);
                        nulls += 1;
                    }
                    other => panic!("{}: {name}: {other}", table.name),
                }
            }
        }
        let tex = text("tex");
        let (columns, lines) = latex::compiles(&tex);
        assert_eq!(
            (columns, lines),
            (table.grid.header.len(), table.grid.rows.len().max(1)),
            "{}",
            table.name
        );
        assert!(
            tex.contains(&format!("\\label{{tab:{}}}\n", table.name)) || tex.contains("longtable"),
            "{tex}"
        );
        long += usize::from(tex.contains("longtable"));
    }
    assert!(numbers > 500 && nulls > 20 && long >= 2, "{numbers} numbers, {nulls} nulls, {long} long tables");
    let document = fs::read_to_string(out.join("report.tex")).expect("read");
    assert_eq!(document.matches("\\input{").count(), report.tables.len());
    let adoption = fs::read_to_string(out.join("adoption.tex")).expect("read");
    assert!(adoption.contains("\\begin{tabular}{llrrrrrr}"), "numbers stand flush right: {adoption}");
    assert!(adoption.contains(" & 33.33 \\% & "), "rates are in percent: {adoption}");
    assert!(adoption.contains("\\noindent What domains publish and what their mail hosts do."), "{adoption}");
}

fn every_rate_is_its_numerator_over_its_denominator_and_in_its_interval(report: &Report) {
    let pairs = [
        ("rate", "domains", "measured"),
        ("rate", "violations", "judged"),
        ("rate", "hosts", "measured"),
        ("rate", "certificates", "measured"),
        ("rate", "domains", "of_all"),
        ("rate", "observations", "of_all"),
        ("sts_rate", "sts_records", "sts_measured"),
        ("valid_rate", "valid_policies", "policies_measured"),
        ("without_rate", "violations_without", "judged_without"),
    ];
    let (mut looked_at, mut intervals) = (0, 0);
    for table in &report.tables {
        let place = |name: &str| table.grid.header.iter().position(|title| title == name);
        let rates =
            table.grid.header.iter().filter(|name| name.ends_with("rate") && !name.starts_with("study"));
        for rate in rates {
            let pair = pairs
                .iter()
                .find(|(name, over, of)| name == rate && place(over).is_some() && place(of).is_some());
            let (_, over, of) = pair.unwrap_or_else(|| panic!("{}: {rate} of what?", table.name));
            let number = |row: &[String], name: &str| row[place(name).expect("a column")].parse::<f64>().ok();
            for row in &table.grid.rows {
                let (over, of) = (number(row, over).expect("a number"), number(row, of).expect("a number"));
                let Some(found) = number(row, rate) else {
                    assert!(of == 0.0 || over == 0.0, "{}: {row:?}", table.name);
                    continue;
                };
                assert!((found - over / of).abs() < 1e-12, "{}: {row:?}", table.name);
                looked_at += 1;
                let (low, high) = (format!("{rate}_low"), format!("{rate}_high"));
                if place(&low).is_some() {
                    let (low, high) = (number(row, &low).expect("low"), number(row, &high).expect("high"));
                    assert!(low <= found && found <= high && high - low > 0.0, "{}: {row:?}", table.name);
                    intervals += 1;
                } else {
                    assert!(["tls", "certificates", "unknowns"].contains(&table.name), "{}", table.name);
                }
            }
        }
    }
    assert!(looked_at > 100 && intervals > 80, "{looked_at} rates, {intervals} intervals");
}

fn domains_are_counted_by_rank_and_by_the_inputs_own_columns(report: &Report, folder: &Path) {
    let ranks = table(report, "adoption_by_rank");
    assert_eq!(cells(ranks, ("measure", "MTA-STS record"), "rank_to"), ["10", "100"]);
    assert_eq!(cells(ranks, ("measure", "MTA-STS record"), "domains"), ["4", "6"]);
    assert_eq!(cells(ranks, ("measure", "MTA-STS record"), "measured"), ["10", "20"]);
    let cohorts = table(report, "adoption_by_cohort");
    assert_eq!(cells(cohorts, ("cohort", "retail"), "domains")[0], "5");
    assert_eq!(cells(cohorts, ("cohort", "=law\u{1b}[31m"), "measured")[0], "15", "as it is in memory");
    let csv = fs::read_to_string(folder.join("out/adoption_by_cohort.csv")).expect("read");
    assert!(
        csv.contains("\nsector,'=law\\u{1b}[31m,MTA-STS record,domains,5,15,"),
        "harmless on disk: {csv}"
    );
    assert!(!report.markdown.contains('\u{1b}'));
    let shown = ranks.for_people();
    assert_eq!(shown.rows.len(), 2);
    assert_eq!(shown.rows[0][2], "40.00 % [17.05 %, 68.38 %] (4 of 10)");
}

fn a_rules_violations_are_those_of_the_operators_and_the_rest(report: &Report) {
    let rules = table(report, "misconfiguration_by_operator");
    assert!(!rules.grid.rows.is_empty());
    let whole = table(report, "misconfiguration");
    for row in &rules.grid.rows {
        let number =
            |name: &str| -> i64 { cells(rules, ("rule", &row[0]), name)[0].parse().expect("a number") };
        assert_eq!(number("of_largest") + number("violations_without"), number("violations"), "{row:?}");
        assert_eq!(cells(whole, ("rule", &row[0]), "judged")[0], number("judged").to_string(), "{row:?}");
        assert!(number("judged_without") >= number("violations_without"), "{row:?}");
    }
    let classes = table(report, "misconfiguration_by_class");
    let worst = |axis: &str| cells(classes, ("axis", axis), "violations")[0].to_owned();
    assert_eq!(worst("MX hosts"), "30", "the certificate of the one mail host cannot be read");
    assert_eq!(worst("record"), "0");
}

#[tokio::test]
async fn several_runs_are_a_series_by_when_they_began() {
    let folder = tempfile::tempdir().expect("a folder");
    let early = small_run(&folder.path().join("a"), 1, 9);
    let late = small_run(&folder.path().join("b"), 1, 30);
    let mut manifest = late.read_manifest().expect("read");
    manifest.started += 86_400_000_000;
    manifest.run_id = "ff".into();
    late.write_manifest(&manifest).expect("write");
    let report = report_of(&[late, early], &folder.path().join("out"), &ReportOptions::default()).await;
    let series = table(&report, "adoption_over_time");
    assert_eq!(
        cells(series, ("measure", "MTA-STS record"), "began"),
        ["1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"]
    );
    assert_eq!(cells(series, ("measure", "MTA-STS record"), "measured"), ["9", "30"]);
    let adoption = table(&report, "adoption");
    assert_eq!(cells(adoption, ("measure", "MTA-STS record"), "measured")[0], "30", "the newest run's");
}
