//! From runs to knowledge.
//!
//! [`classify`] judges the evidence of a run and writes what it finds beside it. [`report`] makes tables of
//! that, [`export`] puts all that is known of a domain into a row, [`query`] answers questions of one's own in SQL, and
//! [`compare`] lays it beside the truth of a simulated world.
//!
//! Only `sql` and what stands on it (`report`) know DataFusion; judging and comparing need nothing but the
//! rules and the part files.

mod buffered;
mod classify;
mod compare;
mod diff;
mod error;
mod export;
mod figure;
mod grid;
mod harmless;
mod moment;
mod page;
mod report;
mod sql;
mod steps;
mod tls_reports;
mod truth;

pub use classify::{Classified, ClassifyOptions, classifications, classify, newest_classification};
pub use compare::{Agreement, ColumnAgreement, Difference, RuleAgreement, compare};
pub use diff::{ComparedRun, Differences, KindCount, RUNS_MAX, RunToCompare, diff};
pub use error::StudyError;
pub use export::export;
pub use figure::Figure;
pub use grid::Grid;
pub use harmless::cell;
pub use moment::utc;
pub use report::{Reader, Report, ReportOptions, ReportTable, report};
pub use sql::{Answer, query, query_runs};
pub use steps::Steps;
pub use tls_reports::{ReportedFailures, TlsReportsRead, match_tls_reports, read_tls_reports};
pub use truth::{Defect, KnownDomain};
