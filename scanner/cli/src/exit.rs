//! How the process ends: the one place that knows exit codes.

use std::fmt::Display;
use std::process::ExitCode;

use anyhow::Context;
use mxray_engine::{ErrorClass, ScanError};

/// The codes, as `mxray --help` tells them.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done; check: nothing is wrong
  1    check: something is wrong; demo, classify --truth: the verdicts differ from the truth;
       diff: a change does harm to mail; tlsrpt: something held no report
  2    the command line, a configuration file or an input is wrong; check: could not measure
  3    the surroundings fail: no resolver answers, nowhere to write, the disk is full
  4    a fault in mxray
  5    scan: the time of --max-runtime is up; `mxray scan … --resume` goes on
  130  interrupted; `mxray scan … --resume` goes on";

/// How a verb that did its work ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Done, and nothing is wrong.
    Done,
    /// Done, and something is wrong with what was looked at.
    Findings,
    /// What was asked cannot be: a flag, a file, a name. For `check`: nothing could be measured.
    Refused,
    /// It could be asked, and this machine or its network does not let us.
    Environment,
    /// We are at fault.
    Internal,
    /// The time that a scan was given is up: it can be gone on with.
    OutOfTime,
    /// Told to stop.
    Interrupted,
}

impl Exit {
    /// What the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Findings => 1,
            Self::Refused => 2,
            Self::Environment => 3,
            Self::Internal => 4,
            Self::OutOfTime => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a verb could not do its work, and whose the next move is.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// The command line, a configuration file or an input is wrong.
    pub(crate) fn refused(message: impl Display) -> Self {
        Self { exit: Exit::Refused, error: anyhow::Error::msg(message.to_string()) }
    }

    /// Says of an error what was being done, and whose the next move is.
    pub(crate) fn new(exit: Exit, error: anyhow::Error) -> Self {
        Self { exit, error }
    }

    /// Why a scan failed; `stopped` is the way it ends the process if it was stopped.
    pub(crate) fn of_scan(error: ScanError, stopped: Exit) -> Self {
        let exit = match error.class() {
            ErrorClass::Usage => Exit::Refused,
            ErrorClass::Environment => Exit::Environment,
            ErrorClass::Interrupted => stopped,
            ErrorClass::Internal => Exit::Internal,
        };
        Self::new(exit, error.into())
    }

    /// The way it ends the process.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The whole of it in one line.
    pub(crate) fn line(&self) -> String {
        let mut line = String::new();
        for cause in self.error.chain().map(ToString::to_string) {
            // Many errors say their cause themselves; then it is not said again.
            if !line.contains(&cause) {
                line += if line.is_empty() { "" } else { ": " };
                line += &cause;
            }
        }
        line.replace(['\n', '\r'], " ")
    }
}

impl From<ScanError> for Failure {
    fn from(error: ScanError) -> Self {
        Self::of_scan(error, Exit::Interrupted)
    }
}

/// Says of a foreign error what was being done, and whose the next move is.
pub(crate) trait Blame<T> {
    /// Theirs who asked: exit code 2.
    fn refused(self, doing: impl FnOnce() -> String) -> Result<T, Failure>;
    /// Theirs who run the machine: exit code 3.
    fn environment(self, doing: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> Blame<T> for Result<T, E> {
    fn refused(self, doing: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(Into::into).with_context(doing).map_err(|error| Failure::new(Exit::Refused, error))
    }

    fn environment(self, doing: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(Into::into).with_context(doing).map_err(|error| Failure::new(Exit::Environment, error))
    }
}

/// Says what went wrong, if something did, in one line on stderr, and gives the code.
pub(crate) fn conclude(ended: Result<Exit, Failure>) -> ExitCode {
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("mxray: {}", failure.line());
            failure.exit.into()
        }
    }
}
