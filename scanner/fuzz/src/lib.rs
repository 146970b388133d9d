//! What must hold of everything that reads the wire, whatever the wire holds.
//!
//! Each function takes any bytes and panics where a reader of ours breaks its word: not only by a panic of its own, but by
//! a span outside the input, a print that does not read back, a verdict that contradicts itself, a dialogue that depends
//! on how its bytes were cut. `libfuzzer/` calls them with whatever cargo-fuzz thinks of; `tests/replay.rs` with the
//! inputs under `seeds/`, in the gate.

mod certificates;
mod dns;
mod grammar;
mod http;
mod input;
mod judge;
mod names;
mod smtp;
mod sts_policy;
mod tls_report;
mod txt_records;

pub use certificates::certificate_chain;
pub use dns::dns_reply;
pub use http::http_response;
pub use input::input_lines;
pub use judge::judge;
pub use names::names;
pub use smtp::smtp_dialogue;
pub use sts_policy::sts_policy;
pub use tls_report::tls_report;
pub use txt_records::{sts_record, tlsrpt_record};

/// What holds for any bytes, or panics.
pub type Target = fn(&[u8]);

/// Every target, by the name of its folder of seeds and of its fuzzer.
pub const TARGETS: &[(&str, Target)] = &[
    ("certificate_chain", certificate_chain),
    ("dns_reply", dns_reply),
    ("http_response", http_response),
    ("input_lines", input_lines),
    ("judge", judge),
    ("names", names),
    ("smtp_dialogue", smtp_dialogue),
    ("sts_policy", sts_policy),
    ("sts_record", sts_record),
    ("tls_report", tls_report),
    ("tlsrpt_record", tlsrpt_record),
];

/// Whether `part` lies in a text of `length` bytes.
fn lies_in(part: &std::ops::Range<usize>, length: usize) -> bool {
    part.start <= part.end && part.end <= length
}
