//! A column: its name, its type, and what it means.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

/// One column of a table, or one field of a struct inside it: name, type and meaning in one place, so that
/// the schema and the data dictionary cannot differ.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name in the file.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether it may be null. Null always means *not there*, and the documentation says why that can be.
    pub nullable: bool,
    /// What it holds, with unit and section where there is one.
    pub doc: &'static str,
}

/// The types we use: few, and read alike by every Parquet reader we know.
#[derive(Debug, Clone)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// One of a few texts, which stand in the file once.
    Word,
    /// A domain name: lower-case A-labels, no last dot.
    Name,
    /// Bytes as received.
    Binary,
    /// True or false.
    Bool,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// A moment in UTC, to the microsecond.
    Time,
    /// A list of scalars.
    List(Box<Kind>),
    /// A struct.
    Group(Vec<Column>),
    /// A list of structs.
    Groups(Vec<Column>),
}

impl Column {
    pub(crate) fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, nullable: false, doc }
    }

    pub(crate) fn group(name: &'static str, doc: &'static str, fields: Vec<Self>) -> Self {
        Self::new(name, Kind::Group(fields), doc)
    }

    pub(crate) fn groups(name: &'static str, doc: &'static str, fields: Vec<Self>) -> Self {
        Self::new(name, Kind::Groups(fields), doc)
    }

    pub(crate) fn list(name: &'static str, of: Kind, doc: &'static str) -> Self {
        Self::new(name, Kind::List(Box::new(of)), doc)
    }

    pub(crate) fn optional(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// The Arrow field.
    pub fn field(&self) -> Field {
        Field::new(self.name, self.kind.data_type(), self.nullable)
    }
}

impl Kind {
    fn data_type(&self) -> DataType {
        match self {
            Self::Text | Self::Word | Self::Name => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::Bool => DataType::Boolean,
            Self::U16 => DataType::UInt16,
            Self::U32 => DataType::UInt32,
            Self::U64 => DataType::UInt64,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::List(of) => DataType::List(Arc::new(Field::new("item", of.data_type(), false))),
            Self::Group(fields) => DataType::Struct(arrow_fields(fields)),
            Self::Groups(fields) => {
                DataType::List(Arc::new(Field::new("item", DataType::Struct(arrow_fields(fields)), false)))
            }
        }
    }

    /// How the data dictionary writes the type.
    pub fn describe(&self) -> String {
        match self {
            Self::Text | Self::Word => "text".into(),
            Self::Name => "domain name".into(),
            Self::Binary => "bytes".into(),
            Self::Bool => "boolean".into(),
            Self::U16 => "uint16".into(),
            Self::U32 => "uint32".into(),
            Self::U64 => "uint64".into(),
            Self::Time => "timestamp (µs, UTC)".into(),
            Self::List(of) => format!("list of {}", of.describe()),
            Self::Group(_) => "struct".into(),
            Self::Groups(_) => "list of struct".into(),
        }
    }

    /// The fields of a struct or of a list of structs.
    pub fn fields(&self) -> &[Column] {
        match self {
            Self::Group(fields) | Self::Groups(fields) => fields,
            _ => &[],
        }
    }
}

fn arrow_fields(columns: &[Column]) -> Fields {
    columns.iter().map(Column::field).collect()
}

pub(crate) fn text(name: &'static str, doc: &'static str) -> Column {
    Column::new(name, Kind::Text, doc)
}

pub(crate) fn word(name: &'static str, doc: &'static str) -> Column {
    Column::new(name, Kind::Word, doc)
}

pub(crate) fn name(name: &'static str, doc: &'static str) -> Column {
    Column::new(name, Kind::Name, doc)
}

pub(crate) fn bytes(name: &'static str, doc: &'static str) -> Column {
    Column::new(name, Kind::Binary, doc)
}

pub(crate) fn boolean(name: &'static str, doc: &'static str) -> Column {
    Column::new(name, Kind::Bool, doc)
}

pub(crate) fn u16(name: &'static str, doc: &'static str) -> Column {
    Column::new(name, Kind::U16, doc)
}

pub(crate) fn u32(name: &'static str, doc: &'static str) -> Column {
    Column::new(name, Kind::U32, doc)
}

pub(crate) fn u64(name: &'static str, doc: &'static str) -> Column {
    Column::new(name, Kind::U64, doc)
}

pub(crate) fn time(name: &'static str, doc: &'static str) -> Column {
    Column::new(name, Kind::Time, doc)
}
