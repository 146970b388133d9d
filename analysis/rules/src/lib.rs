//! From evidence to opinion, without a socket, a clock or a random number.
//!
//! [`assess_chain`] judges certificates: at a stated time, against a stated [`TrustStore`], for a stated name.

mod certificates;

pub use certificates::{ChainAssessment, ChainProblem, TrustError, TrustStore, assess_chain};
