//! What the hot paths cost, beside their floors. `scripts/bench` runs it, several rounds in turn, and keeps the record.
//!
//! Each measurement is a process of its own, and says what *it* used: the other end is another process.

mod floor;
mod handshake;
mod identity;
mod lookups;
mod processor;
mod responder;
mod scan;
mod servers;
mod sessions;
mod usage;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use mimalloc::MiMalloc;

use crate::servers::Kind;
use crate::work::Work;

/// As in `mxray`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const HELP: &str = "\
mxray-bench VERB [--flag VALUE]...
  responder  --port N --loss-permille N       answers DNS queries until standard input closes
  names      --domains N --as domains|queries prints the work
  engine     --resolver ADDR --domains N --in-flight N --threads N --timeout-ms N --retries N
  floor      --resolver ADDR --domains N --in-flight N      the least that such work can cost
  scan       --resolver ADDR --input FILE --out RUN --threads N --concurrency N
  handshake  --sessions N --in-flight N --offer library|mxray   TLS in memory, the client's side
  mail-host, policy-host  --awake true|false                serve until standard input closes
  starttls   --server ADDR --sessions N --in-flight N       sessions with a mail host
  policy     --server ADDR --resolver ADDR --sessions N --in-flight N";

/// What is asked of whom.
struct Asking {
    resolver: SocketAddr,
    work: Work,
    /// Queries in flight.
    in_flight: usize,
}

impl Asking {
    fn read() -> Self {
        Self {
            resolver: flag("resolver", SocketAddr::from(([127, 0, 0, 1], 53))),
            work: Work { domains: flag("domains", 10_000) },
            in_flight: flag("in-flight", 1_000),
        }
    }
}

fn main() -> std::io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("responder") => responder::run(flag("port", 0), flag("loss-permille", 0)),
        Some("names") => {
            work::print(
                Work { domains: flag("domains", 10_000) },
                flag("as", "domains".to_owned()) == "queries",
            );
            Ok(())
        }
        Some("engine") => {
            let settings = lookups::Settings {
                threads: flag("threads", 0),
                timeout_ms: flag("timeout-ms", 3_000),
                retries: flag("retries", 5),
            };
            lookups::run(&settings, &Asking::read())
        }
        Some("floor") => floor::run(&Asking::read()),
        Some("scan") => scan::run(scan::Settings {
            resolver: flag("resolver", SocketAddr::from(([127, 0, 0, 1], 53))),
            input: flag("input", PathBuf::from("domains.txt")),
            out: flag("out", PathBuf::from("run")),
            threads: flag("threads", 2),
            concurrency: flag("concurrency", 1_000),
        }),
        Some("handshake") => {
            let offer = if flag("offer", "library".to_owned()) == "mxray" {
                mxray_engine::tls_provider()
            } else {
                rustls::crypto::aws_lc_rs::default_provider()
            };
            handshake::run(flag("sessions", 1_000), flag("in-flight", 1), offer)
        }
        Some("mail-host") => servers::run(Kind::Mail, flag("awake", false)),
        Some("policy-host") => servers::run(Kind::Policy, flag("awake", false)),
        Some("starttls") => sessions(Kind::Mail),
        Some("policy") => sessions(Kind::Policy),
        _ => {
            eprintln!("{HELP}");
            std::process::exit(2);
        }
    }
}

fn sessions(kind: Kind) -> std::io::Result<()> {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 53));
    sessions::run(&sessions::Settings {
        kind,
        server: flag("server", nobody),
        resolver: flag("resolver", nobody),
        sessions: flag("sessions", 1_000),
        in_flight: flag("in-flight", 64),
    })
}

/// The value behind `--name`, or what it is by default.
fn flag<T: FromStr>(name: &str, default: T) -> T {
    let mut arguments =
        std::env::args().skip_while(|argument| argument.strip_prefix("--") != Some(name)).skip(1);
    match arguments.next() {
        None => default,
        Some(value) => value.parse().unwrap_or_else(|_| {
            eprintln!("--{name} {value}: what is that?\n{HELP}");
            std::process::exit(2)
        }),
    }
}
