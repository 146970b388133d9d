//! Parquet files, for truth and ledger alike.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

/// A Parquet file in the making: under its name once it is whole.
pub(crate) struct Table {
    writer: ArrowWriter<File>,
    schema: Arc<Schema>,
    pub(crate) path: PathBuf,
}

impl Table {
    pub(crate) fn create(path: &Path, schema: &Schema) -> Result<Self, ParquetError> {
        let schema = Arc::new(schema.clone());
        let level = ZstdLevel::try_new(1).expect("1 is a level of zstd");
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let file = File::create(path.with_extension("parquet.tmp"))?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?;
        Ok(Self { writer, schema, path: path.to_owned() })
    }

    pub(crate) fn write(&mut self, columns: Vec<ArrayRef>) -> Result<(), ParquetError> {
        self.writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    pub(crate) fn finish(self) -> Result<(), ParquetError> {
        self.writer.into_inner()?.sync_all()?;
        fs::rename(self.path.with_extension("parquet.tmp"), &self.path)?;
        Ok(())
    }
}

pub(crate) fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

pub(crate) fn strings<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}
