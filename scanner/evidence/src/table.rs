//! A table of a run.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::changes::ChangeRow;
use crate::column::Column;
use crate::derived::{FindingRow, HostRow, TallyRow, VerdictRow};
use crate::flat;
use crate::tls_reports::{
    TlsReportFailureRow, TlsReportMatchRow, TlsReportOddityRow, TlsReportPolicyRow, TlsReportRejectRow,
    TlsReportRow,
};
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

/// Where a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// In a run, as parts: evidence.
    Run,
    /// Under `derived/<id>/` of a run: it can be made again.
    Derived,
    /// In the folder that `mxray tlsrpt` writes.
    TlsReports,
    /// In the folder that `mxray diff` writes.
    Changes,
    /// The file that `mxray export` writes.
    Export,
}

/// A table's entry in the data dictionary.
pub struct TableDoc {
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub doc: &'static str,
    /// Where it stands.
    pub home: Home,
    /// Its columns.
    pub columns: Vec<Column>,
}

impl TableDoc {
    /// Its columns with their types, a line each: where two are alike, rows written under the one can be read under the other.
    pub fn signature(&self) -> String {
        fn add(text: &mut String, place: &str, columns: &[Column]) {
            for Column { name, kind, nullable, .. } in columns {
                let place = format!("{place}.{name}");
                let null = if *nullable { ", or null" } else { "" };
                let _ = writeln!(text, "{place}: {}{null}", kind.describe());
                add(text, &place, kind.fields());
            }
        }
        let mut text = String::new();
        add(&mut text, self.name, &self.columns);
        text
    }
}

/// Every table: evidence first, then what is derived from it, what others report, what changed, and all of a domain in a row.
pub fn tables() -> Vec<TableDoc> {
    fn doc<T: Table>(home: Home) -> TableDoc {
        TableDoc { name: T::NAME, doc: T::DOC, home, columns: T::columns() }
    }
    vec![
        doc::<DomainRow>(Home::Run),
        doc::<PolicyRow>(Home::Run),
        doc::<MailHostRow>(Home::Run),
        doc::<SmtpSessionRow>(Home::Run),
        doc::<CertificateRow>(Home::Run),
        doc::<ReportSinkRow>(Home::Run),
        doc::<RejectRow>(Home::Run),
        doc::<FindingRow>(Home::Derived),
        doc::<VerdictRow>(Home::Derived),
        doc::<HostRow>(Home::Derived),
        doc::<TallyRow>(Home::Derived),
        doc::<TlsReportRow>(Home::TlsReports),
        doc::<TlsReportPolicyRow>(Home::TlsReports),
        doc::<TlsReportFailureRow>(Home::TlsReports),
        doc::<TlsReportOddityRow>(Home::TlsReports),
        doc::<TlsReportRejectRow>(Home::TlsReports),
        doc::<TlsReportMatchRow>(Home::TlsReports),
        doc::<ChangeRow>(Home::Changes),
        flat::doc(),
    ]
}
