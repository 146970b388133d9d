//! The ledger: what the servers saw, so that a scanner's manners can be checked from the other side.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use arrow::array::{ArrayRef, BooleanArray, TimestampMicrosecondArray, UInt16Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::errors::ParquetError;

use crate::table::{Table, strings, text};

/// A DNS query.
#[derive(Debug)]
pub(crate) struct DnsSeen {
    pub(crate) time_us: i64,
    pub(crate) transport: &'static str,
    pub(crate) name: String,
    pub(crate) kind: u16,
    /// `None`: left without an answer.
    pub(crate) rcode: Option<u16>,
    pub(crate) truncated: bool,
}

/// A connection to a policy host.
#[derive(Debug, Default)]
pub(crate) struct HttpsSeen {
    pub(crate) time_us: i64,
    pub(crate) elapsed_us: u64,
    pub(crate) address: String,
    pub(crate) sni: Option<String>,
    pub(crate) handshake: bool,
    pub(crate) request: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) status: Option<u16>,
}

/// A connection to an MX host.
#[derive(Debug, Default)]
pub(crate) struct SmtpSeen {
    pub(crate) time_us: i64,
    pub(crate) elapsed_us: u64,
    pub(crate) address: String,
    pub(crate) host: String,
    /// The name given with the first `EHLO` or `HELO`.
    pub(crate) client: Option<String>,
    /// The verbs received, in order, joined by blanks.
    pub(crate) commands: String,
    pub(crate) sni: Option<String>,
    pub(crate) handshake: bool,
    /// Whether a transaction was begun, which no census may.
    pub(crate) mail: bool,
    pub(crate) quit: bool,
}

/// Something seen.
#[derive(Debug)]
pub(crate) enum Seen {
    Dns(Vec<DnsSeen>),
    Https(HttpsSeen),
    Smtp(SmtpSeen),
}

/// Where servers put what they saw. A full queue makes them wait: the ledger is complete or there is none.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    queue: SyncSender<Seen>,
}

/// Entries (batches of DNS queries count as one) that may wait for the writer.
const QUEUE_ENTRIES: usize = 1_024;
/// Rows gathered before they are written.
const ROWS_PER_BATCH: usize = 4_096;

/// Why the ledger could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("writing the ledger {}: {source}", path.display())]
pub struct LedgerError {
    path: PathBuf,
    source: ParquetError,
}

/// The writer's thread, which ends when the last [`Ledger`] is dropped.
pub(crate) type Writer = JoinHandle<Result<(), LedgerError>>;

impl Ledger {
    /// Opens the ledger in `folder` and starts its writer.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Writer), LedgerError> {
        let path = folder.join("ledger");
        std::fs::create_dir_all(&path).map_err(|e| LedgerError { path: path.clone(), source: e.into() })?;
        let files = Files {
            dns: Book::create(&path.join("dns.parquet"), &dns_schema(), dns_columns)?,
            https: Book::create(&path.join("https.parquet"), &https_schema(), https_columns)?,
            smtp: Book::create(&path.join("smtp.parquet"), &smtp_schema(), smtp_columns)?,
        };
        let (queue, received) = sync_channel(QUEUE_ENTRIES);
        let writer = std::thread::Builder::new()
            .name("lab-ledger".to_owned())
            .spawn(move || files.keep(&received))
            .map_err(|e| LedgerError { path, source: ParquetError::External(Box::new(e)) })?;
        Ok((Self { queue }, writer))
    }

    /// Notes what was seen. Nothing is noted once the writer has failed; its error comes out when the lab stops.
    pub(crate) fn note(&self, seen: Seen) {
        let _ = self.queue.send(seen);
    }
}

struct Files {
    dns: Book<DnsSeen>,
    https: Book<HttpsSeen>,
    smtp: Book<SmtpSeen>,
}

impl Files {
    fn keep(mut self, received: &Receiver<Seen>) -> Result<(), LedgerError> {
        for seen in received {
            match seen {
                Seen::Dns(rows) => self.dns.add(rows)?,
                Seen::Https(row) => self.https.add([row])?,
                Seen::Smtp(row) => self.smtp.add([row])?,
            }
        }
        self.dns.close()?;
        self.https.close()?;
        self.smtp.close()
    }
}

struct Book<T> {
    table: Table,
    rows: Vec<T>,
    columns: fn(&[T]) -> Vec<ArrayRef>,
}

impl<T> Book<T> {
    fn create(path: &Path, schema: &Schema, columns: fn(&[T]) -> Vec<ArrayRef>) -> Result<Self, LedgerError> {
        let table =
            Table::create(path, schema).map_err(|source| LedgerError { path: path.to_owned(), source })?;
        Ok(Self { table, rows: Vec::new(), columns })
    }

    fn add(&mut self, rows: impl IntoIterator<Item = T>) -> Result<(), LedgerError> {
        self.rows.extend(rows);
        if self.rows.len() >= ROWS_PER_BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), LedgerError> {
        let columns = (self.columns)(&self.rows);
        self.rows.clear();
        self.table.write(columns).map_err(|source| LedgerError { path: self.table.path.clone(), source })
    }

    fn close(mut self) -> Result<(), LedgerError> {
        self.flush()?;
        let path = self.table.path.clone();
        self.table.finish().map_err(|source| LedgerError { path, source })
    }
}

fn time() -> Field {
    Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false)
}

fn field(name: &str, kind: DataType, nullable: bool) -> Field {
    Field::new(name, kind, nullable)
}

fn times(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
}

fn flags(values: impl Iterator<Item = bool>) -> ArrayRef {
    Arc::new(BooleanArray::from(values.collect::<Vec<_>>()))
}

fn dns_schema() -> Schema {
    Schema::new(vec![
        time(),
        text("transport", false),
        text("name", false),
        field("type", DataType::UInt16, false),
        field("rcode", DataType::UInt16, true),
        field("truncated", DataType::Boolean, false),
    ])
}

fn dns_columns(rows: &[DnsSeen]) -> Vec<ArrayRef> {
    vec![
        times(rows.iter().map(|row| row.time_us)),
        strings(rows.iter().map(|row| Some(row.transport))),
        strings(rows.iter().map(|row| Some(row.name.as_str()))),
        Arc::new(UInt16Array::from_iter_values(rows.iter().map(|row| row.kind))),
        Arc::new(rows.iter().map(|row| row.rcode).collect::<UInt16Array>()),
        flags(rows.iter().map(|row| row.truncated)),
    ]
}

fn https_schema() -> Schema {
    Schema::new(vec![
        time(),
        field("elapsed_us", DataType::UInt64, false),
        text("address", false),
        text("sni", true),
        field("handshake", DataType::Boolean, false),
        text("request", true),
        text("user_agent", true),
        field("status", DataType::UInt16, true),
    ])
}

fn https_columns(rows: &[HttpsSeen]) -> Vec<ArrayRef> {
    vec![
        times(rows.iter().map(|row| row.time_us)),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.elapsed_us))),
        strings(rows.iter().map(|row| Some(row.address.as_str()))),
        strings(rows.iter().map(|row| row.sni.as_deref())),
        flags(rows.iter().map(|row| row.handshake)),
        strings(rows.iter().map(|row| row.request.as_deref())),
        strings(rows.iter().map(|row| row.user_agent.as_deref())),
        Arc::new(rows.iter().map(|row| row.status).collect::<UInt16Array>()),
    ]
}

fn smtp_schema() -> Schema {
    Schema::new(vec![
        time(),
        field("elapsed_us", DataType::UInt64, false),
        text("address", false),
        text("host", false),
        text("client", true),
        text("commands", false),
        text("sni", true),
        field("handshake", DataType::Boolean, false),
        field("mail", DataType::Boolean, false),
        field("quit", DataType::Boolean, false),
    ])
}

fn smtp_columns(rows: &[SmtpSeen]) -> Vec<ArrayRef> {
    vec![
        times(rows.iter().map(|row| row.time_us)),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.elapsed_us))),
        strings(rows.iter().map(|row| Some(row.address.as_str()))),
        strings(rows.iter().map(|row| Some(row.host.as_str()))),
        strings(rows.iter().map(|row| row.client.as_deref())),
        strings(rows.iter().map(|row| Some(row.commands.as_str()))),
        strings(rows.iter().map(|row| row.sni.as_deref())),
        flags(rows.iter().map(|row| row.handshake)),
        flags(rows.iter().map(|row| row.mail)),
        flags(rows.iter().map(|row| row.quit)),
    ]
}
