//! From names to evidence.
//!
//! What goes over the wire, and what came back. [`Resolver`] asks DNS; [`AddressGate`] knows which addresses may be
//! probed, [`OptOut`] who asked to be left alone, [`Pacer`] how fast one may go.
//!
//! A failure on the wire is data: a probe returns a row, always, with what was received before it ended.

mod address;
pub mod certificate;
mod clock;
mod dns;
mod ending;
mod opt_out;
mod pacing;

pub use address::{AddressGate, is_global};
pub use dns::{DnsSettings, Resolver};
pub use opt_out::{OptOut, OptOutError};
pub use pacing::{Pacer, PacingLimits, Permit};
