//! What mxray saw, and nothing of what it thinks of it.
//!
//! A *run* is a folder. In it, each [`Table`] is a folder of Parquet part files; part `n` of every table was
//! written by *chunk* `n` of the input, and a chunk counts once the [`journal`] has a line for it. The
//! [`Manifest`] says how the run was made.
//!
//! An observation keeps what was received before it ended, and [`Ending`] says how it ended: whole, stopped by
//! the other side or the network, or withheld by ourselves. Only the first two say anything about a domain.
//!
//! The rows here are the only place where a Parquet column has a name. [`Table::columns`] is at once the Arrow
//! schema, the data dictionary (`mxray schema`) and the contract with every reader of a run.

mod cells;
mod certificate;
pub mod changes;
mod column;
pub mod derived;
mod dns;
mod ending;
pub mod flat;
mod gathered;
pub mod journal;
mod mail;
mod manifest;
mod part;
mod policy;
mod reject;
mod run;
mod security;
mod sink;
mod table;
pub mod tls_reports;
mod unnamed;

pub use certificate::{CertificateRow, Digest, TlsObservation};
pub use column::{Column, Kind};
pub use dns::{
    AddressRecord, Cname, DomainRow, InputColumn, Lookup, LookupStatus, MxRecord, NsRecord, TlsaRecord,
    TxtRecord,
};
pub use ending::{Cause, Ending, OwnCause, Stage};
pub use gathered::Gathered;
pub use mail::{LegacyHello, MailHostRow, Reply, SmtpSessionRow};
pub use manifest::{Counts, HowEnded, Identity, Manifest, SCHEMA_VERSION};
pub use part::{FinishedPart, PartError, PartLabel, PartWriter, read_rows};
pub use policy::{Connect, Header, PolicyRow};
pub use reject::{RejectReason, RejectRow};
pub use run::RunDir;
pub use security::{ExtendedError, Security};
pub use serde_bytes::ByteBuf;
pub use sink::ReportSinkRow;
pub use table::{Home, Table, TableDoc, tables};
pub use unnamed::Unnamed;

/// A moment: microseconds since 1970-01-01T00:00:00Z.
pub type Micros = i64;

/// A text that is mostly short, as names are: up to 24 bytes stand in the value itself, and nothing is allocated for them.
pub type Text = compact_str::CompactString;
