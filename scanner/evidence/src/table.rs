//! A table of a run.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::column::Column;
use crate::derived::{FindingRow, HostRow, TallyRow, VerdictRow};
use crate::{CertificateRow, DomainRow, MailHostRow, PolicyRow, RejectRow, ReportSinkRow, SmtpSessionRow};

/// A type whose values are the rows of a table.
pub trait Table: Serialize + DeserializeOwned + Send + 'static {
    /// The table's name, and its folder's.
    const NAME: &'static str;
    /// What a row is.
    const DOC: &'static str;

    /// Its columns, in order: the same names as the fields of the type.
    fn columns() -> Vec<Column>;

    /// The Arrow fields.
    fn fields() -> Vec<FieldRef> {
        Self::columns().iter().map(|column| Arc::new(column.field())).collect()
    }

    /// The Arrow schema.
    fn schema() -> SchemaRef {
        Arc::new(Schema::new(Self::fields()))
    }
}

/// A table's entry in the data dictionary.
pub struct TableDoc {
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub doc: &'static str,
    /// Whether it stands under `derived/<id>/` and can be made again.
    pub derived: bool,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// Every table of a run: evidence first, then what is derived from it.
pub fn tables() -> Vec<TableDoc> {
    fn doc<T: Table>(derived: bool) -> TableDoc {
        TableDoc { name: T::NAME, doc: T::DOC, derived, columns: T::columns() }
    }
    vec![
        doc::<DomainRow>(false),
        doc::<PolicyRow>(false),
        doc::<MailHostRow>(false),
        doc::<SmtpSessionRow>(false),
        doc::<CertificateRow>(false),
        doc::<ReportSinkRow>(false),
        doc::<RejectRow>(false),
        doc::<FindingRow>(true),
        doc::<VerdictRow>(true),
        doc::<HostRow>(true),
        doc::<TallyRow>(true),
    ]
}
