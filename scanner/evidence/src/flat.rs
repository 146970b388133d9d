//! A flat table: all that is known of a domain in one row, for those who want one file and no join.
//!
//! Its columns are those of `verdicts`, facts from the other tables, a column a rule, and a column for each of the input's own. The last
//! two are not known before a run is there, so that this is no [`Table`].

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use serde::{Deserialize, Serialize};

use crate::column::{Column, Kind, text, time, u16, u32, u64};
use crate::derived::VerdictRow;
use crate::part::{ROWS_PER_BATCH, finish, properties};
use crate::table::{Home, Table, TableDoc};
use crate::unnamed::Unnamed;
use crate::{FinishedPart, Micros, PartError, PartLabel};

/// The table's name.
pub const NAME: &str = "flat";
/// What the name of a rule's column begins with.
pub const RULE_PREFIX: &str = "rule_";
/// What the name of a column of the input's begins with.
pub const INPUT_PREFIX: &str = "input_";
/// Columns of `verdicts` that are columns of their own here.
const TAKEN_APART: [&str; 2] = ["columns", "outcomes"];

/// A row: one domain.
#[derive(Debug, Clone)]
pub struct FlatRow {
    /// Its verdict.
    pub verdict: VerdictRow,
    /// What stands of it in other tables.
    pub facts: Facts,
    /// How each rule came out, in the order of the columns: `pass`, `violation`, `unknown`, `not-applicable`.
    pub outcomes: Vec<&'static str>,
}

/// What a row holds besides the verdict and the outcome of each rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What a sender with MTA-STS and DANE is kept from: `protected`, `not-protected`, `refused`, `no-mail`, `unknown`.
    pub protection: String,
    /// Rules violated, each with its sub-causes, in the order of the codebook: `rule` or `rule:cause`.
    pub violations: Vec<String>,
    /// Which input it came from.
    pub source: String,
    /// Its line there.
    pub line: u64,
    /// When it was first asked about.
    pub asked: Micros,
    /// What the MX lookup amounts to.
    pub mx_lookup: String,
    /// What the NS lookup amounts to.
    pub ns_lookup: String,
    /// What the lookup of the MTA-STS record amounts to.
    pub sts_lookup: String,
    /// What the lookup of the TLS-RPT record amounts to.
    pub tlsrpt_lookup: String,
    /// The MX hosts, the most preferred first.
    pub mx_names: Vec<String>,
    /// Of these, how many could be judged at an address at least.
    pub mx_hosts_measured: u32,
    /// Versions of TLS agreed with them, sorted; `None` where none could be judged.
    pub tls_versions: Option<Vec<String>>,
    /// The earliest end of validity among their leaves.
    pub certificate_not_after: Option<Micros>,
    /// How the fetch of the policy ended; `None` where none was asked for.
    pub policy_fetch: Option<String>,
    /// Where it ended early.
    pub policy_fetch_stage: Option<String>,
    /// What ended it.
    pub policy_fetch_cause: Option<String>,
    /// The HTTP status.
    pub policy_status: Option<u16>,
    /// The version of TLS with the policy host.
    pub policy_tls_version: Option<String>,
}

fn fact_columns() -> Vec<Column> {
    let lookup = "`found`, `no-data` (the name is there), `nxdomain` (it is not), `failed` (a resolver said so), `unanswered`: the \
                  first three are measured.";
    vec![
        text(
            "protection",
            "What a sender that honours MTA-STS and DANE makes of it (`both`): `protected` (an active attacker gets nothing), \
             `not-protected`, `refused` (it does not deliver), `no-mail`, `unknown`.",
        ),
        Column::list(
            "violations",
            Kind::Text,
            "What is wrong, in the order of the codebook: `rule`, or `rule:cause` for each sub-cause.",
        ),
        text("source", "The input it came from, as named on the command line."),
        u64("line", "Its line in the whole input, counted from 1 over all sources."),
        time("asked", "When it was first asked about: the first query for its MX."),
        text("mx_lookup", lookup),
        text("ns_lookup", lookup),
        text("sts_lookup", lookup),
        text("tlsrpt_lookup", lookup),
        Column::list("mx_names", Kind::Name, "The MX hosts, the most preferred first; empty for a null MX."),
        u32("mx_hosts_measured", "Of these, how many could be judged at one of their addresses at least."),
        Column::list(
            "tls_versions",
            Kind::Text,
            "Versions of TLS agreed with them, sorted; empty: with none; null: none could be judged.",
        )
        .optional(),
        time(
            "certificate_not_after",
            "The earliest end of validity among the certificates of the MX hosts; null: none was seen.",
        )
        .optional(),
        text(
            "policy_fetch",
            "How the fetch of the policy ended: `completed`, `stopped` by the other side or the network, `withheld` by ourselves; \
             null: none was asked for.",
        )
        .optional(),
        text("policy_fetch_stage", "Where in the exchange it ended early.").optional(),
        text("policy_fetch_cause", "What ended it, as a kebab-case word.").optional(),
        u16("policy_status", "The HTTP status; null: none arrived.").optional(),
        text("policy_tls_version", "The version of TLS with the policy host; null: none was agreed.").optional(),
    ]
}

/// The columns that every such file has.
fn columns() -> Vec<Column> {
    let verdict = VerdictRow::columns().into_iter().filter(|column| !TAKEN_APART.contains(&column.name));
    verdict.chain(fact_columns()).collect()
}

/// Its entry in the data dictionary, without the columns of rules.
pub(crate) fn doc() -> TableDoc {
    TableDoc {
        name: NAME,
        doc: "A row a domain, with all that is known of it: the verdict, facts from the other tables, a column a rule (`rule_` and its \
              name, with `_` for `-`: `pass`, `violation`, `unknown`, `not-applicable`), and a column for each of the input's own \
              (`input_` and its name; null where the domain's input has no such column).",
        home: Home::Export,
        columns: columns(),
    }
}

/// The name of a rule's column.
pub fn rule_column(rule: &str) -> String {
    format!("{RULE_PREFIX}{}", rule.replace('-', "_"))
}

/// The names of the input's columns that stand in a file of `verdicts`, in the order of their coming. Nothing else of it is read.
pub fn input_names(verdicts: &Path) -> Result<Vec<String>, PartError> {
    #[derive(Deserialize)]
    struct Row {
        columns: Vec<Name>,
    }
    #[derive(Deserialize)]
    struct Name {
        name: String,
    }
    let failed = |e| PartError::new("reading the input's columns in", verdicts, e);
    let file = File::open(verdicts).map_err(|e| PartError::new("opening", verdicts, e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
    let names = ProjectionMask::columns(builder.parquet_schema(), ["columns.list.item.name"]);
    let reader = builder.with_projection(names).with_batch_size(ROWS_PER_BATCH).build().map_err(failed)?;
    let mut found: Vec<String> = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|e| PartError::new("reading", verdicts, e))?;
        let rows: Vec<Row> = serde_arrow::from_record_batch(&batch)
            .map_err(|e| PartError::new("reading the input's columns in", verdicts, e))?;
        for Name { name } in rows.into_iter().flat_map(|row| row.columns) {
            if !found.contains(&name) {
                found.push(name);
            }
        }
    }
    Ok(found)
}

/// Writes the file: rows in, a file under its name out, or none at all.
pub struct FlatWriter {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
    facts: Vec<FieldRef>,
    inputs: Vec<String>,
    file: Unnamed,
    rows: u64,
}

impl FlatWriter {
    /// Opens `path` (as `path.tmp`). `rules` names the columns of rules, and `inputs` each column of the input and its column here.
    pub fn create(
        path: &Path,
        label: &PartLabel,
        rules: &[String],
        inputs: Vec<(String, String)>,
    ) -> Result<Self, PartError> {
        let (unnamed, file) = Unnamed::create(path)?;
        let text = |name: &String, nullable| Arc::new(Field::new(name, DataType::Utf8, nullable));
        let fixed = columns().iter().map(|column| Arc::new(column.field())).collect::<Vec<_>>();
        let fields = fixed
            .into_iter()
            .chain(rules.iter().map(|name| text(name, false)))
            .chain(inputs.iter().map(|(_, column)| text(column, true)));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let writer =
            ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties(NAME, &columns(), label)))
                .map_err(|e| PartError::new("creating", unnamed.tmp(), e))?;
        let facts = fact_columns().iter().map(|column| Arc::new(column.field())).collect();
        let inputs = inputs.into_iter().map(|(name, _)| name).collect();
        Ok(Self { writer, schema, facts, inputs, file: unnamed, rows: 0 })
    }

    /// Appends rows, in order.
    pub fn write(&mut self, rows: &[FlatRow]) -> Result<(), PartError> {
        for rows in rows.chunks(ROWS_PER_BATCH) {
            let batch = self.batch(rows)?;
            self.writer.write(&batch).map_err(|e| PartError::new("writing", self.file.tmp(), e))?;
        }
        self.rows += rows.len() as u64;
        Ok(())
    }

    fn batch(&self, rows: &[FlatRow]) -> Result<RecordBatch, PartError> {
        let converting = |e| PartError::new("converting rows for", self.file.tmp(), e);
        let verdicts: Vec<&VerdictRow> = rows.iter().map(|row| &row.verdict).collect();
        let facts: Vec<&Facts> = rows.iter().map(|row| &row.facts).collect();
        let verdicts = serde_arrow::to_record_batch(&VerdictRow::fields(), &verdicts).map_err(converting)?;
        let facts = serde_arrow::to_record_batch(&self.facts, &facts).map_err(converting)?;
        let mut arrays: Vec<ArrayRef> = VerdictRow::columns()
            .iter()
            .zip(verdicts.columns())
            .filter(|(column, _)| !TAKEN_APART.contains(&column.name))
            .map(|(_, array)| Arc::clone(array))
            .collect();
        arrays.extend_from_slice(facts.columns());
        let rules = self.schema.fields().len() - arrays.len() - self.inputs.len();
        for rule in 0..rules {
            let words = rows.iter().map(|row| row.outcomes[rule]);
            arrays.push(Arc::new(StringArray::from_iter_values(words)));
        }
        for name in &self.inputs {
            let of = |row: &'_ FlatRow| row.verdict.columns.iter().position(|column| column.name == *name);
            let values =
                rows.iter().map(|row| of(row).map(|place| row.verdict.columns[place].value.as_str()));
            arrays.push(Arc::new(values.collect::<StringArray>()));
        }
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|e| PartError::new("converting rows for", self.file.tmp(), e))
    }

    /// Completes and syncs the file, still under its temporary name.
    pub fn finish(self) -> Result<FinishedPart, PartError> {
        finish(self.writer, self.file, self.rows)
    }
}
