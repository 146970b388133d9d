//! The grammars, by their RFCs' examples, by what is really published, and by whatever a generator thinks of.

mod name;
mod smtp;
