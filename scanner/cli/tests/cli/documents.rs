//! What the binary says of itself: contracts, held by golden files.

use std::fmt::Write as _;

use serde_json::Value;

use crate::mxray::{golden, refuses, run};

#[test]
fn the_schema_is_a_contract() {
    golden("datasets/dictionary.md", &run(&["schema", "--format", "markdown"]).stdout);
}

#[test]
fn the_codebook_is_a_contract() {
    golden("datasets/codebook.md", &run(&["rules", "--format", "markdown"]).stdout);
}

#[test]
fn the_codebook_is_the_same_in_every_form() {
    let json: Value = serde_json::from_str(&run(&["rules", "--format", "json"]).stdout).unwrap();
    let text = run(&["rules"]).stdout;
    for rule in json.as_array().unwrap() {
        let name = rule["rule"].as_str().unwrap();
        assert!(text.lines().any(|line| line.starts_with(&format!("{name}  "))), "{name}");
        assert!(text.contains(rule["advice"].as_str().unwrap()), "{name}");
    }
}

/// Where no number of the codebook may be older than what was measured.
#[test]
fn what_the_codebook_says_of_a_validator_is_what_was_measured() {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/tests/golden/dnssec.md");
    let table = std::fs::read_to_string(table).unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let wrong = rows.iter().filter(|row| row.contains("hickory: wrong")).count();
    let version = table.split("hickory-resolver ").nth(1).unwrap().split('\'').next().unwrap();
    let text = run(&["rules", "dnssec-bogus"]).stdout;
    for words in [
        format!("Over {} names", rows.len()),
        format!("wrong about {wrong} of them"),
        format!("hickory-resolver {version}'s"),
    ] {
        assert!(text.contains(&words), "{words:?} is not in\n{text}");
    }
}

#[test]
fn the_schema_is_the_same_in_every_form() {
    let json: Value = serde_json::from_str(&run(&["schema", "--format", "json"]).stdout).unwrap();
    let text = run(&["schema"]).stdout;
    for table in json["tables"].as_array().unwrap() {
        for column in table["columns"].as_array().unwrap() {
            let name = column["name"].as_str().unwrap();
            assert!(text.lines().any(|line| line.trim_start().starts_with(name)), "{name}");
        }
    }
}

#[test]
fn a_table_that_is_not_there_is_refused_with_those_that_are() {
    refuses(&["schema", "domain"], 2, &["\"domain\"", "domains", "smtp_sessions"]);
}

#[test]
fn the_help_is_a_contract() {
    let top = run(&["--help"]).stdout;
    let verbs = top
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help");
    let mut all = format!("$ mxray --help\n{top}");
    for verb in verbs {
        let _ = write!(all, "\n$ mxray {verb} --help\n{}", run(&[verb, "--help"]).stdout);
    }
    assert!(all.contains("$ mxray scan --help"), "{all}");
    golden("scanner/cli/tests/golden/help.txt", &all);
}

#[test]
fn no_colour_where_nobody_looks() {
    assert!(!run(&["schema"]).stdout.contains('\x1b'));
    assert!(!run(&["--help"]).stdout.contains('\x1b'));
}
