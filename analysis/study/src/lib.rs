//! From runs to knowledge.
//!
//! [`classify`] judges the evidence of a run and writes what it finds beside it. [`report`] makes tables of
//! that, [`query`] answers questions of one's own in SQL, and [`compare`] lays it beside the truth of a
//! simulated world.
//!
//! Only `sql` and what stands on it (`report`) know DataFusion; judging and comparing need nothing but the
//! rules and the part files.

mod classify;
mod compare;
mod error;
mod grid;
mod moment;
mod report;
mod sql;
mod truth;

pub use classify::{Classified, ClassifyOptions, classifications, classify, newest_classification};
pub use compare::{Agreement, ColumnAgreement, Difference, RuleAgreement, compare};
pub use error::StudyError;
pub use grid::Grid;
pub use report::{Report, ReportTable, report};
pub use sql::{Answer, query};
pub use truth::{Defect, KnownDomain};
