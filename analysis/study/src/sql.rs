//! SQL over a run: the only place that knows DataFusion.
//!
//! The committed parts of every table of evidence, the tables of one classification, and the codebook as
//! `rules` stand ready under their names, and published figures to compare with. Nothing can be written by a query.

mod answer;
mod parts;
mod published;

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::SchemaRef;
use datafusion::catalog::MemorySchemaProvider;
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::functions::datetime::planner::DatetimeFunctionPlanner;
use datafusion::functions::unicode::planner::UnicodeFunctionPlanner;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use mxray_evidence::derived::{FindingRow, HostRow, TallyRow, VerdictRow};
use mxray_evidence::{
    CertificateRow, DomainRow, MailHostRow, PolicyRow, RejectRow, ReportSinkRow, RunDir, SmtpSessionRow,
    Table,
};

use crate::StudyError;
pub use answer::Answer;
pub(crate) use answer::grid;
use parts::PartsTable;

/// Memory that a query may take for sorting, grouping and joining. What needs more is put into temporary files, but for the side of a
/// join that is kept: there the query fails and says so.
const MEMORY_BYTES_MAX: usize = 512 << 20;

/// Answers `sql` over a run: its evidence, and the classification `id`, if there is one.
///
/// Must be awaited inside a tokio runtime. Rows come as they are made: an answer may be larger than memory.
pub async fn query(run: &RunDir, id: Option<&str>, sql: &str) -> Result<Answer, StudyError> {
    Session::open(run, id)?.ask(sql).await
}

/// Answers `sql` over several runs, each with its classification, if there is one. The tables of the first stand under their
/// names; those of each, in the order given, in the schemas `run1`, `run2` and so on; and `runs` says which is which.
///
/// Must be awaited inside a tokio runtime.
pub async fn query_runs(runs: &[(RunDir, Option<String>)], sql: &str) -> Result<Answer, StudyError> {
    let Some((first, id)) = runs.first() else { return Err(StudyError::Sql("no run is named".to_owned())) };
    let session = Session::open(first, id.as_deref())?;
    let catalog =
        session.context.catalog("datafusion").expect("the catalogue that every session begins with");
    for (number, (run, id)) in runs.iter().enumerate() {
        let schema = schema_name(number);
        catalog.register_schema(&schema, Arc::new(MemorySchemaProvider::new()))?;
        session.tables(Some(&schema), run, id.as_deref())?;
    }
    session.context.register_batch("runs", table_of_runs(runs)?)?;
    session.ask(sql).await
}

fn schema_name(number: usize) -> String {
    format!("run{}", number + 1)
}

fn table_of_runs(runs: &[(RunDir, Option<String>)]) -> Result<RecordBatch, StudyError> {
    let mut columns: [Vec<String>; 4] = Default::default();
    for (number, (run, id)) in runs.iter().enumerate() {
        let manifest = run.read_manifest().map_err(StudyError::file("reading", &run.manifest_path()))?;
        let row = [
            schema_name(number),
            manifest.run_id,
            crate::moment::utc(manifest.started),
            id.clone().unwrap_or_default(),
        ];
        columns.iter_mut().zip(row).for_each(|(column, cell)| column.push(cell));
    }
    let [schema, run_id, started, classification] =
        columns.map(|column| Arc::new(StringArray::from(column)) as ArrayRef);
    let named =
        [("schema", schema), ("run_id", run_id), ("started", started), ("classification", classification)];
    Ok(RecordBatch::try_from_iter(named)?)
}

/// The tables of a run, under their names.
pub(crate) struct Session {
    context: SessionContext,
}

impl Session {
    pub(crate) fn open(run: &RunDir, id: Option<&str>) -> Result<Self, StudyError> {
        // One partition: over five million domains a hash join among several panicked in DataFusion 55.2.0 (`partition not used
        // yet`), as it asked for a part of its left side that had been given out.
        let config = SessionConfig::new().with_information_schema(true).with_target_partitions(1);
        let pool = Arc::new(FairSpillPool::new(MEMORY_BYTES_MAX));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc()?;
        let mut context = SessionContext::new_with_config_rt(config, runtime);
        // Built in all the same, but planned (`substr`, `extract`) only under features that would build the crate anew.
        context.register_expr_planner(Arc::new(DatetimeFunctionPlanner))?;
        context.register_expr_planner(Arc::new(UnicodeFunctionPlanner))?;
        let session = Self { context };
        session.tables(None, run, id)?;
        session.codebook()?;
        session.context.register_batch(published::IMC2025, published::imc2025()?)?;
        Ok(session)
    }

    /// The tables of a run, in a schema if one is named.
    fn tables(&self, schema: Option<&str>, run: &RunDir, id: Option<&str>) -> Result<(), StudyError> {
        self.evidence::<DomainRow>(schema, run)?;
        self.evidence::<PolicyRow>(schema, run)?;
        self.evidence::<MailHostRow>(schema, run)?;
        self.evidence::<SmtpSessionRow>(schema, run)?;
        self.evidence::<CertificateRow>(schema, run)?;
        self.evidence::<ReportSinkRow>(schema, run)?;
        self.evidence::<RejectRow>(schema, run)?;
        self.derived::<FindingRow>(schema, run, id)?;
        self.derived::<VerdictRow>(schema, run, id)?;
        self.derived::<HostRow>(schema, run, id)?;
        self.derived::<TallyRow>(schema, run, id)
    }

    /// Plans and starts a query.
    pub(crate) async fn ask(&self, sql: &str) -> Result<Answer, StudyError> {
        let read_only =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let frame = self.context.sql_with_options(sql, read_only).await?;
        Ok(Answer::new(frame.execute_stream().await?))
    }

    /// Answers `sql` now, and keeps the answer as a table.
    pub(crate) async fn keep(&self, name: &str, sql: &str) -> Result<(), StudyError> {
        let answer = self.ask(sql).await?;
        let schema = answer.schema();
        self.keep_batches(name, schema, answer.batches().await?)
    }

    /// Keeps rows as a table.
    pub(crate) fn keep_batches(
        &self,
        name: &str,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
    ) -> Result<(), StudyError> {
        self.context.register_table(name, Arc::new(MemTable::try_new(schema, vec![batches])?))?;
        Ok(())
    }

    fn evidence<T: Table>(&self, schema: Option<&str>, run: &RunDir) -> Result<(), StudyError> {
        let parts = run.parts::<T>().map_err(StudyError::file("reading the journal of", run.root()))?;
        self.register::<T>(schema, parts)
    }

    fn derived<T: Table>(
        &self,
        schema: Option<&str>,
        run: &RunDir,
        id: Option<&str>,
    ) -> Result<(), StudyError> {
        let path = id.map(|id| run.derived_path::<T>(id));
        self.register::<T>(schema, path.into_iter().filter(|path| path.exists()).collect())
    }

    fn register<T: Table>(&self, schema: Option<&str>, parts: Vec<PathBuf>) -> Result<(), StudyError> {
        let threads = self.context.copied_config().target_partitions();
        let name = match schema {
            Some(schema) => TableReference::partial(schema, T::NAME),
            None => TableReference::bare(T::NAME),
        };
        self.context.register_table(name, Arc::new(PartsTable::new(T::schema(), parts, threads)))?;
        Ok(())
    }

    /// The rules as a table: `place` is their order in the codebook.
    fn codebook(&self) -> Result<(), StudyError> {
        let rules = mxray_rules::rules();
        let text = |of: fn(&mxray_rules::Rule) -> Option<&'static str>| -> ArrayRef {
            Arc::new(rules.iter().map(of).collect::<StringArray>())
        };
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("place", Arc::new(UInt32Array::from_iter_values(0..rules.len() as u32)) as ArrayRef, false),
            ("rule", text(|rule| Some(rule.name)), false),
            ("axis", text(|rule| Some(rule.id.axis().as_str())), false),
            ("operator_role", text(|rule| Some(rule.id.axis().operator_role().as_str())), false),
            ("summary", text(|rule| Some(rule.summary)), false),
            ("section", text(|rule| Some(rule.section)), false),
            ("effect", text(|rule| Some(rule.effect.as_str())), false),
            ("report_type", text(|rule| rule.report_type), true),
            ("advice", text(|rule| Some(rule.advice)), false),
        ])?;
        self.context.register_batch("rules", batch)?;
        Ok(())
    }
}

impl From<datafusion::error::DataFusionError> for StudyError {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        Self::Sql(error.strip_backtrace())
    }
}
