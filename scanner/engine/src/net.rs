//! What every probe needs, and how it behaves towards others.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use mxray_evidence::OwnCause;

use crate::opt_out::LeftAlone;
use crate::stalls::Stalls;
use crate::tls::Tls;
use crate::{AddressGate, DnsSettings, OptOut, Resolver};

/// The network as probes see it: whom to ask for names, where they may go, and under which name. How fast is for whoever
/// begins them to say.
pub struct Net {
    /// DNS.
    pub resolver: Resolver,
    allow: AddressGate,
    left_alone: LeftAlone,
    /// The gate that knows who is left alone.
    gate: RwLock<Arc<AddressGate>>,
    /// Ports, deadlines, identity.
    pub settings: ProbeSettings,
    pub(crate) tls: Tls,
    pub(crate) stalls: Arc<Stalls>,
}

impl Net {
    /// Opens the resolver's sockets on the current tokio runtime.
    ///
    /// # Errors
    /// No resolver was named, or a socket could not be opened.
    pub fn new(
        dns: DnsSettings,
        gate: AddressGate,
        opt_out: OptOut,
        settings: ProbeSettings,
    ) -> io::Result<Self> {
        let resolver = Resolver::new(dns)?;
        Ok(Self {
            stalls: Arc::clone(resolver.stalls()),
            resolver,
            gate: RwLock::new(gate_with(&gate, &opt_out)),
            left_alone: LeftAlone::new(opt_out),
            allow: gate,
            settings,
            tls: Tls::new(),
        })
    }

    /// Takes another opt-out list: it holds for whatever is not under way yet.
    pub fn replace_opt_out(&self, opt_out: OptOut) {
        *self.gate.write().unwrap_or_else(PoisonError::into_inner) = gate_with(&self.allow, &opt_out);
        self.left_alone.replace(opt_out);
    }

    /// Who is left alone, now and later.
    pub(crate) fn left_alone(&self) -> LeftAlone {
        self.left_alone.clone()
    }

    /// Whether a name is left alone.
    pub(crate) fn opts_out(&self, name: &str) -> bool {
        self.left_alone.now().names(name)
    }

    /// Whether an address may be probed; if not, why.
    pub(crate) fn admits(&self, address: IpAddr) -> Result<(), OwnCause> {
        let gate = Arc::clone(&self.gate.read().unwrap_or_else(PoisonError::into_inner));
        gate.admit(address)
    }
}

fn gate_with(allow: &AddressGate, opt_out: &OptOut) -> Arc<AddressGate> {
    let mut gate = allow.clone();
    gate.opt_out.extend_from_slice(&opt_out.nets);
    Arc::new(gate)
}

/// How a probe behaves: where it knocks, how long it waits, who it says it is.
#[derive(Debug, Clone)]
pub struct ProbeSettings {
    /// The port of policy hosts.
    pub https_port: u16,
    /// The port of mail hosts.
    pub smtp_port: u16,
    /// For opening one TCP connection.
    pub connect_timeout: Duration,
    /// For a whole policy fetch, from the first connection to the last byte (RFC 8461 §3.3 suggests a minute).
    pub policy_timeout: Duration,
    /// For a whole SMTP session, from the connection to the answer to `QUIT`.
    pub smtp_timeout: Duration,
    /// The name given in `EHLO`: ours, with an address that leads back to it.
    pub ehlo_name: String,
    /// The HTTP user agent, which says who we are and how to reach us.
    pub user_agent: String,
    /// Most bytes of a policy that are read (RFC 8461 §3.3 suggests 64 KiB).
    pub policy_bytes_max: usize,
    /// Most addresses of one policy host that are tried.
    pub addresses_max: usize,
    /// Whether TLS 1.1 is offered where a handshake fails as old servers' do.
    pub legacy_tls: bool,
}

impl ProbeSettings {
    /// The standards' ports and deadlines, and an identity: the name for `EHLO`, and how to reach whoever runs
    /// the scan, which the user agent repeats.
    pub fn new(ehlo_name: impl Into<String>, contact: &str) -> Self {
        Self {
            https_port: 443,
            smtp_port: 25,
            connect_timeout: Duration::from_secs(10),
            policy_timeout: Duration::from_mins(1),
            smtp_timeout: Duration::from_mins(1),
            ehlo_name: ehlo_name.into(),
            user_agent: user_agent(contact),
            policy_bytes_max: 64 << 10,
            addresses_max: 16,
            legacy_tls: false,
        }
    }
}

/// The user agent for a contact: `mxray/0.1.0 (+contact)`, with what a header cannot carry left out.
pub fn user_agent(contact: &str) -> String {
    let contact: String =
        contact.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '(' | ')')).collect();
    format!("mxray/{} (+{contact})", env!("CARGO_PKG_VERSION"))
}
