//! A table of the report as LaTeX, for a paper: booktabs, numbers flush right, a caption, a label, and what it counts as a note.
//!
//! What strangers wrote is text: no character of it is a command, a comment, an alignment or a ligature, none is beyond what every
//! LaTeX typesets, and what cannot be seen is written out.

use std::fmt::Write as _;

use mxray_rules::printable;

use super::ReportTable;
use crate::grid::Grid;

/// Rows that stand on one page, and so in a float; a longer table breaks over pages.
const FLOAT_ROWS_MAX: usize = 40;
/// Characters of a cell from which on its column has lines broken.
const BROKEN_FROM_CHARS: usize = 48;

/// A table: `\input` it where `booktabs` is used, and `longtable` if it has more than forty rows.
pub(super) fn table(of: &ReportTable) -> String {
    let grid = of.in_words();
    let title = escaped(of.title);
    let note = noted(&note(of.sql));
    let columns = columns(&grid);
    let head = line(grid.header.iter().map(|name| name.replace('_', " ")));
    let rows: String = match grid.rows.len() {
        0 => format!("\\multicolumn{{{}}}{{c}}{{Nothing to show.}} \\\\\n", grid.header.len()),
        _ => grid.rows.iter().map(|row| line(row.iter())).collect(),
    };
    let name = of.name;
    if grid.rows.len() <= FLOAT_ROWS_MAX {
        format!(
            "\\begin{{table}}\n\\centering\n\\caption{{{title}}}\n\\label{{tab:{name}}}\n\\begin{{tabular}}{{{columns}}}\n\
             \\toprule\n{head}\\midrule\n{rows}\\bottomrule\n\\end{{tabular}}\n\n\\smallskip\n{note}\\end{{table}}\n"
        )
    } else {
        format!(
            "\\begin{{longtable}}{{{columns}}}\n\\caption{{{title}}}\n\\label{{tab:{name}}}\\\\\n\\toprule\n{head}\\midrule\n\\endfirsthead\n\
             \\toprule\n{head}\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n{rows}\\end{{longtable}}\n\n{note}"
        )
    }
}

/// A document of all tables, to look at them, and to say what they want.
pub(super) fn document(tables: &[ReportTable]) -> String {
    let mut text = "\\documentclass{article}\n\\usepackage[a4paper,landscape,margin=1cm]{geometry}\n\\usepackage{booktabs}\n\
                    \\usepackage{longtable}\n\\begin{document}\n\\footnotesize\n"
        .to_owned();
    for table in tables {
        writeln!(text, "\\input{{{}}}\n\\clearpage", table.name)
            .expect("a string takes what is written to it");
    }
    text + "\\end{document}\n"
}

/// A letter a column: flush right what is numbers, broken into lines what is long.
fn columns(grid: &Grid) -> String {
    let is_long = |place: usize| grid.rows.iter().any(|row| row[place].chars().count() >= BROKEN_FROM_CHARS);
    let letter = |(place, right): (usize, &bool)| match right {
        true => "r",
        false if is_long(place) => "p{0.25\\linewidth}",
        false => "l",
    };
    grid.right.iter().enumerate().map(letter).collect()
}

/// A row, with the end of its line.
fn line(cells: impl Iterator<Item = impl AsRef<str>>) -> String {
    cells.map(|cell| escaped(cell.as_ref())).collect::<Vec<_>>().join(" & ") + " \\\\\n"
}

/// What the head of an SQL text says that it counts.
fn note(sql: &str) -> String {
    sql.lines().map_while(|line| line.strip_prefix("--")).map(str::trim).collect::<Vec<_>>().join(" ")
}

/// A note as a paragraph: what stands between backticks is code.
fn noted(note: &str) -> String {
    let piece = |(place, piece): (usize, &str)| match (place % 2, escaped(piece)) {
        (0, words) => words,
        (_, code) => format!("\\texttt{{{code}}}"),
    };
    let words: String = note.split('`').enumerate().map(piece).collect();
    format!("{{\\footnotesize\\noindent {words}\\par}}\n")
}

/// Text as LaTeX typesets it, in a cell too: behind the end of a row `[` and `*` would be an argument.
fn escaped(text: &str) -> String {
    let mut tex = String::with_capacity(text.len());
    let mut before = ' ';
    for c in printable(text).chars() {
        match c {
            '\\' => tex.push_str("\\textbackslash{}"),
            '~' => tex.push_str("\\textasciitilde{}"),
            '^' => tex.push_str("\\textasciicircum{}"),
            '<' => tex.push_str("\\textless{}"),
            '>' => tex.push_str("\\textgreater{}"),
            '|' => tex.push_str("\\textbar{}"),
            // Shorthands of some languages, and quotation marks of others.
            '"' => tex.push_str("{\\char34}"),
            '`' => tex.push_str("{\\char96}"),
            '{' | '}' | '$' | '&' | '#' | '%' | '_' => tex.extend(['\\', c]),
            '[' | ']' | '*' => tex.extend(['{', c, '}']),
            // Two of them would be another character: xn--… a name with a dash.
            '-' | '\'' | ',' if before == c => tex.extend(['{', '}', c]),
            '–' => tex.push_str("--"),
            '…' => tex.push_str("\\ldots{}"),
            '§' => tex.push_str("\\S{}"),
            ' '..='~' => tex.push(c),
            // Letters with accents, which every LaTeX of these years has.
            'À'..='ÿ' if !matches!(c, 'Ð' | '×' | 'Þ' | 'ð' | '÷' | 'þ') => tex.push(c),
            c => write!(tex, "\\textbackslash{{}}u\\{{{:x}\\}}", u32::from(c))
                .expect("a string takes what is written to it"),
        }
        before = c;
    }
    tex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_stranger_wrote_is_a_command() {
        assert_eq!(
            escaped("\\input{/etc/passwd}%$&#_^~[2mm]*"),
            "\\textbackslash{}input\\{/etc/passwd\\}\\%\\$\\&\\#\\_\\textasciicircum{}\\textasciitilde{}{[}2mm{]}{*}"
        );
        assert_eq!(escaped("xn--a---b ''a'' ,,b"), "xn-{}-a-{}-{}-b '{}'a'{}' ,{},b");
        assert_eq!(
            escaped("a\u{202e}b\u{1b}[2J\n"),
            "a\\textbackslash{}u\\{202e\\}b\\textbackslash{}u\\{1b\\}{[}2J\\textbackslash{}n"
        );
        assert_eq!(escaped("Santé – 日…"), "Santé -- \\textbackslash{}u\\{65e5\\}\\ldots{}");
    }

    #[test]
    fn the_note_is_the_head_of_the_sql() {
        let sql = "-- Counts `x_y`,\n-- of all.\nWITH a AS (\n-- not this\nSELECT 1)";
        assert_eq!(note(sql), "Counts `x_y`, of all.");
        assert_eq!(noted(&note(sql)), "{\\footnotesize\\noindent Counts \\texttt{x\\_y}, of all.\\par}\n");
    }
}
