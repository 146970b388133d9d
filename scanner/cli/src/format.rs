//! The forms in which an answer can be had.

use clap::ValueEnum;

/// For what is read by a person, pasted into a page, or read by a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentFormat {
    /// Plain columns.
    Text,
    /// Markdown tables.
    Markdown,
    /// JSON.
    Json,
}

/// For what is read by a person or by a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerFormat {
    /// For a person.
    Text,
    /// JSON.
    Json,
}
