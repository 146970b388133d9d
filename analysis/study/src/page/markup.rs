//! Markup around text that may hold anything.

use mxray_rules::printable;

use crate::grid::Grid;

/// Text as HTML takes it, also in a quoted attribute; what cannot be seen is escaped for the eye too.
pub(super) fn escaped(text: &str) -> String {
    // The SQL and the descriptions of tables have lines; a stranger's text has none left.
    let mut shown = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            shown.push('\n');
        }
        for c in printable(line).chars() {
            match c {
                '<' => shown.push_str("&lt;"),
                '>' => shown.push_str("&gt;"),
                '&' => shown.push_str("&amp;"),
                '"' => shown.push_str("&quot;"),
                '\'' => shown.push_str("&#39;"),
                c => shown.push(c),
            }
        }
    }
    shown
}

/// A table; `is_list` where it has no heads, and the first cell of each row names the second.
pub(super) fn table(grid: &Grid, is_list: bool) -> String {
    let mut html = String::from("<div class=\"wide\"><table>");
    if !is_list {
        html.push_str("<thead><tr>");
        for (name, right) in grid.header.iter().zip(&grid.right) {
            push!(html, "<th scope=\"col\"{}>{}</th>", class(*right), escaped(&name.replace('_', " ")));
        }
        html.push_str("</tr></thead>");
    }
    html.push_str("<tbody>");
    for row in &grid.rows {
        html.push_str("<tr>");
        for (place, (cell, right)) in row.iter().zip(&grid.right).enumerate() {
            let text = escaped(cell);
            if is_list && place == 0 {
                push!(html, "<th scope=\"row\">{text}</th>");
            } else {
                push!(html, "<td{}>{text}</td>", class(*right));
            }
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

fn class(right: bool) -> &'static str {
    if right { " class=\"n\"" } else { "" }
}

/// As RFC 4648 §4 has it.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4648() {
        let of = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(of, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn a_cell_is_text() {
        let mut grid = Grid::new(&["a_b", ">n"]);
        grid.push(vec!["<img onerror='x'>\u{202e}\n\u{1b}".to_owned(), "\"&".to_owned()]);
        let html = table(&grid, false);
        assert!(
            html.contains(
                "<td>&lt;img onerror=&#39;x&#39;&gt;\\u{202e}\n\\u{1b}</td><td class=\"n\">&quot;&amp;</td>"
            ),
            "{html}"
        );
        assert!(html.contains(">a b</th>"), "{html}");
    }
}
