//! Lists and tables of names.

use std::collections::HashSet;
use std::io::Write as _;

use mxray_engine::bytes::read_inputs;
use mxray_engine::{Input, LINE_BYTES_MAX, SourceError};
use mxray_protocol::name::DomainName;

/// Bytes of a rejected line that are kept.
const REJECT_TEXT_BYTES_MAX: usize = 256;
/// What flate2 and zstd are for: they may make anything of a few bytes, which is then read as this is.
const PACKED: [&[u8]; 2] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd"];

/// An input file.
pub fn input_lines(text: &[u8]) {
    if PACKED.iter().any(|magic| text.starts_with(magic)) {
        return;
    }
    let mut file = tempfile::NamedTempFile::new().expect("a file for the input");
    file.write_all(text).expect("a disk with room");
    for column in [None, Some("domain"), Some("2")] {
        check(text, file.path().into(), column);
    }
}

fn check(text: &[u8], path: std::path::PathBuf, column: Option<&str>) {
    let mut domains = HashSet::new();
    let mut lines = 0;
    let read = read_inputs(&[Input::Path(path)], column, |line| {
        lines += 1;
        match line {
            Ok((domain, _)) => {
                let again = DomainName::parse(&domain).map(DomainName::into_string);
                assert_eq!(again.as_ref(), Ok(&domain), "what is scanned is a name");
                assert!(domains.insert(domain), "a domain is scanned once");
            }
            Err(reject) => {
                assert_eq!(reject.line, lines, "lines are counted from 1");
                assert!(!reject.reason.is_empty() && reject.text.len() <= REJECT_TEXT_BYTES_MAX);
                let long = reject.reason == "line-too-long";
                assert!(!long || text.split(|byte| *byte == b'\n').any(|line| line.len() > LINE_BYTES_MAX));
            }
        }
    });
    match read {
        // As `wc -l` counts, and one for a last line without an end.
        Ok(()) => {
            let ends = text.split(|byte| *byte == b'\n').count() as u64 - 1;
            assert_eq!(lines, ends + u64::from(text.last().is_some_and(|byte| *byte != b'\n')));
        }
        Err(SourceError::Shape { .. } | SourceError::Kind { .. }) => assert_eq!(lines, 0, "refused whole"),
        Err(error) => panic!("{error}"),
    }
}
