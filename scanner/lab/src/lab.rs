//! The lab itself: a world and its servers, from start to stop.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};

use crate::authority::{Authority, AuthorityError};
use crate::dns::{self, NameServer, Signer};
use crate::epoch::EPOCHS_DAYS;
use crate::https::PolicyHosts;
use crate::ledger::{Ledger, LedgerError, Writer};
use crate::listener::{CONNECTIONS_MAX, Port, accept_all, stopped};
use crate::mutation::{Mutation, Spoiler};
use crate::names::Names;
use crate::params::WorldParams;
use crate::smtp::MxHosts;
use crate::truth::TruthError;
use crate::world::{World, WorldError};

/// Where a lab's hosts are: a scanner that leaves loopback alone has to be told of these.
pub const NETWORKS: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// What a lab is made from.
#[derive(Debug, Clone)]
pub struct LabConfig {
    /// Where it keeps its keys and writes what it knows. Made if it is not there; a folder that has been used
    /// before gives the same certificates again.
    pub folder: PathBuf,
    /// The world's seed.
    pub seed: u64,
    /// Its epoch: 0 is the first; the others are later by `EPOCHS_DAYS`.
    pub epoch: u32,
    /// What the world is like.
    pub params: WorldParams,
    /// Its names.
    pub names: Names,
    /// The name server's port on 127.0.0.1, UDP and TCP; 0 takes a free one.
    pub dns_port: u16,
    /// The policy hosts' port on 127.0.0.0/8; 0 takes a free one.
    pub https_port: u16,
    /// The MX hosts' port on 127.0.0.0/8; 0 takes a free one.
    pub smtp_port: u16,
    /// Whether to keep the ledger.
    pub ledger: bool,
    /// Whether good replies are spoilt on their way out, and how.
    pub mutation: Option<Mutation>,
}

impl LabConfig {
    /// A lab in `folder` with free ports and a ledger.
    pub fn new(folder: impl Into<PathBuf>, seed: u64, params: WorldParams, names: Names) -> Self {
        let folder = folder.into();
        let (dns_port, https_port, smtp_port) = (0, 0, 0);
        Self {
            folder,
            seed,
            epoch: 0,
            params,
            names,
            dns_port,
            https_port,
            smtp_port,
            ledger: true,
            mutation: None,
        }
    }
}

/// Why a lab does not start, or did not keep its ledger.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The world cannot be made.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The certification authority cannot be had.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The ledger cannot be kept.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The operating system does not let it.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: String,
        /// What the operating system said.
        source: io::Error,
    },
}

/// A running lab. Dropping it ends its servers; [`stop`](Self::stop) completes the ledger as well.
pub struct Lab {
    config: LabConfig,
    world: Arc<World>,
    spoiler: Spoiler,
    dns_addr: SocketAddr,
    https: Port,
    smtp: Port,
    https_port: u16,
    smtp_port: u16,
    stop: watch::Sender<bool>,
    dns_stop: Arc<AtomicBool>,
    dns_threads: Vec<JoinHandle<()>>,
    places: Vec<Arc<Semaphore>>,
    writer: Option<Writer>,
    runtime: Option<Runtime>,
}

/// What a program that starts a lab needs to know, as JSON.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    dns: SocketAddr,
    https_port: u16,
    smtp_port: u16,
    domains: u64,
    seed: u64,
    /// How much later than the first its epoch is.
    days: u64,
    folder: &'a Path,
    ca: PathBuf,
    anchor: PathBuf,
    names: PathBuf,
    networks: [&'static str; 2],
}

/// What a world was made from: `world.toml`.
#[derive(Serialize)]
struct Made<'a> {
    seed: u64,
    epoch: u32,
    names: String,
    domains: u64,
    ipv6: bool,
    params: &'a WorldParams,
}

impl Lab {
    /// Makes the world, takes the ports and serves, at once. Writes `ca.pem`, `root.key` and `world.toml`; names and truth
    /// are [`write_truth`](Self::write_truth)'s.
    pub fn start(config: LabConfig) -> Result<Self, LabError> {
        let failed = |doing: &str| {
            let doing = doing.to_owned();
            move |source| LabError::System { doing, source }
        };
        fs::create_dir_all(&config.folder).map_err(failed("making the world's folder"))?;
        let https = Port::take(config.https_port).map_err(failed("taking the policy hosts' port"))?;
        let smtp = Port::take(config.smtp_port).map_err(failed("taking the MX hosts' port"))?;
        let (udp, tcp) = dns::bind(config.dns_port).map_err(failed("taking the name server's port"))?;

        let world = World::new(config.seed, config.params.clone(), &config.names)?.at_epoch(config.epoch);
        let world = if https.can_refuse() && smtp.can_refuse() { world } else { world.without_ipv6() };
        let world = Arc::new(world);
        let authority = Arc::new(Authority::open(&config.folder)?);
        let signer = Arc::new(Signer::new(world.chance)?);
        write_facts(&config, &world, &authority, &signer).map_err(failed("writing the world's folder"))?;

        let (ledger, writer) = if config.ledger {
            let (ledger, writer) = Ledger::open(&config.folder)?;
            (Some(ledger), Some(writer))
        } else {
            (None, None)
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(SERVER_THREADS)
            .thread_name("lab-server")
            .enable_all()
            .build()
            .map_err(failed("starting the servers"))?;
        let (stop, _) = watch::channel(false);
        let mut lab = Self {
            dns_addr: udp.local_addr().map_err(failed("taking the name server's port"))?,
            https_port: https.number().map_err(failed("taking the policy hosts' port"))?,
            smtp_port: smtp.number().map_err(failed("taking the MX hosts' port"))?,
            spoiler: Spoiler::new(config.mutation),
            config,
            world: Arc::clone(&world),
            https,
            smtp,
            stop,
            dns_stop: Arc::default(),
            dns_threads: Vec::new(),
            places: Vec::new(),
            writer,
            runtime: Some(runtime),
        };
        lab.serve_names((&authority, &signer), (&udp, tcp), ledger.as_ref())
            .map_err(failed("starting the name server"))?;
        lab.serve_connections(&authority, ledger.as_ref()).map_err(failed("starting the servers"))?;
        Ok(lab)
    }

    /// The name server: to be given to a scanner as its resolver.
    pub fn dns_addr(&self) -> SocketAddr {
        self.dns_addr
    }

    /// The policy hosts' port, on every address of 127.0.0.0/8.
    pub fn https_port(&self) -> u16 {
        self.https_port
    }

    /// The MX hosts' port, on every address of 127.0.0.0/8.
    pub fn smtp_port(&self) -> u16 {
        self.smtp_port
    }

    /// The root certificate to trust, as a PEM file.
    pub fn ca_pem_path(&self) -> PathBuf {
        self.config.folder.join("ca.pem")
    }

    /// The root zone's key, as a line of a zone file: what a resolver that validates this world is told to trust.
    pub fn anchor_path(&self) -> PathBuf {
        self.config.folder.join(ANCHOR)
    }

    /// The names, one a line, once [`write_truth`](Self::write_truth) has written them.
    pub fn names_path(&self) -> PathBuf {
        self.config.folder.join("names.txt")
    }

    /// The world that is served.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Writes `names.txt` and `truth/` into the world's folder; see [`World::write_truth`].
    pub fn write_truth(&self, go_on: impl FnMut(u64) -> bool) -> Result<bool, TruthError> {
        self.world.write_truth(&self.config.folder, go_on)
    }

    /// Replies of the name server, and connections, that were spoilt so far.
    pub fn spoilt(&self) -> (u64, u64) {
        self.spoiler.counts()
    }

    /// Ports and paths as one line of JSON, for whoever waits for the lab.
    pub fn ready_json(&self) -> String {
        let ready = Ready {
            dns: self.dns_addr,
            https_port: self.https_port,
            smtp_port: self.smtp_port,
            domains: self.world.domains(),
            seed: self.config.seed,
            days: EPOCHS_DAYS[self.world.epoch() as usize],
            folder: &self.config.folder,
            ca: self.ca_pem_path(),
            anchor: self.anchor_path(),
            names: self.names_path(),
            networks: NETWORKS,
        };
        serde_json::to_string(&ready).expect("numbers and paths of this program are JSON")
    }

    /// Ends every connection, closes the servers and completes the ledger.
    pub async fn stop(mut self) -> Result<(), LabError> {
        self.signal();
        for places in std::mem::take(&mut self.places) {
            // All places are free when all connections have ended.
            let _ = places.acquire_many(CONNECTIONS_MAX as u32).await;
        }
        let Some(runtime) = self.runtime.take() else { return Ok(()) };
        let threads = std::mem::take(&mut self.dns_threads);
        let writer = self.writer.take();
        let joined = runtime
            .spawn_blocking(move || {
                for thread in threads {
                    let _ = thread.join();
                }
                writer.map_or(Ok(()), |writer| writer.join().unwrap_or(Ok(())))
            })
            .await;
        runtime.shutdown_background();
        match joined {
            Ok(kept) => Ok(kept?),
            Err(error) => {
                Err(LabError::System { doing: "stopping".to_owned(), source: io::Error::other(error) })
            }
        }
    }

    fn serve_names(
        &mut self,
        (authority, signer): (&Arc<Authority>, &Arc<Signer>),
        (udp, tcp): (&std::net::UdpSocket, std::net::TcpListener),
        ledger: Option<&Ledger>,
    ) -> io::Result<()> {
        let server = NameServer {
            world: Arc::clone(&self.world),
            authority: Arc::clone(authority),
            signer: Arc::clone(signer),
            spoiler: self.spoiler.clone(),
        };
        for number in 0..DNS_THREADS {
            let socket = udp.try_clone()?;
            let (server, stop, ledger) = (server.clone(), Arc::clone(&self.dns_stop), ledger.cloned());
            let serve = move || dns::serve_udp(&socket, &server, &stop, ledger.as_ref());
            let thread = std::thread::Builder::new().name(format!("lab-dns-{number}"));
            self.dns_threads.push(thread.spawn(serve)?);
        }
        let ledger = ledger.cloned();
        self.accept(tcp, move |stream, _, mut stop| {
            let serve = dns::serve_tcp(stream, server.clone(), ledger.clone());
            async move {
                tokio::select! {
                    () = serve => {}
                    () = stopped(&mut stop) => {}
                }
            }
        })
    }

    fn serve_connections(&mut self, authority: &Arc<Authority>, ledger: Option<&Ledger>) -> io::Result<()> {
        let policy_hosts = PolicyHosts {
            world: Arc::clone(&self.world),
            authority: Arc::clone(authority),
            spoiler: self.spoiler.clone(),
            ledger: ledger.cloned(),
        };
        let mx_hosts = MxHosts {
            world: Arc::clone(&self.world),
            authority: Arc::clone(authority),
            spoiler: self.spoiler.clone(),
            ledger: ledger.cloned(),
        };
        let (https, smtp) = (self.https.listener()?, self.smtp.listener()?);
        self.accept(https, move |stream, address, stop| policy_hosts.clone().serve(stream, address, stop))?;
        self.accept(smtp, move |stream, address, stop| mx_hosts.clone().serve(stream, address, stop))
    }

    fn accept<F>(
        &mut self,
        listener: std::net::TcpListener,
        serve: impl Fn(tokio::net::TcpStream, Ipv4Addr, watch::Receiver<bool>) -> F + Send + Sync + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        self.places.push(Arc::clone(&places));
        let _context = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        runtime.spawn(accept_all(listener, places, self.stop.subscribe(), serve));
        Ok(())
    }

    fn signal(&self) {
        self.stop.send_replace(true);
        self.dns_stop.store(true, Ordering::Relaxed);
        for _ in &self.dns_threads {
            dns::wake(self.dns_addr);
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.signal();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The file of the root's key.
const ANCHOR: &str = "root.key";
/// Threads that answer DNS over UDP.
const DNS_THREADS: usize = 2;
/// Threads that serve connections.
const SERVER_THREADS: usize = 2;

fn write_facts(config: &LabConfig, world: &World, authority: &Authority, signer: &Signer) -> io::Result<()> {
    fs::write(config.folder.join("ca.pem"), authority.root_pem())?;
    fs::write(config.folder.join(ANCHOR), signer.anchor())?;
    let names = match &config.names {
        Names::Invented(_) => "invented".to_owned(),
        Names::File(path) => path.display().to_string(),
    };
    let made = Made {
        seed: config.seed,
        epoch: config.epoch,
        names,
        domains: world.domains(),
        ipv6: world.has_ipv6(),
        params: world.params(),
    };
    let text = toml::to_string(&made).map_err(io::Error::other)?;
    fs::write(config.folder.join("world.toml"), text)
}
