//! Tables for a person: aligned columns, or Markdown.

use std::fmt::Write;

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a header.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    header: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// An empty table.
    pub(crate) fn new(header: &[(&str, Align)]) -> Self {
        Self {
            header: header.iter().map(|(title, align)| ((*title).to_owned(), *align)).collect(),
            rows: vec![],
        }
    }

    /// Adds a row; cells beyond the header are dropped.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        let mut row: Vec<String> = cells.into_iter().map(Into::into).take(self.header.len()).collect();
        row.resize(self.header.len(), String::new());
        self.rows.push(row);
    }

    /// Whether it has no row.
    #[expect(dead_code, reason = "`query` comes next")]
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Aligned by spaces, each line behind `indent`.
    pub(crate) fn text(&self, indent: &str) -> String {
        let titles: Vec<String> = self.header.iter().map(|(title, _)| title.clone()).collect();
        let widths: Vec<usize> = (0..self.header.len())
            .map(|i| self.rows.iter().chain([&titles]).map(|row| width(&row[i])).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in [&titles].into_iter().chain(&self.rows) {
            let mut line = indent.to_owned();
            for ((cell, width_), (_, align)) in row.iter().zip(&widths).zip(&self.header) {
                let pad = " ".repeat(width_ - width(cell));
                let (before, after) =
                    if *align == Align::Left { ("", pad.as_str()) } else { (pad.as_str(), "") };
                let _ = write!(line, "{before}{cell}{after}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// A Markdown table.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            let cells: Vec<String> = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&mut self.header.iter().map(|(title, _)| title.clone()));
        text += &line(&mut self.header.iter().map(|(_, align)| match align {
            Align::Left => "---".to_owned(),
            Align::Right => "---:".to_owned(),
        }));
        for row in &self.rows {
            text += &line(&mut row.iter().cloned());
        }
        text
    }
}

/// Columns a cell takes: near enough for names, numbers and English.
fn width(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_words_left() {
        let mut grid = Grid::new(&[("rule", Align::Left), ("n", Align::Right)]);
        grid.row(["sts", "7"]);
        grid.row(["starttls", "1,200"]);
        assert_eq!(grid.text("  "), "  rule          n\n  sts           7\n  starttls  1,200\n");
    }

    #[test]
    fn a_bar_in_a_cell_does_not_end_it() {
        let mut grid = Grid::new(&[("a", Align::Left)]);
        grid.row(["x|y"]);
        assert_eq!(grid.markdown(), "| a |\n| --- |\n| x\\|y |\n");
    }
}
