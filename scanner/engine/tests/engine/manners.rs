//! What was promised, held against what servers saw: the ledger of the world, by address, by prefix and by operator.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;
use std::time::Duration;

use mxray_engine::{PacingLimits, ScanConfig};
use mxray_evidence::{HowEnded, PolicyRow, RunDir, SmtpSessionRow};
use mxray_lab::WorldParams;
use parquet::record::{Field, Row};

use crate::bench::{Bench, rows};

/// A server notes a connection's beginning when it has accepted it, and its end when it has noticed it: on a busy machine so
/// much later than it was.
const LAG_US: i64 = 250_000;

/// A connection that a server saw.
struct Seen {
    began_us: i64,
    ended_us: i64,
    address: String,
    commands: String,
    handshake: bool,
    quit: bool,
    policy: Option<String>,
}

fn field<'a>(row: &'a Row, name: &str) -> &'a Field {
    row.get_column_iter().find(|(column, _)| *column == name).map_or(&Field::Null, |(_, field)| field)
}

fn text(row: &Row, name: &str) -> Option<String> {
    if let Field::Str(text) = field(row, name) { Some(text.clone()) } else { None }
}

fn seen(row: &Row) -> Seen {
    let Field::TimestampMicros(began_us) = field(row, "time") else { panic!("a time") };
    let Field::ULong(elapsed_us) = field(row, "elapsed_us") else { panic!("a duration") };
    Seen {
        began_us: *began_us,
        ended_us: began_us + elapsed_us.cast_signed(),
        address: text(row, "address").expect("an address"),
        commands: text(row, "commands").unwrap_or_default(),
        handshake: *field(row, "handshake") == Field::Bool(true),
        quit: *field(row, "quit") == Field::Bool(true),
        policy: text(row, "request").and(text(row, "sni")),
    }
}

/// The most that were under way at a time, and by how much of its interval the earliest came too early for the rate, in
/// seconds: what is begun is at most `burst` and `rate` for each second that has passed.
fn pressure(seen: &[&Seen], rate: Option<NonZeroU32>) -> (i32, f64) {
    let mut edges: Vec<(i64, i32)> = seen
        .iter()
        .filter(|seen| seen.ended_us - seen.began_us > LAG_US)
        .flat_map(|seen| [(seen.began_us, 1), (seen.ended_us - LAG_US, -1)])
        .collect();
    edges.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, step) in edges {
        now += step;
        most = most.max(now);
    }
    let mut began: Vec<i64> = seen.iter().map(|seen| seen.began_us).collect();
    began.sort_unstable();
    let mut early: f64 = 0.0;
    if let Some(rate) = rate {
        let (rate, burst) = (f64::from(rate.get()), (f64::from(rate.get()) / 50.0).floor().max(1.0));
        for (index, from) in began.iter().enumerate() {
            for (further, to) in began[index..].iter().enumerate() {
                let due = (further as f64 + 1.0 - burst) / rate;
                early = early.max(due - (to - from) as f64 / 1e6);
            }
        }
    }
    (most, early)
}

fn rate(a_second: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(a_second)
}

/// Holds what one kind of key was promised; says what was seen of the key under most pressure.
fn hold(kind: &str, by_key: &BTreeMap<String, Vec<&Seen>>, places: i32, rate: Option<NonZeroU32>) -> i32 {
    let mut busiest = 0;
    for (key, seen) in by_key {
        let (most, early) = pressure(seen, rate);
        assert!(most <= places, "{kind} {key}: {most} at a time, and {places} were promised");
        assert!(early <= LAG_US as f64 / 1e6, "{kind} {key}: {early} s too early for {rate:?} a second");
        busiest = busiest.max(most);
    }
    busiest
}

#[test]
fn the_ledger_proves_what_was_promised_by_address_prefix_and_operator() {
    let bench = Bench::new(20, WorldParams::clean());
    let names = std::fs::read_to_string(bench.lab.names_path()).expect("names");
    let trouble = |word: &str, numbers: &mut dyn Iterator<Item = u32>| -> String {
        numbers.fold(String::new(), |text, n| text + &format!("{word}-{n}.example\n"))
    };
    let input = bench.input(
        "list",
        names
            // Many names at one address; many addresses in one prefix; some of them the same address; many prefixes of one
            // operator.
            + &trouble("crowd", &mut (0..40))
            + &trouble("tarpit", &mut (0..8).map(|n| n * 32))
            + &trouble("tarpit", &mut (0..4).map(|n| 1 + n * 8_128))
            + &trouble("swamp", &mut (2..26)),
    );
    let pacing = PacingLimits {
        address_connections_max: 2,
        address_rate: rate(20),
        prefix_connections_max: 5,
        prefix_rate: rate(50),
        operator_connections_max: 8,
        operator_rate: rate(40),
        ..bench.config(input.clone(), "run").pacing
    };
    let config = ScanConfig {
        pacing,
        smtp_timeout: Duration::from_secs(2),
        policy_timeout: Duration::from_secs(2),
        ..bench.config(input, "run")
    };
    assert_eq!(bench.scan(config).expect("a scan").how, HowEnded::Completed);
    let run = bench.out("run");
    // What was promised stands in the manifest.
    let manifest = RunDir::new(&run).read_manifest().expect("a manifest");
    let promised: PacingLimits =
        serde_json::from_value(manifest.config["pacing"].clone()).expect("the limits");
    assert_eq!(promised, pacing);

    let sessions = rows::<SmtpSessionRow>(&run);
    let policies = rows::<PolicyRow>(&run);
    // An operator is who has the registrable domain of an MX host; only where it is the address' only one can it be told.
    let mut operators: HashMap<&str, HashSet<String>> = HashMap::new();
    for row in &sessions {
        let labels: Vec<&str> = row.host.rsplitn(3, '.').collect();
        operators.entry(&row.address).or_default().insert(format!("{}.{}", labels[1], labels[0]));
    }
    let ledgers = bench.stop();
    let (smtp, https) = (ledgers.read("smtp.parquet", seen), ledgers.read("https.parquet", seen));
    assert!(
        smtp.len() >= sessions.len() && https.len() >= policies.len(),
        "{} and {}",
        smtp.len(),
        https.len()
    );

    let (mut addresses, mut prefixes, mut by_operator) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for seen in smtp.iter().chain(&https) {
        addresses.entry(seen.address.clone()).or_insert_with(Vec::new).push(seen);
        let prefix = seen.address.rsplit_once('.').expect("an IPv4 address").0;
        prefixes.entry(prefix.to_owned()).or_insert_with(Vec::new).push(seen);
    }
    for seen in &smtp {
        if let Some(operator) = operators.get(seen.address.as_str()).filter(|names| names.len() == 1) {
            let operator = operator.iter().next().expect("one").clone();
            by_operator.entry(operator).or_insert_with(Vec::new).push(seen);
        }
    }
    // Each limit was reached, or nothing would be shown.
    assert_eq!(hold("address", &addresses, 2, pacing.address_rate), 2);
    assert_eq!(hold("prefix", &prefixes, 5, pacing.prefix_rate), 5);
    assert_eq!(hold("operator", &by_operator, 8, pacing.operator_rate), 8);

    // QUIT wherever somebody was left to hear it.
    let completed: HashSet<&str> =
        sessions.iter().filter(|row| row.ending.is_completed()).map(|row| row.address.as_str()).collect();
    assert!(completed.len() > 20);
    for seen in smtp.iter().filter(|seen| completed.contains(seen.address.as_str()) && seen.handshake) {
        assert!(
            seen.quit && seen.commands == "EHLO STARTTLS EHLO QUIT",
            "{}: {}",
            seen.address,
            seen.commands
        );
    }
    // No policy is asked for twice.
    let mut asked = HashSet::new();
    assert!(https.iter().filter_map(|seen| seen.policy.as_ref()).all(|host| asked.insert(host)));
    assert!(!asked.is_empty());
}
