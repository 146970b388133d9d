//! The texts of a world: TXT records and policies, sound in many ways and broken in exactly one.

use crate::chance::{Draw, Stream};
use crate::defect::Defect;
use crate::domain::{Domain, Hosting, Mail, Mode};
use crate::epoch::Since;
use crate::world::World;

/// The TXT records at `_mta-sts.<name>` (RFC 8461 §3.1), each as its character-strings.
pub(crate) fn sts_records(world: &World, domain: &Domain, defect: Option<Defect>) -> Vec<Vec<Vec<u8>>> {
    let draw = world.draw(Stream::RecordStyle, domain.index);
    let id = identifier(world, domain.index, 2 * domain.since.ids);
    let text = match defect {
        Some(Defect::RecordVersionCase) => {
            format!("{}; id={id};", draw.pick(&["v=stsv1", "v=STSV1", "v=Stsv1"]))
        }
        Some(Defect::RecordVersionSpelling) => {
            format!("{}; id={id};", draw.pick(&["v=MTASTS1", "v = STSv1"]))
        }
        Some(Defect::RecordVersionPosition) => format!("id={id}; v=STSv1;"),
        Some(Defect::RecordVersionDelimiter) => format!("v=STSv1{}id={id}", draw.pick(&[" ", ", ", ":"])),
        Some(Defect::RecordIdMissing) => (*draw.pick(&["v=STSv1;", "v=STSv1; note=soon;"])).to_owned(),
        Some(Defect::RecordIdCharacter) => {
            format!("v=STSv1; id={};", draw.pick(&["2024-01-15", "20240115T10:20", "v_1", "1.0"]))
        }
        Some(Defect::RecordIdTooLong) => format!("v=STSv1; id={id}{};", "0".repeat(33 - id.len().min(32))),
        Some(Defect::RecordIdEmpty) => (*draw.pick(&["v=STSv1; id=;", "v=STSv1; id="])).to_owned(),
        Some(Defect::RecordIdTemplate) => {
            format!("v=STSv1; id={};", draw.pick(&["<policy-id>", "${policy_id}", "{{ serial }}"]))
        }
        Some(Defect::RecordExtension) => {
            let long_name = "x".repeat(33);
            let long = format!("{long_name}=1");
            let extension = *draw.pick(&["mode: testing", long.as_str(), "n@te=1", "note=two words"]);
            format!("v=STSv1; id={id}; {extension};")
        }
        Some(Defect::RecordDelimiter) => format!("v=STSv1 ; id={id};"),
        Some(Defect::RecordDuplicateId) => {
            format!("v=STSv1; id={id}; id={};", identifier(world, domain.index, 1))
        }
        _ => match draw.below(5) {
            0 => format!("v=STSv1;id={id}"),
            1 => format!("v=STSv1; id={id}"),
            2 => format!("v=STSv1; note=mail; id={id};"),
            _ => format!("v=STSv1; id={id};"),
        },
    };
    let mut records = vec![segments(&text, draw.next(1))];
    if defect == Some(Defect::RecordMultiple) {
        let other = format!("v=STSv1; id={};", identifier(world, domain.index, 1));
        records.push(vec![other.into_bytes()]);
    } else if defect.is_none() && draw.next(2).hits(0.03) {
        // Records that do not begin `v=STSv1;` are discarded before they are counted.
        records.push(vec![b"site-verification=0123456789abcdef".to_vec()]);
    }
    records
}

/// The TXT records at `_smtp._tls.<name>` (RFC 8460 §3).
pub(crate) fn tlsrpt_records(
    world: &World,
    domain: &Domain,
    name: &str,
    defect: Option<Defect>,
) -> Vec<Vec<Vec<u8>>> {
    let draw = world.draw(Stream::TlsrptStyle, domain.index);
    let rua = format!("rua=mailto:tlsrpt@reports.{name}");
    let text = match defect {
        Some(Defect::TlsrptVersionCase) => {
            format!("{}; {rua}", draw.pick(&["v=tlsrptv1", "v=TLSRPTV1"]))
        }
        Some(Defect::TlsrptVersionSpelling) => {
            format!("{}; {rua}", draw.pick(&["v=TLSRPT1", "v = TLSRPTv1"]))
        }
        Some(Defect::TlsrptVersionPosition) => format!("{rua}; v=TLSRPTv1;"),
        Some(Defect::TlsrptVersionDelimiter) => format!("v=TLSRPTv1{}{rua}", draw.pick(&[" ", ", ", ":"])),
        Some(Defect::TlsrptRuaMissing) => (*draw.pick(&["v=TLSRPTv1;", "v=TLSRPTv1; note=soon;"])).to_owned(),
        Some(Defect::TlsrptUriScheme) => {
            let scheme = draw.pick(&["http", "ftp"]);
            format!("v=TLSRPTv1; rua={scheme}://reports.{name}/tlsrpt")
        }
        Some(Defect::TlsrptUriRawDelimiter) => format!("v=TLSRPTv1; {rua}!10m"),
        Some(Defect::TlsrptUriNoAt) => format!("v=TLSRPTv1; rua=mailto:tlsrpt.{name}"),
        Some(Defect::TlsrptUriAddress) => {
            let address = [format!("tlsrpt@{name}."), format!("tls@rpt@{name}")];
            format!("v=TLSRPTv1; rua=mailto:{}", draw.pick(&address))
        }
        Some(Defect::TlsrptUriTemplate) => "v=TLSRPTv1; rua=mailto:tlsrpt@<your-domain>".to_owned(),
        Some(Defect::TlsrptDelimiter) => {
            let spaced = [format!("v=TLSRPTv1 ; {rua}"), format!("v=TLSRPTv1; {rua} ")];
            draw.pick(&spaced).clone()
        }
        Some(Defect::TlsrptUriSpace) => format!("v=TLSRPTv1; rua=mailto:tls rpt@{name}"),
        Some(Defect::TlsrptUriEmpty) => "v=TLSRPTv1; rua=;".to_owned(),
        Some(Defect::TlsrptUriNoHost) => "v=TLSRPTv1; rua=https:///v1/tlsrpt".to_owned(),
        Some(Defect::TlsrptUriCharacter) => format!("v=TLSRPTv1; rua=mailto:<tlsrpt@reports.{name}>"),
        Some(Defect::TlsrptExtension) => {
            format!("v=TLSRPTv1; {rua}; {}", draw.pick(&["mode: testing", "n@te=1", "note=two words"]))
        }
        Some(Defect::TlsrptSinkNxdomain) => {
            format!("v=TLSRPTv1; rua={}.{name}", draw.pick(&["mailto:tlsrpt@gone", "https://gone"]))
        }
        Some(Defect::TlsrptSinkNoData) => {
            format!("v=TLSRPTv1; rua={}.{name}", draw.pick(&["mailto:tlsrpt@bare", "https://bare"]))
        }
        Some(Defect::TlsrptSinkNullMx) => format!("v=TLSRPTv1; rua=mailto:tlsrpt@nomail.{name}"),
        _ => match draw.below(5) {
            0 => format!("v=TLSRPTv1;{rua}"),
            1 => format!("v=TLSRPTv1; rua=https://reports.{name}/v1/tlsrpt"),
            2 => format!("v=TLSRPTv1; {rua},mailto:tls@reports.{name};"),
            3 => format!("v=TLSRPTv1; {rua}; note=mail"),
            _ => format!("v=TLSRPTv1; {rua}"),
        },
    };
    let mut records = vec![segments(&text, draw.next(1))];
    if defect == Some(Defect::TlsrptMultiple) {
        records.push(vec![format!("v=TLSRPTv1; rua=mailto:second@reports.{name}").into_bytes()]);
    }
    records
}

/// The body that the policy host serves (RFC 8461 §3.2).
pub(crate) fn policy_body(world: &World, domain: &Domain, name: &str) -> Vec<u8> {
    let draw = world.draw(Stream::PolicyStyle, domain.index);
    let end = if draw.hits(0.4) { "\n" } else { "\r\n" };
    match domain.policy {
        Some(Defect::PolicyEmpty) => Vec::new(),
        Some(Defect::PolicyHtml) => format!(
            "<!DOCTYPE html>\n<html>\n<head><title>{name}</title></head>\n<body><h1>Welcome to {name}</h1></body>\n\
             </html>\n"
        )
        .into_bytes(),
        Some(Defect::PolicyJson) => format!(
            "{{\"version\": \"STSv1\", \"mode\": \"{}\", \"mx\": [\"mx1.{name}\"], \"max_age\": {}}}\n",
            domain.mode.as_str(),
            domain.max_age
        )
        .into_bytes(),
        Some(Defect::PolicyOther) => {
            b"This domain protects its mail with MTA-STS, see the documentation\n".to_vec()
        }
        Some(Defect::PolicyFrontMatter) => {
            let text = terminated(world, domain, name, draw, end);
            format!("---{end}layout: none{end}permalink: /.well-known/mta-sts.txt{end}---{end}{text}").into_bytes()
        }
        Some(Defect::PolicyBareCr) => fields(world, domain, name, draw).join("\r").into_bytes(),
        Some(Defect::PolicyBom) => format!("\u{feff}{}", terminated(world, domain, name, draw, end)).into_bytes(),
        Some(Defect::PolicyUtf16) => {
            let text = format!("\u{feff}{}", terminated(world, domain, name, draw, end));
            text.encode_utf16().flat_map(u16::to_le_bytes).collect()
        }
        _ => {
            let mut text = terminated(world, domain, name, draw, end);
            // The last line's end is optional.
            if domain.policy.is_none() && draw.next(3).hits(0.2) {
                text.truncate(text.len() - end.len());
            }
            text.into_bytes()
        }
    }
}

/// The patterns of the policy.
pub(crate) fn patterns(world: &World, domain: &Domain, name: &str) -> Vec<String> {
    if let Some(hosting) = domain.since.patterns_of {
        let before =
            Domain { hosting, mail: Mail::Hosts, matching: None, since: Since::default(), ..domain.clone() };
        return patterns(world, &before, name);
    }
    let hosts: Vec<String> =
        world.mx_hosts(domain).into_iter().map(|(_, host)| world.mx_name(domain, name, host)).collect();
    if domain.mail == Mail::Implicit {
        return vec![name.to_owned()];
    }
    if hosts.is_empty() {
        return vec![format!("mail.{name}")];
    }
    let Some(defect) = domain.matching else { return sound(world, domain, name, &hosts) };
    if defect == Defect::PatternUnused {
        let mut patterns = sound(world, domain, name, &hosts);
        patterns.push(format!("legacy-relay.{name}"));
        return patterns;
    }
    let (right, wrong) =
        if defect.is_mismatch_all() { hosts.split_at(0) } else { hosts.split_at(hosts.len() - 1) };
    let style = world.draw(Stream::Match, domain.index).next(1);
    let mut patterns = right.to_vec();
    for host in wrong {
        let pattern = distorted(defect, host, name, style);
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    patterns
}

fn sound(world: &World, domain: &Domain, name: &str, hosts: &[String]) -> Vec<String> {
    if !world.draw(Stream::Match, domain.index).next(2).hits(0.35) {
        return hosts.to_vec();
    }
    let parent = match domain.hosting {
        Hosting::Own { deep: false, .. } => name.to_owned(),
        Hosting::Own { deep: true, .. } => format!("in.{name}"),
        Hosting::Operator(operator) => format!("in.post{operator}.example"),
        Hosting::Mixed(_) => return hosts.to_vec(),
    };
    vec![format!("*.{parent}")]
}

/// A pattern that misses the host in exactly one way.
fn distorted(defect: Defect, host: &str, name: &str, style: Draw) -> String {
    let (rest, top) = host.rsplit_once('.').expect("an MX host's name has labels");
    match defect {
        Defect::MismatchAllTld | Defect::MismatchSomeTld => {
            let other = if top == "example" { "test" } else { "example" };
            format!("{rest}.{other}")
        }
        Defect::MismatchAllLabel | Defect::MismatchSomeLabel => format!("relay.{host}"),
        Defect::MismatchAllMtaStsHost | Defect::MismatchSomeMtaStsHost => format!("mta-sts.{name}"),
        Defect::MismatchAllTypo | Defect::MismatchSomeTypo => misspelt(rest, top),
        Defect::MismatchAllWildcardDepth | Defect::MismatchSomeWildcardDepth => {
            let above =
                host.splitn(3, '.').nth(2).expect("a host that is to be missed by depth has four labels");
            format!("*.{above}")
        }
        _ => format!("mail.{}.example", style.pick(&["former-provider", "previous-hosting", "old-exchange"])),
    }
}

/// Another spelling of the label before the top one: a letter is doubled.
fn misspelt(rest: &str, top: &str) -> String {
    let (head, label) = rest.rsplit_once('.').expect("an MX host's name has three labels");
    let doubled = &label[..1];
    format!("{head}.{doubled}{label}.{top}")
}

fn terminated(world: &World, domain: &Domain, name: &str, draw: Draw, end: &str) -> String {
    fields(world, domain, name, draw).iter().flat_map(|line| [line.as_str(), end]).collect()
}

fn fields(world: &World, domain: &Domain, name: &str, draw: Draw) -> Vec<String> {
    let defect = domain.policy;
    let space = if draw.next(4).hits(0.1) { "" } else { " " };
    let mut lines = Vec::new();
    match defect {
        Some(Defect::PolicyVersionMissing) => {}
        Some(Defect::PolicyVersionWrong) => {
            lines.push(format!("version:{space}{}", draw.next(5).pick(&["STSv2", "stsv1", "1"])));
        }
        _ => lines.push(format!("version:{space}STSv1")),
    }
    match defect {
        Some(Defect::PolicyModeMissing) => {}
        Some(Defect::PolicyModeUnknown) => {
            lines.push(format!("mode:{space}{}", draw.next(6).pick(&["Enforce", "enforced", "report"])));
        }
        Some(Defect::PolicyTemplate) => {
            lines.push(format!(
                "mode:{space}{}",
                draw.next(6).pick(&["[enforce|testing|none]", "{{ mode }}"])
            ));
        }
        _ => lines.push(format!("mode:{space}{}", domain.mode.as_str())),
    }
    if defect != Some(Defect::PolicyMxMissing) && !(domain.mode == Mode::None && draw.next(7).hits(0.5)) {
        lines.extend(patterns(world, domain, name).into_iter().map(|p| format!("mx:{space}{p}")));
    }
    lines.extend(
        wrong_pattern(defect, name, draw.next(8)).map(|p| format!("mx:{space}{p}").trim_end().to_owned()),
    );
    match defect {
        Some(Defect::PolicyMaxAgeMissing) => {}
        Some(Defect::PolicyMaxAgeNotANumber) => {
            lines.push(format!("max_age:{space}{}", draw.next(9).pick(&["604800s", "1d", "-1", "2.5e6"])));
        }
        Some(Defect::PolicyMaxAgeTooLarge) => {
            lines.push(format!(
                "max_age:{space}{}",
                draw.next(9).pick(&["31557601", "63115200", "315576000"])
            ));
        }
        _ => lines.push(format!("max_age:{space}{}", domain.max_age)),
    }
    match defect {
        Some(Defect::PolicyDuplicateVersion) => lines.push("version: STSv1".to_owned()),
        Some(Defect::PolicyDuplicateMode) => lines.push("mode: testing".to_owned()),
        Some(Defect::PolicyDuplicateMaxAge) => lines.push("max_age: 86400".to_owned()),
        Some(Defect::PolicyBlankLine) => {
            let line = (draw.next(10).below(lines.len() as u64)) as usize;
            lines.insert(line, String::new());
        }
        Some(Defect::PolicyIndent) => {
            let line = (draw.next(10).below(lines.len() as u64)) as usize;
            lines[line].insert(0, ' ');
        }
        Some(Defect::PolicyBlankBeforeColon) => {
            let line = (draw.next(10).below(lines.len() as u64)) as usize;
            lines[line] = lines[line].replacen(':', " :", 1);
        }
        Some(defect) if extra_line(defect).is_some() => {
            let line = (draw.next(10).below(lines.len() as u64)) as usize;
            lines.insert(line, extra_line(defect).unwrap_or_default().to_owned());
        }
        Some(Defect::PolicyCommentTail) => lines[0].push_str("  # as the standard has it"),
        None if draw.next(11).hits(0.05) => lines.push("contact: the postmaster, by mail".to_owned()),
        None if draw.next(12).hits(0.05) => {
            // Blanks at a line's end are allowed.
            lines[0].push_str("  ");
        }
        _ => {}
    }
    lines
}

/// A line that no grammar has, and that takes nothing from the others.
fn extra_line(defect: Defect) -> Option<&'static str> {
    Some(match defect {
        Defect::PolicyCommentLine => "# published by the postmaster",
        Defect::PolicyNoColon => "published by the postmaster",
        Defect::PolicyKey => "last changed: 2024-05-01",
        Defect::PolicyValue => "contact:",
        _ => return None,
    })
}

fn wrong_pattern(defect: Option<Defect>, name: &str, draw: Draw) -> Option<String> {
    Some(match defect? {
        Defect::PolicyMxEmail => format!("postmaster@{name}"),
        Defect::PolicyMxIp => format!("192.0.2.{}", 1 + draw.below(254)),
        Defect::PolicyMxComma => format!("relay1.{name}, relay2.{name}"),
        Defect::PolicyMxPreference => {
            draw.pick(&["10 relay.", "Priority 5: relay.", "Priority: relay."]).to_string() + name
        }
        Defect::PolicyMxRoot => ".".to_owned(),
        Defect::PolicyMxTrailingDot => format!("relay.{name}."),
        Defect::PolicyMxWildcard => draw.pick(&["relay.*.", "*.*.", "re*."]).to_string() + name,
        Defect::PolicyMxULabel => format!("b\u{fc}ro.{name}"),
        Defect::PolicyMxEmpty => String::new(),
        Defect::PolicyMxLabel => draw.pick(&["re_lay.", "-relay.", "relay-."]).to_string() + name,
        _ => return None,
    })
}

/// An `id`: fourteen digits and a letter, as most have.
fn identifier(world: &World, index: u64, version: u64) -> String {
    let draw = world.draw(Stream::Identifier, index).next(version);
    format!("{}Z", 20_200_101_000_000 + draw.below(60_000_000_000))
}

/// A record as one character-string, or now and then as two, which are joined without a space.
fn segments(text: &str, draw: Draw) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let cut =
        if draw.hits(0.05) { 1 + draw.next(1).below(bytes.len() as u64 - 1) as usize } else { bytes.len() };
    let (first, second) = bytes.split_at(cut);
    [first, second]
        .into_iter()
        .filter(|part| !part.is_empty())
        .flat_map(|part| part.chunks(255))
        .map(<[u8]>::to_vec)
        .collect()
}
