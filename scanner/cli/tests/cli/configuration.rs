//! The configuration file of `scan`.

use crate::mxray::{refuses, run};

/// A file in a folder of its own, which is gone when the test is.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn printed(args: &[&str]) -> toml::Table {
    let said = run(&[&["scan", "--print-config"], args].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    said.stdout.parse().unwrap()
}

#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    let args = ["--rate", "7", "--allow-net", "127.0.0.0/8", "--contact", "a \"quoted\" \\ name", "in.txt"];
    let said = run(&[&["scan", "--print-config"], &args[..]].concat());
    let (_folder, path) = file(&said.stdout);
    assert_eq!(run(&["scan", "--print-config", "--config", &path]).stdout, said.stdout);
}

#[test]
fn what_is_typed_wins_and_replaces_lists() {
    let (_folder, path) = file("rate = 5\nresolver = ['192.0.2.1', '192.0.2.2']\ndns-timeout = 2\n");
    let config = printed(&["--config", &path, "--rate", "7", "--resolver", "192.0.2.3"]);
    assert_eq!(config["rate"].as_integer(), Some(7));
    assert_eq!(config["resolver"].as_array().unwrap().len(), 1);
    assert_eq!(config["dns-timeout"].as_integer(), Some(2));
}

#[test]
fn an_input_that_begins_with_a_dash_is_a_file() {
    let (_folder, path) = file("inputs = ['-', '--resume']\n");
    let config = printed(&["--config", &path]);
    assert_eq!(config["resume"].as_bool(), Some(false));
    assert_eq!(config["inputs"].as_array().unwrap()[1].as_str(), Some("./--resume"));
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let (_folder, path) = file("resolvr = '192.0.2.1'\n");
    refuses(&["scan", "--config", &path], 2, &["scan.toml", "`resolvr`", "did you mean `resolver`?"]);
    let (_folder, path) = file("config = 'other.toml'\n");
    refuses(&["scan", "--config", &path], 2, &["unknown key `config`"]);
    let (_folder, path) = file("ehlo_name = 'x'\n");
    refuses(&["scan", "--config", &path], 2, &["did you mean `ehlo-name`?"]);
}

#[test]
fn a_value_is_held_to_what_its_flag_takes() {
    for (text, word) in [
        ("rate = 'fast'", "'--rate <N>'"),
        ("rate = [1, 2]", "--rate"),
        ("resume = 'yes'", "either true or false"),
        ("rate = true", "is neither"),
        ("resolver = [['192.0.2.1']]", "is neither"),
        ("stages = ['dns', 'whois']", "whois"),
    ] {
        let (_folder, path) = file(text);
        refuses(&["scan", "--config", &path], 2, &["scan.toml: ", word]);
    }
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    let (_folder, path) = file("rate = 5\nrate\n");
    refuses(&["scan", "--config", &path], 2, &["is not TOML", "line 2"]);
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    refuses(&["scan", "--config", "/nowhere/scan.toml"], 2, &["/nowhere/scan.toml", "No such file"]);
}
