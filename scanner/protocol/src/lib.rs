//! The grammars of mail transport security.
//!
//! Pure and total: bytes in, a value or its flaws out. No socket, no clock, no random number.

pub mod name;
pub mod smtp;
