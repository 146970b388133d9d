//! From names to evidence.
//!
//! What goes over the wire, and what came back. [`Resolver`] asks DNS. [`fetch_policy`] asks a policy host for its
//! policy, and [`probe_smtp`] a mail host for its TLS; both go through a [`Net`], which knows which addresses may be
//! probed ([`AddressGate`]), who asked to be left alone ([`OptOut`]) and how fast one may go ([`Pacer`]).
//!
//! A failure on the wire is data: a probe returns a row, always, with what was received before it ended.

mod address;
pub mod certificate;
mod clock;
mod connect;
mod dns;
mod ending;
mod https;
mod net;
mod opt_out;
mod pacing;
mod smtp;
mod tls;

pub use address::{AddressGate, is_global};
pub use dns::{DnsSettings, Resolver, withheld_lookup};
pub use https::{Fetched, fetch_policy};
pub use net::{Net, ProbeSettings, user_agent};
pub use opt_out::{OptOut, OptOutError};
pub use pacing::{Pacer, PacingLimits, Permit};
pub use smtp::{Session, probe as probe_smtp};
