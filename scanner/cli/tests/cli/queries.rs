//! The examples in the help of `query`, each asked of a real run.

use crate::mxray::run;
use crate::world::Demo;

#[test]
fn every_example_in_the_help_of_query_is_answered() {
    let demo = Demo::of(60);
    let (folder, parquet) = (demo.run(), demo.folder.path().join("verdicts.parquet"));
    let help = run(&["query", "--help"]).stdout;
    let (_, examples) = help.split_once("Examples:\n").unwrap();
    let mut asked = 0;
    for line in examples.lines().filter(|line| !line.trim().is_empty()) {
        let words = line.split('"').enumerate().flat_map(|(place, part)| match place % 2 {
            0 => part.split_whitespace().collect::<Vec<_>>(),
            _ => vec![part],
        });
        let words = words.skip(1).map(|word| match word {
            "run" | "older" => folder.as_str(),
            "verdicts.parquet" => parquet.to_str().unwrap(),
            word => word,
        });
        let said = run(&words.collect::<Vec<_>>());
        assert_eq!(said.code, 0, "{line}: {}", said.stderr);
        assert!(line.contains("--out") || !said.stdout.is_empty(), "{line}");
        asked += 1;
    }
    assert!(asked >= 10, "{asked}");
    let bytes = std::fs::read(parquet).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
}
