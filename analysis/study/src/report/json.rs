//! A table of the report as JSON.

use std::fmt::Write as _;

use arrow::array::RecordBatch;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;

use crate::StudyError;

/// An array with an object a row, on a line each: numbers as numbers, null where there is none. What strangers wrote is there to
/// the character, but as escapes, so that no terminal obeys it.
pub(super) fn table(rows: &RecordBatch) -> Result<String, StudyError> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(rows)?;
    writer.finish()?;
    let lines = String::from_utf8(writer.into_inner()).expect("JSON is UTF-8");
    // No line ends within an object: in a string it would be escaped.
    Ok(format!("[\n{}\n]\n", in_ascii(lines.trim_end()).replace('\n', ",\n")))
}

/// JSON with everything escaped that is not printable ASCII: beyond its own line ends, such characters stand in strings alone.
fn in_ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            ' '..='~' | '\n' => ascii.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(ascii, "\\u{unit:04x}").expect("a string takes what is written to it");
                }
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

    use super::*;

    fn rows(text: &[Option<&str>]) -> RecordBatch {
        let count: ArrayRef = Arc::new((0..).take(text.len()).map(Some).collect::<Int64Array>());
        let rate: ArrayRef = Arc::new(text.iter().map(|text| text.map(|_| 0.5)).collect::<Float64Array>());
        let text: ArrayRef = Arc::new(text.iter().copied().collect::<StringArray>());
        RecordBatch::try_from_iter_with_nullable([
            ("text", text, true),
            ("n", count, false),
            ("rate", rate, true),
        ])
        .expect("a batch")
    }

    #[test]
    fn numbers_are_numbers_and_what_is_not_there_is_null() {
        assert_eq!(
            table(&rows(&[Some(""), None])).expect("JSON"),
            "[\n{\"text\":\"\",\"n\":0,\"rate\":0.5},\n{\"text\":null,\"n\":1,\"rate\":null}\n]\n"
        );
        assert_eq!(table(&rows(&[])).expect("JSON"), "[\n\n]\n");
    }

    #[test]
    fn text_is_the_same_once_read_and_harmless_before() {
        let said = "\u{1b}[2J\u{9b}31m\u{202e}\u{7f}\u{1f600}é\"\n\\";
        let json = table(&rows(&[Some(said)])).expect("JSON");
        assert!(json.chars().all(|c| matches!(c, ' '..='~' | '\n')), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read[0]["text"], said);
    }
}
