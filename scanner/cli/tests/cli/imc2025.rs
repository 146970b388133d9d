//! The world of the IMC 2025 study, at a tenth, the whole way: `scripts/imc2025`.

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn every_row_of_the_study_is_found_as_it_was_planted() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/imc2025");
    let output = Command::new("python3")
        .arg(script)
        .args(["--scale", "0.1"])
        .env("MXRAY", env!("CARGO_BIN_EXE_mxray"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (told, complained) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{told}{complained}");
    let words: Vec<&str> = told.split_whitespace().collect();
    let words = words.join(" ");
    // Planted, found, of how many: the tenth of 68,030, and a group too small to have one, which stands for one domain.
    for row in ["domains with a record all 6803 6803 6803", "invalid extension all 1 1 6803"] {
        assert!(words.contains(row), "{row}: {told}");
    }
    assert!(complained.contains("raised to one domain: sts-record-extension"), "{complained}");
}
