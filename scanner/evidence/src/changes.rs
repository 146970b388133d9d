//! What changed between runs: the table that `mxray diff` writes.

use serde::{Deserialize, Serialize};

use crate::column::{Column, name, text, time};
use crate::{Micros, Table};

/// A row of `changes`: something of a domain or an MX host that is otherwise than it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// The domain, or the MX host where the change is a host's.
    pub subject: String,
    /// `domain` or `mx-host`.
    pub subject_kind: String,
    /// What kind of change.
    pub change: String,
    /// The rule that it breaks.
    pub rule: Option<String>,
    /// The rule's sub-cause.
    pub cause: Option<String>,
    /// When it was last seen as it was.
    pub since: Micros,
    /// When it was first seen as it is.
    pub seen: Micros,
    /// How it was.
    pub before: Option<String>,
    /// How it is.
    pub after: Option<String>,
    /// What it does to mail now.
    pub effect: String,
    /// The same, for a person.
    pub means: String,
    /// Until when the earliest cached copies of the policy last.
    pub cached_at_least: Option<Micros>,
    /// Until when the latest cached copies of the policy last.
    pub cached_at_most: Option<Micros>,
}

impl Table for ChangeRow {
    const NAME: &'static str = "changes";
    const DOC: &'static str = "A row a change of a domain or an MX host between runs. What was not measured is compared \
        with the last run before it that was: no row is about what a run could not see. Where one change breaks two rules it \
        has a row for each.";

    fn columns() -> Vec<Column> {
        vec![
            name("subject", "The domain; or the MX host, where the change is a host's."),
            text("subject_kind", "`domain` or `mx-host`."),
            text(
                "change",
                "What kind of change, a kebab-case word; `unchanged` where that is what is wrong.",
            ),
            text("rule", "The rule that it breaks, as `mxray rules` explains it, null where it breaks none; or a rule of one run whose \
                 sub-cause only an earlier run can tell (`mx-policy-mismatch-all` and `-some`: `stale`; `tlsa-mismatch`: \
                 `earlier-certificate`).")
                .optional(),
            text("cause", "The rule's sub-cause, a kebab-case word.").optional(),
            time("since", "When it was last seen as it was."),
            time("seen", "When it was first seen as it is."),
            text("before", "How it was, for a person.").optional(),
            text("after", "How it is, for a person.").optional(),
            text("effect", "What it does to mail now: `none`, `downgrade`, `refuse`, `unknown`."),
            text("means", "The same, for a person."),
            time(
                "cached_at_least",
                "A sender that was there at `since` keeps the policy of then until here (RFC 8461 §5.1).",
            )
            .optional(),
            time("cached_at_most", "A sender that came just before `seen` keeps it until here.").optional(),
        ]
    }
}
