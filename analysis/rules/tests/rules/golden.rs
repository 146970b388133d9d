//! Tables that are committed, of inputs that are not: read by eye once, held ever after.

use std::fmt::Debug;
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::case::Case;

/// What is collected under this name, if it is there: it has no licence to be copied, and is read where it stands.
pub(crate) fn collected(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora").join(name);
    if path.exists() {
        return Some(path);
    }
    // Past the capture of the test harness, which would swallow it where the test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: no collection at {}", path.display());
    None
}

/// Holds that a table is as it was when it was last read through. `MXRAY_BLESS=1` writes it anew.
#[track_caller]
pub(crate) fn hold(name: &str, is: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("MXRAY_BLESS").is_some() {
        fs::write(&path, is).expect("a writable golden");
    }
    let was = fs::read_to_string(&path).unwrap_or_default();
    if let Some(line) = (0..).zip(was.lines().zip(is.lines())).find(|(_, (was, is))| was != is) {
        panic!(
            "{name}, line {}: was\n  {}\nis\n  {}\nMXRAY_BLESS=1 accepts it",
            line.0 + 1,
            line.1.0,
            line.1.1
        );
    }
    assert_eq!(was.lines().count(), is.lines().count(), "{name}: MXRAY_BLESS=1 accepts it");
}

/// Flaws as a cell: what, and at which bytes.
pub(crate) fn flaws<K: Debug>(flaws: impl IntoIterator<Item = (K, Range<usize>)>) -> String {
    let flaws = flaws.into_iter().map(|(kind, span)| format!("{kind:?}@{}..{}", span.start, span.end));
    or_dash(&flaws.collect::<Vec<_>>().join(" "))
}

/// The violations of rules whose names begin so, as a cell.
pub(crate) fn violations(case: &Case, family: &[&str]) -> String {
    let found =
        case.violations().into_iter().filter(|rule| family.iter().any(|begin| rule.starts_with(begin)));
    or_dash(&found.collect::<Vec<_>>().join(" "))
}

pub(crate) fn or_dash(cell: &str) -> String {
    if cell.is_empty() { "-" } else { cell }.to_owned()
}

/// The word for who takes a text: everybody, whoever reads as we do, only some, nobody.
pub(crate) fn reading(strictly: bool, taken: bool, leniently: bool) -> &'static str {
    match (strictly, taken, leniently) {
        (true, _, _) => "valid",
        (_, true, _) => "tolerated",
        (_, _, true) => "disputed",
        _ => "invalid",
    }
}
