//! The grammars, by their RFCs' examples and by whatever a generator thinks of. What is really published goes through
//! parsers and rules together, in `analysis/rules/tests`.

mod mx_pattern;
mod name;
mod smtp;
mod sts_policy;
mod sts_record;
mod tls_report;
mod tlsrpt;
