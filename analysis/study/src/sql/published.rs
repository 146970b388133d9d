//! What others have published, as tables beside a run's own.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};

use crate::StudyError;

/// The name of the table of the IMC 2025 study's figures.
pub(super) const IMC2025: &str = "imc2025";
/// The figures: `datasets/published/imc2025.csv`, which says of each where it comes from.
const IMC2025_CSV: &str = include_str!("../../../../datasets/published/imc2025.csv");

/// The figures of the IMC 2025 study as a table: `place` is their order; null is what is not published.
pub(super) fn imc2025() -> Result<RecordBatch, StudyError> {
    let failed = |error: &dyn std::fmt::Display| StudyError::Sql(format!("the table {IMC2025}: {error}"));
    let mut reader = csv::Reader::from_reader(IMC2025_CSV.as_bytes());
    let header = reader.headers().map_err(|error| failed(&error))?.clone();
    let rows: Vec<csv::StringRecord> =
        reader.records().collect::<Result<_, _>>().map_err(|error| failed(&error))?;
    let mut columns: Vec<(&str, ArrayRef, bool)> =
        vec![("place", Arc::new(UInt32Array::from_iter_values(0..rows.len() as u32)), false)];
    for (place, name) in header.iter().enumerate() {
        let cells = || rows.iter().map(|row| row.get(place).filter(|cell| !cell.is_empty()));
        let column: ArrayRef = match name {
            "self_managed" | "third_party" | "total" => {
                Arc::new(number::<u64, UInt64Array>(cells(), &failed)?)
            }
            name if name.ends_with("_rate") => Arc::new(number::<f64, Float64Array>(cells(), &failed)?),
            _ => Arc::new(cells().collect::<StringArray>()),
        };
        columns.push((name, column, true));
    }
    RecordBatch::try_from_iter_with_nullable(columns).map_err(|error| failed(&error))
}

/// A column of numbers, null where a cell is empty.
fn number<'a, T, A>(
    cells: impl Iterator<Item = Option<&'a str>>,
    failed: &impl Fn(&dyn std::fmt::Display) -> StudyError,
) -> Result<A, StudyError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
    A: FromIterator<Option<T>>,
{
    cells
        .map(|cell| cell.map(str::parse).transpose().map_err(|error| failed(&error)))
        .collect::<Result<Vec<_>, _>>()
        .map(|values| values.into_iter().collect())
}
