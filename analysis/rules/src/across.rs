//! A domain across two runs or more: what changed, which rule that breaks, and what it means for mail now.
//!
//! What was not measured is skipped: a run is compared with the last one before it that measured the same thing. So a
//! change between *measured* and *not measured* is none of the domain's.
//!
//! Senders keep a policy for its `max_age` from when they fetched it (RFC 8461 §5.1). A sender that was there when an
//! earlier run saw the policy keeps it at least until then plus `max_age`; one that came just before the later run, at
//! most until that plus `max_age`. Whether such a copy protects or harms is told by its patterns against the MX hosts of
//! today.

mod change;
mod host;
mod judge;
mod standing;
mod table;

pub use change::{Change, ChangeKind};
pub use host::{HostChange, HostStanding, TlsaStanding, judge_host_across};
pub use judge::{TESTING_DAYS_LEAST, TESTING_DAYS_MOST, judge_across};
pub use standing::{PolicyStanding, RecordStanding, Standing, ValidStanding};
pub use table::{AcrossRule, across_rules};
