//! Text that strangers wrote, made harmless to print.
//!
//! A terminal obeys control characters, and a person reads around characters that turn the direction of text or cannot be
//! seen. Evidence is kept as it came; what is shown goes through here.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with every character escaped (`\u{1b}`) that a terminal would obey or that cannot be seen: controls of both sets,
/// line and paragraph separators, marks of direction, joiners and other characters without a width.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_treacherous) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_treacherous(c) => {
                write!(shown, "\\u{{{:x}}}", u32::from(c)).expect("a string takes what is written to it");
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character is obeyed by a terminal, or cannot be seen.
pub(crate) fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_told_what_a_host_said() {
        assert_eq!(printable("220 \x1b[2Jhé\n"), "220 \\u{1b}[2Jhé\\n");
        assert_eq!(printable("\u{9b}31m"), "\\u{9b}31m", "the 8-bit form of the same");
        assert_eq!(printable("moc.\u{202e}evil\u{200b}"), "moc.\\u{202e}evil\\u{200b}");
        assert!(matches!(printable("plain ünïcode ≤ text"), Cow::Borrowed(_)));
    }
}
