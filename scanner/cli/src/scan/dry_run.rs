//! What a scan would send, to whom and how fast, in words.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::time::Duration;

use indicatif::{HumanCount, HumanDuration};
use mxray_engine::{Amount, Plan, ScanConfig};
use mxray_study::Grid;

use crate::palette::Palette;

/// The plan, to be read before anybody is asked anything.
pub(super) fn text(plan: &Plan, config: &ScanConfig) -> String {
    let palette = Palette::stdout();
    let mut text = format!("{}: nothing was sent, not even a DNS query\n\n", palette.heading("dry run"));
    let mut say = |name: &str, words: String| {
        let _ = writeln!(text, "  {name:<10} {words}");
    };
    if plan.already_complete {
        say("into", format!("{}, which is complete: nothing would be done", plan.folder.display()));
        return text;
    }
    input(plan, config, &mut say);
    let new = if config.resume { "where its journal ends" } else { "a new folder" };
    say("into", format!("{}, {new}", plan.folder.display()));
    say("who asks", format!("EHLO {}; User-Agent: {}", plan.ehlo_name, plan.user_agent));
    let resolvers: Vec<String> = plan.resolvers.iter().map(ToString::to_string).collect();
    say("resolvers", resolvers.join(", "));
    text += "\n";
    text += &amounts(plan, config).indented("  ");
    let _ = writeln!(
        text,
        "  surely: whatever the answers say; likely: if the domains are as those of a toplist; at most: whatever \n  \
         strangers write into their zones. A lookup is one query, and {} at most where resolvers fail.\n",
        plan.queries_a_lookup_max
    );
    text += &pace(plan, config);
    for warning in &plan.warnings {
        let _ = writeln!(text, "\n{}: {warning}", palette.doubtful("warning"));
    }
    text
}

fn input(plan: &Plan, config: &ScanConfig, say: &mut impl FnMut(&str, String)) {
    let inputs: Vec<String> = config.inputs.iter().map(ToString::to_string).collect();
    say("input", inputs.join(", "));
    if config.resume {
        let (done, owed) = (HumanCount(plan.lines_committed), HumanCount(plan.owed));
        say(
            "",
            format!(
                "{done} lines are done, and {owed} MX hosts, sessions and policies of these are still owed"
            ),
        );
    }
    let rejected: u64 = plan.rejects.values().sum();
    let (lines, domains) = (HumanCount(plan.lines), HumanCount(plan.domains));
    say("", format!("{lines} lines = {domains} domains + {} rejects", HumanCount(rejected)));
    if rejected > 0 {
        let reasons: Vec<String> =
            plan.rejects.iter().map(|(reason, count)| format!("{} {reason}", HumanCount(*count))).collect();
        say("rejects", reasons.join(", "));
    }
    if !plan.examples.is_empty() {
        let more = if plan.domains > plan.examples.len() as u64 { ", …" } else { "" };
        say("domains", format!("{}{more}", plan.examples.join(", ")));
    }
    let list = match &config.opt_out {
        Some(path) => format!(
            "{} lines of the input; {} holds {} domains, and {} addresses and prefixes",
            HumanCount(plan.rejects.get("opt-out").copied().unwrap_or(0)),
            path.display(),
            plan.opted_out.0,
            plan.opted_out.1
        ),
        None => "no list: --opt-out names one".to_owned(),
    };
    say("opted out", list);
}

fn amounts(plan: &Plan, config: &ScanConfig) -> Grid {
    let mut grid = Grid::new(&["what is sent", ">surely", ">likely", ">at most", "to whom"]);
    let mut push = |what: &str, amount: Amount, whom: String| {
        let count = |number| HumanCount(number).to_string();
        grid.push(vec![
            what.to_owned(),
            count(amount.surely),
            count(amount.likely),
            count(amount.at_most),
            whom,
        ]);
    };
    push("DNS lookups", plan.lookups, "the resolvers".to_owned());
    push(
        "policy fetches",
        plan.policy_connections,
        format!("mta-sts.<domain>, port {}: GET /.well-known/mta-sts.txt", config.https_port),
    );
    push(
        "SMTP sessions",
        plan.smtp_connections,
        format!("MX hosts, port {}: EHLO, STARTTLS, EHLO, QUIT", config.smtp_port),
    );
    grid
}

fn pace(plan: &Plan, config: &ScanConfig) -> String {
    let limits = &plan.pacing;
    let mut grid = Grid::new(&["pace", ">at a time", ">a second"]);
    let a_second = |rate: Option<NonZeroU32>| {
        rate.map_or("no limit".to_owned(), |rate| HumanCount(rate.get().into()).to_string())
    };
    for (name, places, rate) in [
        ("domains", config.concurrency as u64, a_second(config.rate)),
        ("connections, to everybody", limits.connections_max.into(), "no limit".to_owned()),
        (
            "connections that take longer than a second",
            limits.slow_connections_max.into(),
            "no limit".to_owned(),
        ),
        ("connections to an address", limits.address_connections_max.into(), a_second(limits.address_rate)),
        (
            "connections to a prefix (/24, /48)",
            limits.prefix_connections_max.into(),
            a_second(limits.prefix_rate),
        ),
        (
            "connections to an operator",
            limits.operator_connections_max.into(),
            a_second(limits.operator_rate),
        ),
    ] {
        grid.push(vec![name.to_owned(), HumanCount(places).to_string(), rate]);
    }
    let mut text = grid.indented("  ");
    let refusals = if config.refusal_backoff.is_zero() {
        "a server that has no time (421, 4xx, 429, 503) is not left alone".to_owned()
    } else {
        format!(
            "a server that has no time (421, 4xx, 429, 503) is left alone for {}, then twice as long each time",
            spoken(config.refusal_backoff)
        )
    };
    let _ = writeln!(text, "  {refusals}; asked again {} times at most", config.refusal_retries);
    let policies = if config.policy_backoff.is_zero() {
        "at once".to_owned()
    } else {
        format!("no sooner than {} after it failed", spoken(config.policy_backoff))
    };
    let _ = writeln!(
        text,
        "  a policy fetch that fails is made again by --resume alone, after a crash: {policies}\n"
    );
    let _ = writeln!(
        text,
        "  takes      about {} where resolvers answer, {} where none does; sessions with one operator go on behind",
        spoken(Duration::from_secs_f64(plan.seconds_likely)),
        spoken(Duration::from_secs_f64(plan.seconds_unanswered)),
    );
    text
}

fn spoken(time: Duration) -> String {
    if time.as_secs() < 10 {
        format!("{:.1} seconds", time.as_secs_f64())
    } else {
        HumanDuration(time).to_string()
    }
}
