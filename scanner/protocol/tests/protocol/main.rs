//! The grammars, by their RFCs' examples, by what is really published, and by whatever a generator thinks of.

mod corpora;
mod mx_pattern;
mod name;
mod smtp;
mod sts_policy;
mod sts_record;
mod tlsrpt;
