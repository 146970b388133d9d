//! The floor of STARTTLS and of a policy fetch: handshakes in memory. Both sides are in this thread, and only what the
//! client does is counted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

use crate::identity;
use crate::usage::Meter;

/// Shakes hands so often, and says what the client's side of it cost.
pub(crate) fn run(handshakes: u64) -> io::Result<()> {
    let (server_config, client_config) = (identity::server()?, identity::client()?);
    let meter = Meter::start();
    let mut used = Duration::ZERO;
    let mut wire = Vec::with_capacity(16 << 10);
    for _ in 0..handshakes {
        let mut server = ServerConnection::new(Arc::clone(&server_config)).map_err(io::Error::other)?;
        let begin = processor_time();
        let name = ServerName::try_from(identity::HOST).map_err(io::Error::other)?;
        // A verifier of its own for each, as where what each has shown is kept.
        let client_config = Arc::new(client_config.clone());
        let mut client = ClientConnection::new(client_config, name).map_err(io::Error::other)?;
        used += processor_time().saturating_sub(begin);
        while client.is_handshaking()
            || server.is_handshaking()
            || client.wants_write()
            || server.wants_write()
        {
            wire.clear();
            let begin = processor_time();
            while client.wants_write() {
                client.write_tls(&mut wire)?;
            }
            used += processor_time().saturating_sub(begin);
            let mut rest = &wire[..];
            while !rest.is_empty() {
                server.read_tls(&mut rest)?;
                server.process_new_packets().map_err(io::Error::other)?;
            }
            wire.clear();
            while server.wants_write() {
                server.write_tls(&mut wire)?;
            }
            let begin = processor_time();
            let mut rest = &wire[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest)?;
                client.process_new_packets().map_err(io::Error::other)?;
            }
            used += processor_time().saturating_sub(begin);
        }
    }
    meter.stop(handshakes, handshakes, &[("client_us", used.as_micros() as u64)]);
    Ok(())
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
