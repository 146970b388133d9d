//! Data goes to stdout, and nothing else does.

use std::io::{self, Write};

use crate::exit::{Blame, Failure};

/// Writes all of `text`. A reader that has gone away (`mxray schema | head`) is no failure.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.environment(|| "writing to stdout".to_owned()),
    }
}

/// Writes a value as JSON, indented, with a last line end.
pub(crate) fn write_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| {
        Failure::new(crate::exit::Exit::Internal, anyhow::Error::new(e).context("writing JSON"))
    })?;
    text.push('\n');
    write(&text)
}
