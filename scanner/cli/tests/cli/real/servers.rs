//! Postfix and nginx, as they come from the packages, with an address of their own for each host.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::certificates::{Authority, Chain, Shown};
use super::hosts::{Place, Policy, Settled};
use super::name_servers::{Ds, Signing, Zone, program};

/// Where nginx serves policies.
const POLICY_ADDRESS: &str = "127.0.9.1";
/// Signatures that ran out.
const PAST: &[&str] = &["-i", "20200101000000", "-e", "20200201000000"];
/// A zone of TLSA records that nobody serves.
pub(crate) const DEAD: &str = "_25._tcp.mx.deadtlsa.signed";

/// The zones in which all the hosts stand.
pub(crate) fn zones(hosts: &[Settled], authority: &Authority) -> Vec<Zone> {
    let (mut signed, mut plain, mut zones) = (Vec::new(), Vec::new(), Vec::new());
    for settled in hosts {
        let records = Records::of(settled, authority);
        signed.extend(records.signed);
        plain.extend(records.plain);
        zones.extend(records.expired.map(|(name, records)| Zone {
            signing: Some(Signing { algorithms: &["ECDSAP256SHA256"], args: PAST }),
            ds: Ds::True,
            ..Zone::signed(&name, &records.join("\n"))
        }));
    }
    zones.extend([Zone::signed("signed", &signed.join("\n")), Zone::unsigned("plain", &plain.join("\n"))]);
    zones
}

/// The records of a host, by the zone in which they stand.
#[derive(Default)]
struct Records {
    signed: Vec<String>,
    plain: Vec<String>,
    /// A zone of its own, with signatures that ran out.
    expired: Option<(String, Vec<String>)>,
}

impl Records {
    fn of(Settled { host, address, shown }: &Settled, authority: &Authority) -> Self {
        let (domain, mx) = (host.domain(), host.host());
        let tlsa = |at: &str| -> Vec<String> {
            let texts = host.tlsa.iter().map(|of| authority.tlsa(*of, shown));
            texts.map(|text| format!("_25._tcp.{at}. TLSA {text}")).collect()
        };
        let alias = |target: &str| format!("{mx}. CNAME {target}.");
        let (real, out) = (format!("real.{}.signed", host.name), format!("real.{}.plain", host.name));
        let mx_record = vec![format!("{domain}. MX 10 {mx}.")];
        let a_record = |name: &str| vec![format!("{name}. A {address}")];
        let of_host = || [a_record(&mx), tlsa(&mx)].concat();
        let all = || [mx_record.clone(), of_host()].concat();
        let mut records = Self::default();
        match host.place {
            Place::Signed => records.signed = all(),
            Place::Unsigned => records.plain = all(),
            Place::HostUnsigned => (records.signed, records.plain) = (mx_record, of_host()),
            Place::MxUnsigned => (records.signed, records.plain) = (of_host(), mx_record),
            Place::Alias => {
                records.signed = [mx_record, vec![alias(&real)], a_record(&real), tlsa(&real)].concat();
            }
            Place::AliasHolds => {
                records.signed = [mx_record, vec![alias(&real)], a_record(&real), tlsa(&mx)].concat();
            }
            Place::AliasOut => {
                records.signed = [mx_record, vec![alias(&out)], tlsa(&mx)].concat();
                records.plain = a_record(&out);
            }
            Place::Implicit => {
                records.signed = [of_host(), vec![format!("_mta-sts.{domain}. TXT v=STSv1\\;")]].concat();
            }
            Place::BogusTlsa => {
                records.signed = [mx_record, a_record(&mx)].concat();
                records.expired = Some((format!("_25._tcp.{mx}"), tlsa(&mx)));
            }
            Place::DeadTlsa => records.signed = [mx_record, a_record(&mx)].concat(),
            Place::BogusHost => {
                records.signed = mx_record;
                records.expired = Some((mx.clone(), of_host()));
            }
            Place::BogusMx => records.expired = Some((domain.clone(), all())),
            Place::NullMx => records.plain = vec![format!("{domain}. MX 0 .")],
            Place::NoAddress => records.plain = [mx_record, vec![format!("{mx}. TXT nothing")]].concat(),
        }
        if host.policy.is_some() {
            records.plain.push(format!("_mta-sts.{domain}. TXT \"v=STSv1; id=1;\""));
            records.plain.push(format!("mta-sts.{domain}. A {POLICY_ADDRESS}"));
        }
        records
    }
}

/// Postfix, until it is dropped.
pub(crate) struct Postfix<'a> {
    desk: &'a Path,
}

impl<'a> Postfix<'a> {
    /// Starts an `smtpd` for every host at port 25 of its address.
    pub(crate) fn start(desk: &'a Path, hosts: &[Settled], authority: &Authority) -> Self {
        for folder in ["postfix", "postfix/queue", "postfix/data"] {
            fs::create_dir(desk.join(folder)).unwrap();
        }
        // Its processes are another user's.
        fs::set_permissions(desk, Permissions::from_mode(0o755)).unwrap();
        let home = desk.join("postfix");
        let at = home.display();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {at}/queue\ndata_directory = {at}/data\n\
             daemon_directory = /usr/lib/postfix/sbin\ncommand_directory = /usr/sbin\nshlib_directory = /usr/lib/postfix\n\
             mail_owner = postfix\nsetgid_group = postdrop\nmyhostname = mail.test\nmydestination =\n\
             inet_protocols = ipv4\ninet_interfaces = 127.0.0.1\nmaillog_file = {at}/log\nmaillog_file_prefixes = {at}\n\
             alias_maps =\nalias_database =\nlocal_recipient_maps =\nsmtpd_peername_lookup = no\n\
             smtpd_relay_restrictions = reject\nsmtpd_tls_security_level = may\n"
        );
        fs::write(home.join("main.cf"), main).unwrap();
        let mut master = String::from(
            "tlsmgr unix - - n 1000? 1 tlsmgr\nanvil unix - - n - 1 anvil\nrewrite unix - - n - - trivial-rewrite\n\
             postlog unix-dgram n - n - 1 postlogd\n",
        );
        for Settled { host, address: ip, shown } in hosts {
            let name = host.host();
            let chain = home.join(format!("{}.pem", host.name));
            let sni = host.options.iter().any(|option| option.starts_with("tls_server_sni_maps"));
            fs::write(&chain, shown.pem()).unwrap();
            write!(master, "{ip}:25 inet n - n - - smtpd").unwrap();
            if sni {
                write_sni_map(&home, &name, &chain);
                let other = home.join("other.pem");
                fs::write(&other, authority.chain(Chain::WrongName, &name).pem()).unwrap();
                write!(master, " -o smtpd_tls_chain_files={}", other.display()).unwrap();
            } else {
                write!(master, " -o smtpd_tls_chain_files={}", chain.display()).unwrap();
            }
            for option in &host.options {
                write!(master, " -o {option}").unwrap();
            }
            master.push('\n');
        }
        fs::write(home.join("master.cf"), master).unwrap();
        assert!(Command::new("chown").arg("postfix").arg(home.join("data")).status().unwrap().success());
        let started = postfix(&home, "start").output().unwrap();
        assert!(started.status.success(), "postfix: {started:?}");
        Self { desk }
    }

    /// What it has warned of.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.desk.join("postfix/log")).unwrap_or_default()
    }
}

impl Drop for Postfix<'_> {
    fn drop(&mut self) {
        // The namespace takes with it what this leaves.
        let _ = postfix(&self.desk.join("postfix"), "abort").output();
    }
}

fn postfix(home: &Path, verb: &str) -> Command {
    let mut command = program("postfix");
    command.arg("-c").arg(home).arg(verb).stdin(Stdio::null());
    command
}

fn write_sni_map(home: &Path, name: &str, chain: &Path) {
    let map = home.join("sni");
    fs::write(&map, format!("{name} {}\n", chain.display())).unwrap();
    let made = program("postmap")
        .arg("-F")
        .arg("-c")
        .arg(home)
        .arg(format!("hash:{}", map.display()))
        .output()
        .unwrap();
    assert!(made.status.success(), "postmap: {made:?}");
}

/// nginx, until it is dropped.
pub(crate) struct Nginx {
    process: std::process::Child,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Nginx {
    /// Starts it with a policy host for each domain that has one.
    pub(crate) fn start(desk: &Path, hosts: &[Settled], authority: &Authority) -> Self {
        let config = write_nginx_config(&desk.join("nginx"), hosts, authority);
        let mut command = program("nginx");
        command.arg("-c").arg(config).arg("-e").arg(desk.join("nginx/error.log"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { process: command.spawn().unwrap() }
    }
}

fn write_nginx_config(home: &Path, hosts: &[Settled], authority: &Authority) -> PathBuf {
    fs::create_dir(home).unwrap();
    let at = home.display();
    let mut config = format!(
        "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log {at}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n\
         client_body_temp_path {at}/a;\nproxy_temp_path {at}/b;\nfastcgi_temp_path {at}/c;\nuwsgi_temp_path {at}/d;\n\
         scgi_temp_path {at}/e;\n"
    );
    let stranger = authority.chain(Chain::Sound, "nobody.test");
    let mut serve = |name: &str, certificate: &Shown, content: &str| {
        let file = home.join(format!("{}.pem", name.replace('_', "default")));
        fs::write(&file, certificate.pem()).unwrap();
        let (pem, default) = (file.display(), if name == "_" { " default_server" } else { "" });
        writeln!(
            config,
            "server {{ listen {POLICY_ADDRESS}:443 ssl{default}; server_name {name}; ssl_certificate {pem}; \
             ssl_certificate_key {pem}; location = /.well-known/mta-sts.txt {{ default_type text/plain; {content} }} }}"
        )
        .unwrap();
    };
    serve("_", &stranger, "return 200 \"nobody\";");
    for Settled { host, .. } in hosts {
        let Some(policy) = host.policy else { continue };
        let name = format!("mta-sts.{}", host.domain());
        let text = |mode: &str, mx: &str| {
            format!("return 200 \"version: STSv1\\nmode: {mode}\\nmx: {mx}\\nmax_age: 604800\\n\";")
        };
        let chain = if policy == Policy::Expired { Chain::Expired } else { Chain::Sound };
        let content = match policy {
            // The default server's is what it gets.
            Policy::WrongCertificate => continue,
            Policy::Enforced | Policy::Expired => text("enforce", &host.host()),
            Policy::Testing => text("testing", &host.host()),
            Policy::OtherHost => text("enforce", "elsewhere.test"),
            Policy::NotFound => "return 404;".to_owned(),
            Policy::Redirect => "return 301 https://mta-sts.sound.plain/.well-known/mta-sts.txt;".to_owned(),
        };
        serve(&name, &authority.chain(chain, &name), &content);
    }
    config.push_str("}\n");
    let file = home.join("nginx.conf");
    fs::write(&file, config).unwrap();
    file
}
