//! From names to evidence.
//!
//! [`scan`] is all of it: a [`ScanConfig`] goes in, and a run comes out, a folder of evidence. On the way it goes
//! through four places:
//!
//! - The *source* reads the inputs in a thread of its own, line by line, and shuffles them by the seed within a window.
//!   Every line gets a row: in `domains` if it is a name that has not been seen, in `rejects` if it is anything else.
//! - *Admission* lets lines in, as fast as was asked for and as many as can be held, and cuts them into *chunks*.
//! - The *pipeline* does the asking: for a domain its lookups; for a domain that has an `_mta-sts` TXT its policy;
//!   for each MX host, once, its addresses; for each of these, once, a session. None waits for another: what has to
//!   connect is parked by address until its turn comes, and is owed by the run until it is done.
//! - The *writer*, a thread too, takes chunks that are whole, and commits them in the order of the input.
//!
//! What goes over the wire, and what came back: [`Resolver`] asks DNS, [`fetch_policy`] a policy host for its policy,
//! and [`probe_smtp`] a mail host for its TLS; the latter two go through a [`Net`], which knows which addresses may
//! be probed ([`AddressGate`]) and who asked to be left alone ([`OptOut`]). How fast one may go ([`PacingLimits`]) is for
//! the pipeline to keep.
//!
//! [`plan`] says what a scan would do, and sends nothing.
//!
//! A failure on the wire is data: a probe returns a row, always, with what was received before it ended. An error
//! ([`ScanError`]) means that this machine failed, or whoever runs it. Then, as after [`Stop`] or `kill -9`, the run
//! holds the chunks that its journal names, and [`ScanConfig::resume`] goes on behind them.

mod address;
mod admission;
mod beside;
pub mod certificate;
mod chunk;
mod clock;
mod commit;
mod config;
mod connect;
mod deadline;
mod descriptors;
mod dns;
mod ending;
mod errands;
mod error;
mod events;
mod failed_fetches;
mod folder;
mod https;
mod legacy;
mod load;
mod names_seen;
mod net;
mod once;
mod opt_out;
mod owed;
mod pacing;
mod pipeline;
mod plan;
mod progress;
mod reach;
mod samples;
mod scan;
mod smtp;
mod source;
mod stalls;
mod stop;
mod tasks;
mod tls;
mod tray;
mod wanted;
mod withheld;

/// The readers of the wire and of the input, handed bytes in place of a connection: what the fuzzers call. No part of a
/// scan, and no promise to anybody.
#[doc(hidden)]
pub mod bytes {
    pub use crate::dns::{FromRecord, read_reply};
    pub use crate::https::read_response;
    pub use crate::source::read_inputs;
}

pub use address::{AddressGate, is_global};
pub use clock::{now, set_clock_ahead};
pub use config::{Extras, ScanConfig, Stages, WINDOW_LINES_MAX};
pub use dns::{DnsSettings, DomainLookups, Resolver, withheld_lookup};
pub use error::{ErrorClass, ScanError};
pub use events::{Event, EventSink};
pub use https::{Fetched, fetch_policy};
pub use net::{Net, ProbeSettings, user_agent};
pub use opt_out::{OptOut, OptOutError};
pub use pacing::PacingLimits;
pub use plan::{Amount, Plan, plan};
pub use progress::{Progress, Remembered, StageProgress};
pub use scan::{ScanSummary, scan};
pub use smtp::{Session, probe as probe_smtp};
pub use source::{Input, LINE_BYTES_MAX, ShapeError, SourceError};
pub use stop::{Stop, StopReason};
pub use tls::tls_provider;
pub use wanted::{ADDRESSES_A_HOST_MAX, HOSTS_A_DOMAIN_MAX};
