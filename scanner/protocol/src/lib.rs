//! The grammars of mail transport security.
//!
//! Pure and total: bytes in, a value or its flaws out. No socket, no clock, no random number.

pub mod aside;
pub mod legacy_tls;
pub mod mx_pattern;
pub mod name;
mod placeholder;
pub mod report_sink;
pub mod smtp;
pub mod sts_policy;
pub mod sts_record;
pub mod tls_report;
pub mod tlsrpt;
mod txt_fields;

pub use txt_fields::{FieldFlaw, Opening, TxtField, VersionSlip};
