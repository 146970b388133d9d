//! What can go wrong in a study.

use std::io;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use mxray_evidence::PartError;

/// What went wrong, while doing what, to what.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// A part file, of the run, of what is derived from it, or of a truth, could not be read or written.
    #[error(transparent)]
    Part(#[from] PartError),
    /// Another file could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// A file of trusted roots was not taken.
    #[error("the trust roots {name}: {source}")]
    Roots {
        /// The file, as it was named.
        name: String,
        /// Why not.
        source: mxray_rules::TrustError,
    },
    /// The folder holds no run, or one that committed nothing.
    #[error("{} has no committed chunk: is it a run, and has it been scanned?", .0.display())]
    NothingCommitted(PathBuf),
    /// The run has not been classified, or by an mxray whose tables had other columns.
    #[error("{} has no findings of this version yet: run `mxray classify` on it first", .0.display())]
    NotClassified(PathBuf),
    /// The page could not be put together.
    #[error("making the page: {0}")]
    Page(String),
    /// The classification is not of all that the run has committed.
    #[error("the classification of {} is older than the run: run `mxray classify` on it again", .0.display())]
    Stale(PathBuf),
    /// The input has more columns than a file is given.
    #[error(
        "the input has more than {0} columns of its own: export fewer with `mxray query --format parquet`"
    )]
    InputColumns(usize),
    /// The SQL is wrong, or failed.
    #[error("{0}")]
    Sql(String),
}

impl StudyError {
    /// For `map_err`: wraps an error of the operating system with what was being done, to what.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }
}

/// Of the rows of an answer.
impl From<ArrowError> for StudyError {
    fn from(error: ArrowError) -> Self {
        Self::Sql(error.to_string())
    }
}
