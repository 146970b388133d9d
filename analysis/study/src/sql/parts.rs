//! Part files as a table of DataFusion's.
//!
//! DataFusion's own listing tables would do this too, at the price of a second Parquet stack (object stores,
//! asynchronous readers, four more codecs) in every build. What is given up is skipping of row groups by a
//! filter; columns that a query does not name are skipped all the same.

use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Rows in a batch.
const BATCH_ROWS: usize = 8_192;
/// Batches read ahead of the query, a partition.
const BATCHES_AHEAD: usize = 2;

/// Part files of one schema.
#[derive(Debug)]
pub(super) struct PartsTable {
    schema: SchemaRef,
    parts: Vec<PathBuf>,
    threads: usize,
}

impl PartsTable {
    /// A table of `parts`, read by at most `threads` threads.
    pub(super) fn new(schema: SchemaRef, parts: Vec<PathBuf>, threads: usize) -> Self {
        Self { schema, parts, threads: threads.max(1) }
    }
}

#[async_trait]
impl TableProvider for PartsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&columns)?);
        let share = self.parts.len().div_ceil(self.threads).max(1);
        let mut partitions: Vec<Arc<dyn PartitionStream>> = Vec::new();
        for parts in self.parts.chunks(share) {
            partitions.push(Arc::new(Partition {
                schema: Arc::clone(&schema),
                columns: columns.clone(),
                parts: parts.to_vec(),
            }));
        }
        if partitions.is_empty() {
            partitions.push(Arc::new(Partition {
                schema: Arc::clone(&schema),
                columns: columns.clone(),
                parts: Vec::new(),
            }));
        }
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, limit)?))
    }
}

/// A share of the parts, read one after the other.
#[derive(Debug)]
struct Partition {
    /// Of the columns asked for.
    schema: SchemaRef,
    /// Their places in the table.
    columns: Vec<usize>,
    parts: Vec<PathBuf>,
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), BATCHES_AHEAD);
        let sender = builder.tx();
        let (schema, columns, parts) = (Arc::clone(&self.schema), self.columns.clone(), self.parts.clone());
        builder.spawn_blocking(move || {
            for part in &parts {
                for batch in read(part, &columns, &schema)? {
                    if sender.blocking_send(batch).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        builder.build()
    }
}

/// Reads the columns of a part, in the order asked for.
fn read(
    part: &Path,
    columns: &[usize],
    schema: &SchemaRef,
) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
    let failed = |error: &dyn Display| DataFusionError::Execution(format!("{}: {error}", part.display()));
    let file = File::open(part).map_err(|error| failed(&error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(&error))?;
    for (column, field) in columns.iter().zip(schema.fields()) {
        let in_file = builder.schema().fields().get(*column);
        if in_file.is_none_or(|in_file| in_file.name() != field.name()) {
            return Err(failed(&format!(
                "its column {} is not `{}`: it was written under another schema",
                column + 1,
                field.name()
            )));
        }
    }
    let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
    let reader = reader.map_err(|error| failed(&error))?;
    // The reader gives columns in the order of the file, each once.
    let mut in_file: Vec<usize> = columns.to_vec();
    in_file.sort_unstable();
    in_file.dedup();
    let places: Vec<usize> = columns
        .iter()
        .map(|column| in_file.binary_search(column).expect("each column asked for is among them"))
        .collect();
    let (schema, part) = (Arc::clone(schema), part.to_owned());
    Ok(reader.map(move |batch| {
        let batch = batch?;
        let arrays = places.iter().map(|place| Arc::clone(batch.column(*place))).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)
            .map_err(|error| DataFusionError::Execution(format!("{}: {error}", part.display())))
    }))
}
