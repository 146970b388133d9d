//! The answer to a query, in the forms that people and programs ask for.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::common::collect;
use mxray_evidence::Unnamed;
use parquet::arrow::ArrowWriter;

use crate::StudyError;
use crate::grid::Grid;
use crate::harmless::cell;

/// The answer to a query: its columns, and its rows as they are made.
pub struct Answer {
    schema: SchemaRef,
    stream: SendableRecordBatchStream,
}

impl Answer {
    pub(super) fn new(stream: SendableRecordBatchStream) -> Self {
        Self { schema: stream.schema(), stream }
    }

    /// Its columns.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// All of it, in memory.
    pub async fn batches(self) -> Result<Vec<RecordBatch>, StudyError> {
        Ok(collect(self.stream).await?)
    }

    /// All of it as text, in memory: numbers flush right, null as an empty cell, bytes as hexadecimal.
    pub async fn into_grid(self) -> Result<Grid, StudyError> {
        grid(&self.into_rows().await?)
    }

    /// All of it as one batch, in memory.
    pub(crate) async fn into_rows(self) -> Result<RecordBatch, StudyError> {
        let schema = self.schema();
        Ok(concat_batches(&schema, &self.batches().await?)?)
    }

    /// Writes it as CSV (RFC 4180), a header first, as the rows come. Null is an empty field. Text that a spreadsheet would take
    /// for a formula, or a terminal obey, is made harmless; JSON has it as it is.
    pub async fn write_csv(mut self, out: impl Write) -> Result<(), StudyError> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(self.schema.fields().iter().map(|field| field.name())).map_err(written)?;
        let numbers: Vec<bool> =
            self.schema.fields().iter().map(|field| field.data_type().is_numeric()).collect();
        while let Some(batch) = self.next().await? {
            let mut failed = Ok(());
            cells(&batch, |row| {
                if failed.is_ok() {
                    let shown = row.iter().zip(&numbers);
                    let shown = shown.map(|(text, number)| if *number { text.into() } else { cell(text) });
                    failed = writer.write_record(shown.map(Cow::into_owned)).map_err(written);
                }
            })?;
            failed?;
        }
        writer.flush().map_err(written)
    }

    /// Writes it as JSON, an object a line, as the rows come.
    pub async fn write_json_lines(mut self, out: impl Write) -> Result<(), StudyError> {
        let mut writer = LineDelimitedWriter::new(out);
        while let Some(batch) = self.next().await? {
            writer.write(&batch).map_err(written)?;
        }
        writer.finish().map_err(written)
    }

    /// Writes it as a Parquet file, as the rows come. The file has its name once it is whole.
    pub async fn write_parquet(mut self, path: &Path) -> Result<(), StudyError> {
        let (unnamed, file) = Unnamed::create(path)?;
        let mut writer = ArrowWriter::try_new(file, self.schema(), None).map_err(written)?;
        while let Some(batch) = self.next().await? {
            writer.write(&batch).map_err(written)?;
        }
        let file = writer.into_inner().map_err(written)?;
        file.sync_all().map_err(StudyError::file("writing", path))?;
        Ok(unnamed.publish()?)
    }

    /// The next rows.
    async fn next(&mut self) -> Result<Option<RecordBatch>, StudyError> {
        std::future::poll_fn(|context| self.stream.as_mut().poll_next(context))
            .await
            .transpose()
            .map_err(StudyError::from)
    }
}

/// Rows as text: numbers flush right, null as an empty cell, bytes as hexadecimal.
pub(crate) fn grid(rows: &RecordBatch) -> Result<Grid, StudyError> {
    let schema = rows.schema();
    let mut grid = Grid {
        header: schema.fields().iter().map(|field| field.name().clone()).collect(),
        right: schema.fields().iter().map(|field| field.data_type().is_numeric()).collect(),
        rows: Vec::with_capacity(rows.num_rows()),
    };
    cells(rows, |row| grid.push(row))?;
    Ok(grid)
}

fn written(error: impl std::error::Error) -> StudyError {
    StudyError::Sql(format!("writing the answer: {error}"))
}

/// Hands each row to `each`, its cells as text.
fn cells(batch: &RecordBatch, mut each: impl FnMut(Vec<String>)) -> Result<(), StudyError> {
    let options = FormatOptions::default().with_null("");
    let formatters = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, ArrowError>>()?;
    for row in 0..batch.num_rows() {
        each(formatters.iter().map(|formatter| formatter.value(row).to_string()).collect());
    }
    Ok(())
}
