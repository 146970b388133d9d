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

/// Prose of ours: what stands between backticks is code.
pub(super) fn prose(text: &str) -> String {
    let piece = |(place, piece): (usize, &str)| match (place % 2, escaped(piece)) {
        (0, words) => words,
        (_, code) => format!("<code>{code}</code>"),
    };
    text.split('`').enumerate().map(piece).collect()
}

/// What a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// It has no heads, and the first cell of each row names the second.
    List,
    /// Heads, and a row a thing.
    Rows,
    /// The same, and its cells are rates, each with what it is of behind it: they are many, and have that below.
    Measures,
}

/// A table.
pub(super) fn table(grid: &Grid, shape: Shape) -> String {
    let class_of = if shape == Shape::Measures { " class=\"measures\"" } else { "" };
    let mut html = format!("<div class=\"wide\"><table{class_of}>");
    let is_list = shape == Shape::List;
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
            let text = match escaped(cell).split_once(" (") {
                Some((rate, of)) if shape == Shape::Measures && *right => {
                    format!("{rate} <small>({of}</small>")
                }
                _ => escaped(cell),
            };
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
    fn a_rate_among_many_has_what_it_is_of_below() {
        let mut grid = Grid::new(&["of (all)", ">rate"]);
        grid.push(vec!["a (b)".to_owned(), "1.00 % (1 of 100, 2 ?)".to_owned()]);
        let html = table(&grid, Shape::Measures);
        assert!(
            html.contains("<td>a (b)</td><td class=\"n\">1.00 % <small>(1 of 100, 2 ?)</small></td>"),
            "{html}"
        );
    }

    #[test]
    fn prose_has_code() {
        assert_eq!(prose("`a<b` is <c>"), "<code>a&lt;b</code> is &lt;c&gt;");
    }

    #[test]
    fn a_cell_is_text() {
        let mut grid = Grid::new(&["a_b", ">n"]);
        grid.push(vec!["<img onerror='x'>\u{202e}\n\u{1b}".to_owned(), "\"&".to_owned()]);
        let html = table(&grid, Shape::Rows);
        assert!(
            html.contains(
                "<td>&lt;img onerror=&#39;x&#39;&gt;\\u{202e}\n\\u{1b}</td><td class=\"n\">&quot;&amp;</td>"
            ),
            "{html}"
        );
        assert!(html.contains(">a b</th>"), "{html}");
    }
}
