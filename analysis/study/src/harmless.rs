//! Text that strangers wrote, as a cell of a spreadsheet.

use std::borrow::Cow;

use mxray_rules::printable;

/// [`printable`] text for a cell of a spreadsheet: what would be taken for a formula has an apostrophe before it. Not for numbers, which may
/// begin with a minus.
pub fn cell(text: &str) -> Cow<'_, str> {
    match text.chars().find(|c| !c.is_whitespace()) {
        Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '|' | '%') => {
            Cow::Owned(format!("'{}", printable(text)))
        }
        _ => printable(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_is_told_nothing_to_calculate() {
        assert_eq!(cell("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(cell(" @SUM(1)"), "' @SUM(1)");
        assert_eq!(cell("\t=1"), "'\\t=1");
        assert_eq!(cell("mx.example"), "mx.example");
    }
}
