//! A table of text, for people and for spreadsheets.

use std::fmt::{self, Write as _};
use std::io;

use mxray_rules::printable;

use crate::harmless::cell;

/// A table of text cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grid {
    /// The columns' names.
    pub header: Vec<String>,
    /// Which columns stand flush right, as numbers do.
    pub right: Vec<bool>,
    /// The rows; each has a cell a column.
    pub rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table without rows. A column whose name begins with `>` stands flush right, and loses the sign.
    pub fn new(columns: &[&str]) -> Self {
        Self {
            header: columns.iter().map(|name| name.trim_start_matches('>').to_owned()).collect(),
            right: columns.iter().map(|name| name.starts_with('>')).collect(),
            rows: Vec::new(),
        }
    }

    /// Appends a row.
    pub fn push(&mut self, row: Vec<String>) {
        debug_assert_eq!(row.len(), self.header.len(), "a cell a column");
        self.rows.push(row);
    }

    /// As Markdown, its cells being data: nothing in them is markup.
    pub fn data_to_markdown(&self) -> String {
        let shown = |row: &Vec<String>| row.iter().map(|cell| markdown_text(cell)).collect();
        let rows = self.rows.iter().map(shown).collect();
        Self { header: self.header.clone(), right: self.right.clone(), rows }.to_markdown()
    }

    /// As Markdown, its columns aligned so that the source reads as a table too. The cells are Markdown.
    pub fn to_markdown(&self) -> String {
        let escaped = Self {
            header: self.header.clone(),
            right: self.right.clone(),
            rows: self
                .rows
                .iter()
                .map(|row| row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect())
                .collect(),
        };
        let widths = escaped.widths(3);
        let mut text = String::new();
        escaped.line(&mut text, &escaped.header, &widths, " | ", "| ", " |");
        let rules: Vec<String> = widths
            .iter()
            .zip(&escaped.right)
            .map(
                |(width, right)| {
                    if *right { format!("{}:", "-".repeat(width - 1)) } else { "-".repeat(*width) }
                },
            )
            .collect();
        escaped.line(&mut text, &rules, &widths, " | ", "| ", " |");
        for row in &escaped.rows {
            escaped.line(&mut text, row, &widths, " | ", "| ", " |");
        }
        text
    }

    /// As plain aligned text, each line behind `indent`.
    pub fn indented(&self, indent: &str) -> String {
        self.to_string().lines().flat_map(|line| [indent, line, "\n"]).collect()
    }

    /// As CSV (RFC 4180), a header first. Text that would be taken for a formula, or obeyed by a terminal, is made harmless.
    pub fn write_csv(&self, out: impl io::Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(&self.header)?;
        for row in &self.rows {
            let cells = row.iter().zip(&self.right);
            writer.write_record(
                cells.map(|(text, number)| if *number { text.clone() } else { cell(text).into_owned() }),
            )?;
        }
        writer.flush()
    }

    fn widths(&self, least: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = self.header.iter().map(|name| width(name).max(least)).collect();
        for row in &self.rows {
            for (cell, widest) in row.iter().zip(&mut widths) {
                *widest = width(cell).max(*widest);
            }
        }
        widths
    }

    fn line(
        &self,
        text: &mut String,
        cells: &[String],
        widths: &[usize],
        between: &str,
        left: &str,
        right: &str,
    ) {
        let mut line = left.to_owned();
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                line.push_str(between);
            }
            let blank = " ".repeat(widths[index].saturating_sub(width(cell)));
            let (before, after) = if self.right[index] { (blank.as_str(), "") } else { ("", blank.as_str()) };
            write!(line, "{before}{cell}{after}").expect("a string takes what is written to it");
        }
        line.push_str(right);
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// As plain aligned text, two spaces between columns; what a terminal would obey is escaped.
impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |row: &Vec<String>| row.iter().map(|cell| printable(cell).into_owned()).collect();
        let harmless = Self {
            header: shown(&self.header),
            right: self.right.clone(),
            rows: self.rows.iter().map(shown).collect(),
        };
        let widths = harmless.widths(0);
        let mut text = String::new();
        harmless.line(&mut text, &harmless.header, &widths, "  ", "", "");
        for row in &harmless.rows {
            harmless.line(&mut text, row, &widths, "  ", "", "");
        }
        f.write_str(&text)
    }
}

/// Data as Markdown; a bar is its table's to escape.
fn markdown_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '<' => shown.push_str("&lt;"),
            '&' => shown.push_str("&amp;"),
            '`' | '[' | ']' | '*' | '\\' | '!' => shown.extend(['\\', c]),
            c => shown.push(c),
        }
    }
    shown
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

/// A rate in percent, with two digits.
pub(crate) fn percent(rate: f64) -> String {
    format!("{:.2} %", rate * 100.0)
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 7, 999, 1_000, 87_000_000].map(grouped), ["0", "7", "999", "1,000", "87,000,000"]);
    }
}
