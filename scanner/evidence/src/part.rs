//! Part files: written whole, synced, and only then given their name.

use std::borrow::Borrow;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::datatypes::{FieldRef, Schema};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde::Serialize;

use crate::cells::Cell;
use crate::column::{Column, Kind};
use crate::unnamed::Unnamed;
use crate::{Gathered, SCHEMA_VERSION, Table};

/// Rows converted to Arrow at a time: bounds the copy, not the file.
pub(crate) const ROWS_PER_BATCH: usize = 4_096;
/// Rows in a Parquet row group.
const ROWS_PER_GROUP: usize = 131_072;

/// What went wrong with a part file, and which.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}: {source}", path.display())]
pub struct PartError {
    doing: &'static str,
    path: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl PartError {
    pub(crate) fn new(
        doing: &'static str,
        path: &Path,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        // What the Parquet library passes on, in place of its word for that it does.
        let source = match source.into().downcast::<ParquetError>() {
            Ok(error) => match *error {
                ParquetError::External(inner) => inner,
                error => error.into(),
            },
            Err(source) => source,
        };
        Self { doing, path: path.to_owned(), source }
    }

    /// The operating system's error, if that is what it was: a full disk is told from a broken file by it.
    pub fn io(&self) -> Option<&io::Error> {
        self.source.downcast_ref::<io::Error>()
    }
}

/// Why gathered rows are not in their file.
struct Unwritten {
    doing: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl From<ArrowError> for Unwritten {
    fn from(error: ArrowError) -> Self {
        Self { doing: "putting in order rows for", source: error.into() }
    }
}

impl From<ParquetError> for Unwritten {
    fn from(error: ParquetError) -> Self {
        Self { doing: "writing", source: error.into() }
    }
}

/// What a part says of itself in its metadata.
#[derive(Debug, Clone)]
pub struct PartLabel {
    /// The run's id.
    pub run_id: String,
    /// The chunk that wrote it; `None` for a derived table.
    pub chunk: Option<u32>,
}

/// Writes one part file: rows in, a file under its final name out, or none at all.
///
/// The file is invisible to readers (its name ends in `.tmp`) until [`FinishedPart::publish`], and removed where it does not come to that.
pub struct PartWriter<T> {
    writer: ArrowWriter<File>,
    fields: Vec<FieldRef>,
    file: Unnamed,
    rows: u64,
    row: std::marker::PhantomData<T>,
}

impl<T: Table> PartWriter<T> {
    /// Opens `path` (as `path.tmp`) for rows of `T`.
    pub fn create(path: &Path, label: &PartLabel) -> Result<Self, PartError> {
        let (unnamed, file) = Unnamed::create(path)?;
        let fields = T::fields();
        let schema = Arc::new(Schema::new(fields.clone()));
        let writer = ArrowWriter::try_new(file, schema, Some(properties(T::NAME, &T::columns(), label)))
            .map_err(|e| PartError::new("creating", unnamed.tmp(), e))?;
        Ok(Self { writer, fields, file: unnamed, rows: 0, row: std::marker::PhantomData })
    }

    /// Appends rows, in order: the rows themselves, or boxes of them.
    pub fn write<R: Borrow<T> + Serialize>(&mut self, rows: &[R]) -> Result<(), PartError> {
        for batch in rows.chunks(ROWS_PER_BATCH) {
            let batch = serde_arrow::to_record_batch(&self.fields, &batch)
                .map_err(|e| PartError::new("converting rows for", self.file.tmp(), e))?;
            self.writer.write(&batch).map_err(|e| PartError::new("writing", self.file.tmp(), e))?;
        }
        self.rows += rows.len() as u64;
        Ok(())
    }

    /// Appends rows in the order of their keys.
    pub fn write_gathered(&mut self, rows: &Gathered<T>) -> Result<(), PartError>
    where
        T: Cell,
    {
        let written =
            rows.in_order(ROWS_PER_BATCH, |batch| self.writer.write(batch).map_err(Unwritten::from));
        written.map_err(|Unwritten { doing, source }| PartError::new(doing, self.file.tmp(), source))?;
        self.rows += rows.len() as u64;
        Ok(())
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Completes and syncs the file, still under its temporary name.
    pub fn finish(self) -> Result<FinishedPart, PartError> {
        finish(self.writer, self.file, self.rows)
    }
}

/// Completes and syncs a file, still under its temporary name.
pub(crate) fn finish(
    mut writer: ArrowWriter<File>,
    file: Unnamed,
    rows: u64,
) -> Result<FinishedPart, PartError> {
    // Not into_inner(), which flushes as well, but makes words of the error: a full disk could not be told any more.
    writer.finish().map_err(|e| PartError::new("finishing", file.tmp(), e))?;
    writer.inner().sync_all().map_err(|e| PartError::new("syncing", file.tmp(), e))?;
    Ok(FinishedPart { file, rows })
}

/// A part that is whole and on the disk, and not yet under its name.
#[must_use = "a part that is not published is removed"]
pub struct FinishedPart {
    file: Unnamed,
    rows: u64,
}

impl FinishedPart {
    /// Gives the part its name, replacing what a crashed run may have left there, and syncs the folder.
    pub fn publish(self) -> Result<u64, PartError> {
        self.file.publish()?;
        Ok(self.rows)
    }
}

/// Reads a part, `T` by `T`, batch by batch: memory is a batch, not the file.
pub fn read_rows<T: Table>(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Vec<T>, PartError>> + use<T>, PartError> {
    let file = File::open(path).map_err(|e| PartError::new("opening", path, e))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(ROWS_PER_BATCH).build())
        .map_err(|e| PartError::new("opening", path, e))?;
    let path = path.to_owned();
    Ok(reader.map(move |batch| {
        let batch = batch.map_err(|e| PartError::new("reading", &path, e))?;
        serde_arrow::from_record_batch(&batch).map_err(|e| PartError::new("reading rows of", &path, e))
    }))
}

/// Reads what a part's rows are about, batch by batch: its first column, which is a name, and nothing else of it.
pub(crate) fn read_names(
    path: &Path,
) -> Result<impl Iterator<Item = Result<StringArray, PartError>> + use<>, PartError> {
    let file = File::open(path).map_err(|e| PartError::new("opening", path, e))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| {
            let first = ProjectionMask::roots(builder.parquet_schema(), [0]);
            builder.with_projection(first).with_batch_size(ROWS_PER_BATCH).build()
        })
        .map_err(|e| PartError::new("opening", path, e))?;
    let path = path.to_owned();
    Ok(reader.map(move |batch| {
        let batch = batch.map_err(|e| PartError::new("reading", &path, e))?;
        let names = batch.column(0).as_string_opt::<i32>().cloned();
        names.ok_or_else(|| PartError::new("reading names of", &path, "its first column is no text"))
    }))
}

/// The writer's choices, measured in `benches/`: zstd 3 for what has letters, and nothing for numbers and a few words, which
/// their encodings have made small; no dictionary for names, times and long numbers, whose deltas are smaller; statistics a
/// row group, so that readers skip.
pub(crate) fn properties(table: &str, columns: &[Column], label: &PartLabel) -> WriterProperties {
    let mut metadata = vec![
        KeyValue::new("mxray.schema_version".to_owned(), SCHEMA_VERSION.to_string()),
        KeyValue::new("mxray.run_id".to_owned(), label.run_id.clone()),
        KeyValue::new("mxray.table".to_owned(), table.to_owned()),
    ];
    if let Some(chunk) = label.chunk {
        metadata.push(KeyValue::new("mxray.chunk".to_owned(), chunk.to_string()));
    }
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("mxray {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).expect("3 is a level of zstd")))
        .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(metadata));
    for Leaf { path, is_compressed, deltas } in leaves(columns, &[]) {
        let path = ColumnPath::new(path);
        if !is_compressed {
            builder = builder.set_column_compression(path.clone(), Compression::UNCOMPRESSED);
        }
        if let Some(encoding) = deltas {
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, encoding);
        }
    }
    builder.build()
}

/// A column of a file.
struct Leaf {
    path: Vec<String>,
    is_compressed: bool,
    /// How its values are stored where deltas are better than a dictionary.
    deltas: Option<Encoding>,
}

fn leaves(columns: &[Column], parents: &[String]) -> Vec<Leaf> {
    let mut found = Vec::new();
    for column in columns {
        let mut path = parents.to_vec();
        path.push(column.name.to_owned());
        let mut kind = &column.kind;
        if let Kind::List(of) = kind {
            path.extend(["list".to_owned(), "item".to_owned()]);
            kind = of;
        }
        let deltas = match kind {
            Kind::Name if parents.is_empty() => Some(Encoding::DELTA_BYTE_ARRAY),
            // The name that was asked for: another in each row, as the row's own.
            Kind::Name if column.name == "name" => Some(Encoding::DELTA_BYTE_ARRAY),
            Kind::U64 | Kind::Time => Some(Encoding::DELTA_BINARY_PACKED),
            _ => None,
        };
        match kind {
            Kind::Group(fields) => found.extend(leaves(fields, &path)),
            Kind::Groups(fields) => {
                path.extend(["list".to_owned(), "item".to_owned()]);
                found.extend(leaves(fields, &path));
            }
            Kind::Text | Kind::Name | Kind::Binary => found.push(Leaf { path, is_compressed: true, deltas }),
            _ => found.push(Leaf { path, is_compressed: false, deltas }),
        }
    }
    found
}
