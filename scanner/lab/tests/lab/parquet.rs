//! What a Parquet file holds.

use std::fs::File;
use std::path::Path;

use arrow::array::{AsArray as _, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

pub(crate) fn batches(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

pub(crate) fn rows(path: &Path) -> usize {
    batches(path).iter().map(RecordBatch::num_rows).sum()
}

/// The values of a text column.
pub(crate) fn texts(path: &Path, column: &str) -> Vec<Option<String>> {
    let batches = batches(path);
    let columns = batches.iter().map(|batch| batch.column_by_name(column).unwrap().as_string::<i32>());
    columns
        .flat_map(|column| column.iter().map(|value| value.map(str::to_owned)).collect::<Vec<_>>())
        .collect()
}

/// The values of a column of flags.
pub(crate) fn flags(path: &Path, column: &str) -> Vec<bool> {
    let batches = batches(path);
    let columns = batches.iter().map(|batch| batch.column_by_name(column).unwrap().as_boolean());
    columns.flat_map(|column| column.iter().flatten().collect::<Vec<_>>()).collect()
}
