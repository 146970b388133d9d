//! Why a scan could not begin, or had to leave.

use std::io;
use std::path::{Path, PathBuf};

use mxray_evidence::PartError;

use crate::opt_out::OptOutError;
use crate::source::SourceError;

/// Who has to mend it: what an exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The person who typed the command: another input, another folder, another flag.
    Usage,
    /// This machine or its network: a full disk, a resolver that does not answer.
    Environment,
    /// Nobody: it was told to stop.
    Interrupted,
    /// We.
    Internal,
}

/// Why a scan could not begin, or had to leave. Nothing on the wire is an error: that is evidence.
///
/// A run that had begun stays resumable: what is committed is committed.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The configuration cannot be.
    #[error("{0}")]
    Config(String),
    /// The input cannot be read, or not further.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The opt-out list cannot be taken.
    #[error(transparent)]
    OptOut(#[from] OptOutError),
    /// The folder holds something.
    #[error(
        "{} is not empty. Name a new folder{}",
        path.display(),
        if *resumable { ", or go on with the run that is there by --resume" } else { "" }
    )]
    OutNotEmpty {
        /// The folder.
        path: PathBuf,
        /// Whether what it holds is a run.
        resumable: bool,
    },
    /// There is no run to go on with.
    #[error("there is no run in {} to resume: leave --resume out to begin one", path.display())]
    NothingToResume {
        /// The folder.
        path: PathBuf,
    },
    /// The run was begun otherwise.
    #[error(
        "this run was begun with {name} = {began}, and cannot go on with {now}: its rows would be of two kinds. \
         Resume with the value it began with, or start a new run in another folder"
    )]
    ResumeMismatch {
        /// What differs.
        name: String,
        /// As it was.
        began: String,
        /// As it is asked for.
        now: String,
    },
    /// Another scanner writes in the folder.
    #[error("another scanner is at work in {}: wait for it, or stop it", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The system names no resolver.
    #[error("/etc/resolv.conf names no resolver: name one with --resolver address:port")]
    NoResolver,
    /// No resolver answers.
    #[error(
        "no resolver answers ({}). Check the address and the network, or name another with --resolver",
        answers.join("; ")
    )]
    ResolverSilent {
        /// Whom we asked, and what came of it.
        answers: Vec<String>,
    },
    /// Told to stop before the run had begun, or before a resumed one had gone on.
    #[error("stopped before anything was measured: nothing has changed")]
    StoppedEarly,
    /// No socket could be opened, or no thread begun.
    #[error("opening sockets or threads: {0}")]
    Sockets(#[source] io::Error),
    /// A file or folder cannot be used.
    #[error("{doing} {}: {source}{}", path.display(), remedy(source))]
    Folder {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A part file cannot be written or read.
    #[error("{error}{}", error.io().map(remedy).unwrap_or_default())]
    Part {
        /// Which, and what was being done to it.
        #[from]
        error: PartError,
    },
    /// The run's folder contradicts its journal.
    #[error("the run in {} is damaged: {what}. Restore it from a copy, or begin a new run", path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A task ended without a result.
    #[error(
        "the task for {} ended without a result, so chunk {chunk} was not written. This is a bug in mxray; the run \
         can be resumed, if need be with that name on the opt-out list",
        subject.as_deref().unwrap_or("some name")
    )]
    WorkLost {
        /// The chunk.
        chunk: u32,
        /// The domain or MX host it was about.
        subject: Option<String>,
    },
    /// Something that cannot be, was.
    #[error("{0}. This is a bug in mxray; the run can be resumed")]
    Internal(String),
}

impl ScanError {
    /// Who has to mend it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Source(SourceError::NamesSeen { .. })
            | Self::Busy { .. }
            | Self::NoResolver
            | Self::ResolverSilent { .. }
            | Self::Sockets(_)
            | Self::Folder { .. }
            | Self::Damaged { .. } => ErrorClass::Environment,
            Self::Config(_)
            | Self::Source(_)
            | Self::OptOut(_)
            | Self::OutNotEmpty { .. }
            | Self::NothingToResume { .. }
            | Self::ResumeMismatch { .. } => ErrorClass::Usage,
            Self::StoppedEarly => ErrorClass::Interrupted,
            Self::Part { error } if error.io().is_some() => ErrorClass::Environment,
            Self::Part { .. } | Self::WorkLost { .. } | Self::Internal(_) => ErrorClass::Internal,
        }
    }

    pub(crate) fn folder(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Folder { doing, path: path.to_owned(), source }
    }
}

/// What to do about an error of the operating system, where there is something.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ". Free some space, then go on with --resume: what was committed is kept"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            ". Make it writable, then go on with --resume if the run had begun"
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ". Name another folder with --out",
        _ => "",
    }
}
