//! The floor of STARTTLS and of a policy fetch: handshakes in memory. Both sides are in this thread, and only what the
//! client does is counted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

use crate::identity;
use crate::processor;
use crate::usage::Meter;

/// Shakes hands so often, so many at a time and each a flight after the other, and says what the client's side of it cost.
/// What is offered decides what is computed.
pub(crate) fn run(handshakes: u64, in_flight: usize, offer: CryptoProvider) -> io::Result<()> {
    let (server_config, client_config) = (identity::server()?, identity::client(offer)?);
    let meter = Meter::start();
    let mut used = Duration::ZERO;
    let mut wire = Vec::with_capacity(16 << 10);
    let mut begun = 0;
    let mut pairs: Vec<Option<Pair>> = (0..in_flight).map(|_| None).collect();
    let mut is_busy = true;
    while is_busy {
        is_busy = false;
        for place in &mut pairs {
            if place.is_none() && begun < handshakes {
                *place = Some(Pair::new(&server_config, &client_config, &mut used)?);
                begun += 1;
            }
            let Some(pair) = place else { continue };
            is_busy = true;
            pair.step(&mut wire, &mut used)?;
            if pair.is_done() {
                *place = None;
            }
        }
    }
    meter.stop(handshakes, handshakes, &[("processor_us", used.as_micros() as u64)]);
    Ok(())
}

/// Both sides of a handshake.
struct Pair {
    client: ClientConnection,
    server: ServerConnection,
}

impl Pair {
    fn new(
        server_config: &Arc<ServerConfig>,
        client_config: &ClientConfig,
        used: &mut Duration,
    ) -> io::Result<Self> {
        let server = ServerConnection::new(Arc::clone(server_config)).map_err(io::Error::other)?;
        let begin = processor::of_thread();
        let name = ServerName::try_from(identity::HOST).map_err(io::Error::other)?;
        // A verifier of its own for each, as where what each has shown is kept.
        let client_config = Arc::new(client_config.clone());
        let client = ClientConnection::new(client_config, name).map_err(io::Error::other)?;
        *used += processor::of_thread().saturating_sub(begin);
        Ok(Self { client, server })
    }

    /// A flight of the client's, and the server's answer.
    fn step(&mut self, wire: &mut Vec<u8>, used: &mut Duration) -> io::Result<()> {
        let Self { client, server } = self;
        wire.clear();
        let begin = processor::of_thread();
        while client.wants_write() {
            client.write_tls(wire)?;
        }
        *used += processor::of_thread().saturating_sub(begin);
        let mut rest = &wire[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest)?;
            server.process_new_packets().map_err(io::Error::other)?;
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(wire)?;
        }
        let begin = processor::of_thread();
        let mut rest = &wire[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest)?;
            client.process_new_packets().map_err(io::Error::other)?;
        }
        *used += processor::of_thread().saturating_sub(begin);
        Ok(())
    }

    fn is_done(&self) -> bool {
        let Self { client, server } = self;
        !(client.is_handshaking() || server.is_handshaking() || client.wants_write() || server.wants_write())
    }
}
