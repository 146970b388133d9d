//! The simulated internet: DNS, HTTPS and SMTP on loopback sockets, for a seeded world whose truth is known.
//!
//! A [`World`] is a seed, a small table of probabilities ([`WorldParams`]) and a list of names, invented or given.
//! Nothing of a domain is kept: what its servers say, and what is wrong with it, is computed from its index, so
//! that a world of ten million domains starts at once. What is wrong comes from the catalogue of [`Defect`]s; of
//! each [`Axis`] a subject has at most one, and the axes are independent. A world of exact counts is made of
//! [`Group`]s of domains in the place of probabilities.
//!
//! The servers stand on every address of 127.0.0.0/8, each host at addresses of its own, so that a scanner's pacing
//! meets distinct addresses; `::1` refuses connections. A scanner has to be told to probe these ([`NETWORKS`]), to ask
//! [`Lab::dns_addr`], to use the lab's ports and to trust its root.
//!
//! Beside every world stand peers that mean harm, a catalogue of them ([`Hostile`]), under names of their own; and what the
//! world's servers say can be spoilt on its way out ([`Mutation`]), to fuzz whoever reads it.
//!
//! The truth is written from what was planted, and the servers serve what was planted; nothing here reads a
//! record, a policy or a certificate. No type and no parser is shared with the scanner (the DNS codec is another,
//! HTTP is written by hand), so the two cannot share a mistake.

mod authority;
mod chance;
mod clock;
mod dane;
mod defect;
mod dns;
mod domain;
mod epoch;
mod group;
mod hostile;
mod https;
mod lab;
mod ledger;
mod listener;
mod mutation;
mod names;
mod old_tls;
mod params;
mod plan;
mod smtp;
mod table;
mod text;
mod trouble;
mod truth;
mod world;
mod zone;

pub use authority::AuthorityError;
pub use defect::{Axis, Defect};
pub use domain::Mode;
pub use epoch::{EPOCHS_DAYS, TrueChange};
pub use group::{Group, Party};
pub use hostile::Hostile;
pub use lab::{Lab, LabConfig, LabError, NETWORKS};
pub use ledger::LedgerError;
pub use mutation::Mutation;
pub use names::{NAMES_MAX, Names, NamesError};
pub use params::{DaneParams, DnsParams, MailParams, ParamsError, StsParams, TlsrptParams, WorldParams};
pub use truth::{PlantedDefect, TrueVerdict, TruthError};
pub use world::{World, WorldError};
