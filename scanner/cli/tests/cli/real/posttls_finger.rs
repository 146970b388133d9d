//! Postfix's own client, and what it says of a mail host.

use std::path::Path;

use super::name_servers::program;

/// What `posttls-finger` says of a domain's mail host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finger {
    /// `verified`, `trusted`, `untrusted`, `anonymous`, or what came in the place of TLS.
    pub(crate) verdict: String,
    /// The version and the suite, where TLS stood.
    pub(crate) spoke: String,
    /// All that it said.
    pub(crate) said: String,
}

/// The level at which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Any TLS will do; without a certificate only where there is no other.
    May,
    /// A certificate that leads to the root, for the host's name, which it says as SNI.
    Verify,
    /// DANE, and no authority beside it.
    Dane,
}

/// Asks it.
pub(crate) fn finger(domain: &str, level: Level, root: &Path) -> Finger {
    const WITH_CERTIFICATE: &[&str] = &["-o", "tls_medium_cipherlist=HIGH:MEDIUM:!aNULL"];
    let with_certificate = if level == Level::May { WITH_CERTIFICATE } else { &[] };
    let mut finger = ask(domain, level, with_certificate, root);
    if level == Level::May && finger.verdict == "handshake fails" {
        finger = ask(domain, level, &[], root);
    }
    finger
}

fn ask(domain: &str, level: Level, options: &[&str], root: &Path) -> Finger {
    let mut command = program("posttls-finger");
    match level {
        Level::May => command.args(["-l", "may"]),
        Level::Verify => command.args(["-l", "verify", "-s", "hostname"]).arg("-F").arg(root),
        Level::Dane => command.args(["-l", "dane-only"]),
    };
    let output = command.args(options).args(["-t", "10", "-T", "10", domain]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let said = said.into_owned();
    let established = said.lines().find(|line| line.contains(ESTABLISHED));
    let spoke = established.and_then(|line| line.rsplit_once(":25: ")).map_or("", |(_, words)| words);
    let spoke = spoke.split(" (").next().unwrap_or_default().replace(" with cipher", "");
    Finger { verdict: verdict(&said), spoke, said }
}

/// Asks about several at a time, and gives the answers in their order.
pub(crate) fn at_once<H: Sync, T: Send>(hosts: &[H], ask: impl Fn(&H) -> T + Sync) -> Vec<T> {
    let share = hosts.len().div_ceil(8);
    std::thread::scope(|scope| {
        let ask = &ask;
        let threads: Vec<_> = hosts
            .chunks(share)
            .map(|hosts| scope.spawn(move || hosts.iter().map(ask).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

const ESTABLISHED: &str = " TLS connection established to ";

fn verdict(said: &str) -> String {
    let line = |words: &str| said.lines().find(|line| line.contains(words));
    let after = |words: &str, text: &str| text.split(words).nth(1).map(str::to_owned).unwrap_or_default();
    let signs = [
        ("no TLSA records found", "no TLSA"),
        ("no usable TLSA records found", "unusable TLSA"),
        ("TLSA lookup error", "TLSA lookup fails"),
        ("SSL_connect error", "handshake fails"),
        ("Failed to establish session", "no answer"),
        ("lookup failed", "no address"),
    ];
    if let Some((_, word)) = signs.iter().find(|(sign, _)| line(sign).is_some()) {
        return (*word).to_owned();
    }
    if let Some(line) = line(ESTABLISHED) {
        return after(": ", line).split(' ').next().unwrap_or_default().to_lowercase();
    }
    if let Some(line) = line("SMTP service not available: ") {
        return format!("refused {}", after("not available: ", line).get(..3).unwrap_or_default());
    }
    // What the server answered last, and to what.
    let mut exchange = said.lines().filter_map(|line| line.strip_prefix("posttls-finger: "));
    let refusal = |line: &&str| line.starts_with("< 4") || line.starts_with("< 5");
    let asked =
        exchange.by_ref().take_while(|line| !refusal(line)).filter(|line| line.starts_with("> ")).last();
    match (asked, said.lines().find(|line| refusal(&line.trim_start_matches("posttls-finger: ")))) {
        (Some("> STARTTLS"), Some(_)) => "STARTTLS refused".to_owned(),
        (Some(_), Some(reply)) => format!("refused {}", after("< ", reply).get(..3).unwrap_or_default()),
        (_, None) if line("> STARTTLS").is_none() && line("Connected to").is_some() => {
            "no STARTTLS".to_owned()
        }
        _ => format!("? {said}"),
    }
}
