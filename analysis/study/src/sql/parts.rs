//! Part files as a table of DataFusion's.
//!
//! DataFusion's own listing tables would do this too, at the price of a second Parquet stack (object stores,
//! asynchronous readers, four more codecs) in every build. What is given up is skipping of row groups by a
//! filter; columns that a query does not name are skipped all the same.

use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, RecordBatch, RecordBatchOptions, StructArray, new_empty_array,
    new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::error::ArrowError;
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
            partitions.push(Arc::new(Partition { schema: Arc::clone(&schema), parts: parts.to_vec() }));
        }
        if partitions.is_empty() {
            partitions.push(Arc::new(Partition { schema: Arc::clone(&schema), parts: Vec::new() }));
        }
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, limit)?))
    }
}

/// A share of the parts, read one after the other.
#[derive(Debug)]
struct Partition {
    /// Of the columns asked for.
    schema: SchemaRef,
    parts: Vec<PathBuf>,
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), BATCHES_AHEAD);
        let sender = builder.tx();
        let (schema, parts) = (Arc::clone(&self.schema), self.parts.clone());
        builder.spawn_blocking(move || {
            for part in &parts {
                for batch in read(part, &schema)? {
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

/// Reads columns of a part, in the order asked for: those of `schema`, by name.
fn read(part: &Path, schema: &SchemaRef) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
    let failed = |error: &dyn Display| DataFusionError::Execution(format!("{}: {error}", part.display()));
    let file = File::open(part).map_err(|error| failed(&error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(&error))?;
    let in_file = schema.fields().iter().filter_map(|field| builder.schema().index_of(field.name()).ok());
    let mask = ProjectionMask::roots(builder.parquet_schema(), in_file);
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
    let reader = reader.map_err(|error| failed(&error))?;
    let (schema, part) = (Arc::clone(schema), part.to_owned());
    Ok(reader.map(move |batch| {
        let batch = batch?;
        let rows = batch.num_rows();
        let arrays = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
            Some(array) => under_schema(array, field),
            None => as_missing(field, rows),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        arrays
            .collect::<Result<_, _>>()
            .and_then(|arrays| RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options))
            .map_err(|error| DataFusionError::Execution(format!("{}: {error}", part.display())))
    }))
}

/// A column as the schema has it: what an older part has no field for is missing there.
fn under_schema(array: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    match (array.data_type(), field.data_type()) {
        (in_part, wanted) if in_part == wanted => Ok(Arc::clone(array)),
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let of = array.as_struct();
            let columns = fields.iter().map(|field| match of.column_by_name(field.name()) {
                Some(column) => under_schema(column, field),
                None => as_missing(field, of.len()),
            });
            let columns = columns.collect::<Result<_, _>>()?;
            Ok(Arc::new(StructArray::try_new(fields.clone(), columns, of.nulls().cloned())?))
        }
        (DataType::List(_), DataType::List(item)) => {
            let of = array.as_list::<i32>();
            let values = under_schema(of.values(), item)?;
            let list =
                ListArray::try_new(Arc::clone(item), of.offsets().clone(), values, of.nulls().cloned())?;
            Ok(Arc::new(list))
        }
        (in_part, wanted) => Err(ArrowError::SchemaError(format!(
            "its column `{}` is {in_part}, and not {wanted}: it was written under another schema",
            field.name()
        ))),
    }
}

/// What a column holds of rows that were written before there was one: null, or lists of nothing.
fn as_missing(field: &Field, rows: usize) -> Result<ArrayRef, ArrowError> {
    match field.data_type() {
        kind if field.is_nullable() => Ok(new_null_array(kind, rows)),
        DataType::List(item) => {
            let offsets = OffsetBuffer::from_repeated_length(0, rows);
            let values = new_empty_array(item.data_type());
            Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, None)?))
        }
        _ => Err(ArrowError::SchemaError(format!(
            "it has no column `{}`: it was written under another schema",
            field.name()
        ))),
    }
}
