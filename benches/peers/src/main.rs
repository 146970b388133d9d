//! hickory, on the work of `mxray-bench`: its resolver as it comes, and its message types over one socket of our own.

#[expect(dead_code, reason = "what it prints is printed by mxray-bench")]
#[path = "../../src/work.rs"]
mod work;

#[path = "../../src/usage.rs"]
mod usage;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::usage::Meter;
use crate::work::Work;

const PATIENCE: Duration = Duration::from_secs(3);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, verb, resolver, domains, in_flight] = &arguments[..] else {
        eprintln!("mxray-bench-peers resolver|messages ADDR DOMAINS IN_FLIGHT");
        std::process::exit(2);
    };
    let resolver: SocketAddr = resolver.parse().expect("an address");
    let work = Work { domains: domains.parse().expect("a number") };
    let in_flight: u64 = in_flight.parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = LocalSet::new();
    let meter = Meter::start();
    let done = local.block_on(&runtime, async {
        match verb.as_str() {
            "resolver" => with_resolver(resolver, work, in_flight).await,
            _ => with_messages(resolver, work, in_flight).await,
        }
    });
    meter.stop(done, work.queries(), &[]);
}

/// Asks everything, so many at a time; `ask` says whether there was an answer.
async fn ask_all<F: Future<Output = bool> + 'static>(
    work: Work,
    in_flight: u64,
    ask: impl Fn(String, u16) -> F + 'static,
) -> u64 {
    let (next, done, ask) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)), Rc::new(ask));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (next, done, ask) = (Rc::clone(&next), Rc::clone(&done), Rc::clone(&ask));
        workers.spawn_local(async move {
            while next.get() < work.queries() {
                let mut name = String::new();
                let kind = Work::query(next.replace(next.get() + 1), &mut name);
                if ask(name, kind).await {
                    done.set(done.get() + 1);
                }
            }
        });
    }
    while workers.join_next().await.is_some() {}
    done.get()
}

async fn with_resolver(address: SocketAddr, work: Work, in_flight: u64) -> u64 {
    let mut connection = ConnectionConfig::udp();
    connection.port = address.port();
    let mut server = NameServerConfig::udp(address.ip());
    server.connections = vec![connection];
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.cache_size = 0;
    options.timeout = PATIENCE;
    options.num_concurrent_reqs = 1;
    let resolver = Rc::new(builder.build().expect("a resolver"));
    ask_all(work, in_flight, move |name, kind| {
        let resolver = Rc::clone(&resolver);
        async move {
            match resolver.lookup(format!("{name}."), RecordType::from(kind)).await {
                Ok(_) => true,
                Err(error) => error.is_no_records_found(),
            }
        }
    })
    .await
}

async fn with_messages(address: SocketAddr, work: Work, in_flight: u64) -> u64 {
    type Waiting = Rc<RefCell<HashMap<u16, oneshot::Sender<Message>>>>;
    let socket = Rc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a socket"));
    socket.connect(address).await.expect("connected");
    socket2::SockRef::from(&*socket).set_recv_buffer_size(4 << 20).expect("a larger buffer");
    let waiting: Waiting = Rc::default();
    let (reading, answered) = (Rc::clone(&socket), Rc::clone(&waiting));
    tokio::task::spawn_local(async move {
        let mut buffer = [0; 4_096];
        while let Ok(length) = reading.recv(&mut buffer).await {
            let Ok(message) = Message::from_vec(&buffer[..length]) else { continue };
            let asker = answered.borrow_mut().remove(&message.id);
            if let Some(asker) = asker {
                let _ = asker.send(message);
            }
        }
    });
    let ids = Rc::new(Cell::new(0_u16));
    ask_all(work, in_flight, move |name, kind| {
        let (socket, waiting, ids) = (Rc::clone(&socket), Rc::clone(&waiting), Rc::clone(&ids));
        async move {
            let (sender, receiver) = oneshot::channel();
            let id = ids.replace(ids.get().wrapping_add(1));
            waiting.borrow_mut().insert(id, sender);
            let mut message = Message::new(id, MessageType::Query, OpCode::Query);
            message.metadata.recursion_desired = true;
            let name = Name::from_ascii(format!("{name}.")).expect("a name");
            message.add_query(Query::query(name, RecordType::from(kind)));
            message.set_edns(Edns::new());
            let packet = message.to_vec().expect("a message");
            socket.send(&packet).await.is_ok()
                && matches!(tokio::time::timeout(PATIENCE, receiver).await, Ok(Ok(_)))
        }
    })
    .await
}
