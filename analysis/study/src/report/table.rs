//! A table of the report: as a machine takes it, and as people read it.

use std::sync::Arc;

use arrow::array::{AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::error::ArrowError;

use super::interval::wilson;
use super::section::{Rate, Reader, Section};
use crate::StudyError;
use crate::grid::{Grid, grouped, percent};
use crate::sql::grid;

/// A table of a report.
#[derive(Debug, Clone)]
pub struct ReportTable {
    /// The name of its files, without `.csv`, `.json` or `.tex`.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What a reader must know to read it rightly.
    pub about: &'static str,
    /// The SQL that it is the answer to.
    pub sql: &'static str,
    /// For whom it is.
    pub reader: Reader,
    /// Its rows, with their types: rates from 0 to 1, null where there is none.
    pub(super) rows: RecordBatch,
    /// The same as text, as in its CSV file: numbers bare, empty where there is none.
    pub grid: Grid,
    /// What a line is by, where people are shown the measures side by side.
    pivot: Option<&'static [&'static str]>,
}

impl ReportTable {
    /// `fraction` is the share of all domains that the input is, where it is a sample.
    pub(super) fn new(
        section: &Section,
        mut rows: RecordBatch,
        fraction: Option<f64>,
    ) -> Result<Self, StudyError> {
        if let Some(fraction) = fraction {
            for rate in section.rates.iter().filter(|rate| rate.of_domains) {
                rows = with_interval(&rows, rate, fraction)?;
            }
        }
        let Section { name, title, about, sql, reader, pivot, .. } = *section;
        Ok(Self { name, title, about, sql, reader, grid: grid(&rows)?, rows, pivot })
    }

    /// As its rows stand, but with numbers as people read them: rates in percent, thousands apart.
    pub(super) fn in_words(&self) -> Grid {
        in_words(self.grid.clone())
    }

    /// Whether people are shown its measures side by side.
    pub(crate) fn is_turned(&self) -> bool {
        self.pivot.is_some() && !self.grid.rows.is_empty()
    }

    /// As people read it: rates in percent, thousands apart, and where the table is long because it has many measures, a line for each thing
    /// that is measured and a column for each measure. A cell there is `rate (domains of measured, unknown ?)`.
    pub fn for_people(&self) -> Grid {
        match self.pivot {
            Some(lines) if self.is_turned() => pivoted(&self.grid, lines),
            _ => self.in_words(),
        }
    }
}

/// The rows, with the interval of a rate in two columns behind it.
fn with_interval(rows: &RecordBatch, rate: &Rate, fraction: f64) -> Result<RecordBatch, ArrowError> {
    let numbers = |name: &str| {
        let column =
            rows.column_by_name(name).expect("the columns of a rate are its table's: a test looks at each");
        Ok::<_, ArrowError>(cast(column, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
    };
    let (over, of) = (numbers(rate.over)?, numbers(rate.of)?);
    let interval = |(hits, n): (Option<f64>, Option<f64>)| wilson(hits?, n?, fraction);
    let intervals: Vec<Option<(f64, f64)>> = over.iter().zip(&of).map(interval).collect();
    let end = |of: fn((f64, f64)) -> f64| intervals.iter().map(|ends| ends.map(of)).collect::<Float64Array>();
    let (low, high) = (end(|(low, _)| low), end(|(_, high)| high));
    let schema = rows.schema();
    let behind = schema.index_of(rate.column)? + 1;
    let (mut fields, mut columns) = (schema.fields().to_vec(), rows.columns().to_vec());
    for (end, values) in [("high", high), ("low", low)] {
        let name = format!("{}_{end}", rate.column);
        fields.insert(behind, Arc::new(Field::new(name, DataType::Float64, true)));
        columns.insert(behind, Arc::new(values));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Whether a column holds rates.
fn is_rate(name: &str) -> bool {
    let name = name.trim_end_matches("_low").trim_end_matches("_high");
    name == "rate" || name.ends_with("_rate")
}

/// Rates as percentages, and other numbers with their thousands apart; the CSV keeps them as they are.
fn in_words(mut grid: Grid) -> Grid {
    for column in 0..grid.header.len() {
        let rate = is_rate(&grid.header[column]);
        for cell in grid.rows.iter_mut().map(|row| &mut row[column]) {
            if rate {
                *cell = cell.parse().map_or_else(|_| "–".to_owned(), percent);
            } else if grid.right[column] {
                *cell = apart(cell);
            }
        }
    }
    grid
}

/// A whole number with its thousands apart; another cell as it is.
fn apart(cell: &str) -> String {
    cell.parse().map_or_else(|_| cell.to_owned(), grouped)
}

fn pivoted(grid: &Grid, lines: &[&str]) -> Grid {
    let place = |name: &str| grid.header.iter().position(|title| title == name);
    let keys: Vec<usize> = lines.iter().filter_map(|name| place(name)).collect();
    let column = |name: &str| place(name).expect("a table that is turned has the columns of a measure");
    let (measure, rate) = (column("measure"), column("rate"));
    let (domains, measured, unknown) = (column("domains"), column("measured"), column("unknown"));
    let interval = place("rate_low").zip(place("rate_high"));
    let mut shown = Grid {
        header: keys.iter().map(|key| grid.header[*key].clone()).collect(),
        right: keys.iter().map(|key| grid.right[*key]).collect(),
        rows: Vec::new(),
    };
    for row in &grid.rows {
        let key: Vec<String> = keys
            .iter()
            .map(|key| if grid.right[*key] { apart(&row[*key]) } else { row[*key].clone() })
            .collect();
        if shown.rows.last().is_none_or(|last| last[..keys.len()] != key) {
            shown.rows.push(key);
        }
        if !shown.header[keys.len()..].contains(&row[measure]) {
            shown.header.push(row[measure].clone());
            shown.right.push(true);
        }
        let cell = match row[rate].parse::<f64>() {
            Ok(rate) => {
                let spread = interval.and_then(|(low, high)| {
                    let bound = |place: usize| row[place].parse().ok().map(percent);
                    bound(low).zip(bound(high)).map(|(low, high)| format!(" [{low}, {high}]"))
                });
                let unknown = match row[unknown].as_str() {
                    "0" => String::new(),
                    unknown => format!(", {} ?", apart(unknown)),
                };
                let spread = spread.unwrap_or_default();
                let (domains, measured) = (apart(&row[domains]), apart(&row[measured]));
                format!("{}{spread} ({domains} of {measured}{unknown})", percent(rate))
            }
            Err(_) if row[unknown] == "0" => "–".to_owned(),
            Err(_) => format!("– ({} ?)", apart(&row[unknown])),
        };
        let line = shown.rows.last_mut().expect("a line was begun");
        line.push(cell);
    }
    shown
}
