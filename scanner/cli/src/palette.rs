//! Colour: on a terminal alone, and never against `NO_COLOR`.

use std::io::{self, IsTerminal};

/// What is painted, or left plain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    on: bool,
}

impl Palette {
    /// For what goes to stdout.
    pub(crate) fn stdout() -> Self {
        Self { on: wanted(io::stdout().is_terminal()) }
    }

    /// For what goes to stderr.
    pub(crate) fn stderr() -> Self {
        Self { on: wanted(io::stderr().is_terminal()) }
    }

    /// A heading.
    pub(crate) fn heading(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What is as it should be.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What is broken.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// What is doubtful, or could not be measured.
    pub(crate) fn doubtful(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// What matters less.
    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// `NO_COLOR`, set to anything but nothing, means no colour (no-color.org); so does a dumb terminal.
fn wanted(terminal: bool) -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    terminal && !forbidden && !dumb
}
