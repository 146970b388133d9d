//! What hickory's validator makes of names. Arguments: a resolver that does not validate, `address:port`, and the file of
//! the root's key. Standard input: `name type`, a line each; standard output: the same, a tab, and the verdict.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::rr::{Record, RecordType};
use hickory_resolver::{Resolver, TokioResolver};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().expect("a resolver and the file of a key");
    let resolver = resolver(argument().parse().expect("address:port"), Path::new(&argument()));
    for line in std::io::stdin().lines() {
        let line = line.expect("text");
        let (name, kind) = line.split_once(' ').expect("a name and a type");
        let kind: RecordType = kind.parse().expect("a type");
        let verdict = match resolver.lookup(format!("{name}."), kind).await {
            Ok(lookup) => weakest(&lookup.message().answers),
            Err(NetError::Dns(DnsError::Nsec { proof, .. })) => word(proof),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                weakest(none.authorities.as_deref().unwrap_or_default())
            }
            Err(NetError::Dns(DnsError::DnssecBogus)) => "bogus",
            Err(_) => "failed",
        };
        println!("{line}\t{verdict}");
    }
}

fn resolver(server: SocketAddr, anchor: &Path) -> TokioResolver {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let server = NameServerConfig::new(server.ip(), true, connections.into());
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let anchors = TrustAnchors::from_file(anchor).expect("the root's key");
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_trust_anchor(Arc::new(anchors));
    builder.options_mut().validate = true;
    builder.build().expect("a resolver")
}

/// An answer is worth what its weakest record is.
fn weakest(records: &[Record]) -> &'static str {
    let proofs = records.iter().filter(|record| record.record_type() != RecordType::RRSIG);
    proofs.map(|record| record.proof).min_by_key(|proof| *proof as u8).map_or("nothing", word)
}

fn word(proof: Proof) -> &'static str {
    match proof {
        Proof::Secure => "secure",
        Proof::Insecure => "insecure",
        Proof::Bogus => "bogus",
        Proof::Indeterminate => "indeterminate",
    }
}
