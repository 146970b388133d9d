//! The page in a real browser: `scripts/browser-test`, which drives headless Chromium.

use std::path::Path;
use std::process::Command;

/// Holds a page to what `scripts/browser-test` asks of it. Where there is no Chromium it is left out, and said so; under
/// `CI` that is a failure.
pub(crate) fn holds(page: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/browser-test");
    let output = Command::new(script).arg(page).output().expect("python3 is there: the gate needs it");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    match output.status.code() {
        Some(0) => {}
        Some(3) if std::env::var_os("CI").is_none() => eprintln!("SKIPPED: {said}"),
        _ => panic!("{said}"),
    }
}
