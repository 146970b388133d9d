//! `check` as SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format), for what gathers the results of many tools.

use mxray_rules::{Effect, Rule, rules};
use serde_json::{Value, json};

use super::assessment::{Assessment, Problem};
use crate::exit::Exit;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A log of one run: the codebook as its rules, a result a finding, at the domain as its logical location. A violation has the kind
/// `fail` and its effect as level; what could not be measured has the kind `open` (§3.27.9), which is neither pass nor fail.
pub(super) fn log(assessments: &[Assessment], exit: Exit) -> Value {
    let results: Vec<Value> =
        assessments.iter().flat_map(|of| of.violations().chain(&of.unmeasured)).map(result).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "mxray",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules().iter().map(descriptor).collect::<Vec<_>>(),
            }},
            "invocations": [{ "executionSuccessful": true, "exitCode": exit.code() }],
            "results": results,
        }],
    })
}

fn descriptor(rule: &Rule) -> Value {
    let mut value = json!({
        "id": rule.name,
        "shortDescription": { "text": rule.summary },
        "help": { "text": format!("{} ({})", rule.advice, rule.section) },
        "defaultConfiguration": { "level": level(rule.effect.as_str()) },
        "properties": { "section": rule.section, "effect": rule.effect.as_str(), "tags": [rule.id.axis().as_str()] },
    });
    if let Some(uri) = address(rule.section) {
        value["helpUri"] = uri.into();
    }
    value
}

fn result(problem: &Problem) -> Value {
    let of = &problem.finding;
    let is_open = of.outcome == "unknown";
    let cause = of.cause.as_ref().map_or(String::new(), |cause| format!(" ({cause})"));
    let seen = of.detail.as_ref().map_or(String::new(), |detail| format!(": {detail}"));
    let text = if is_open {
        format!("Not measured at {}{seen}", of.subject)
    } else {
        format!("{}{cause}, at {}{seen}", problem.summary, of.subject)
    };
    let words = [&of.domain, &of.subject, &of.rule, of.cause.as_deref().unwrap_or_default()];
    let fingerprint = words.join("|");
    let index = rules().iter().position(|rule| rule.name == of.rule);
    json!({
        "ruleId": of.rule,
        "ruleIndex": index,
        "kind": if is_open { "open" } else { "fail" },
        "level": if is_open { "none" } else { level(&of.effect) },
        "message": { "text": text },
        "locations": [{ "logicalLocations": [{
            "name": of.domain,
            "fullyQualifiedName": of.domain,
            "kind": "resource",
        }]}],
        "partialFingerprints": { "domainSubjectRuleCause/v1": fingerprint },
        "properties": { "subject": of.subject, "cause": of.cause, "effect": of.effect },
    })
}

/// How grave an effect on mail is.
fn level(effect: &str) -> &'static str {
    if effect == Effect::Refuse.as_str() {
        "error"
    } else if effect == Effect::None.as_str() {
        "note"
    } else {
        "warning"
    }
}

/// Where the first of the sections can be read: `RFC 8461 §3.1, §3.2`.
fn address(section: &str) -> Option<String> {
    let (number, sections) = section.strip_prefix("RFC ")?.split_once(" §")?;
    let first = sections.split(',').next()?;
    Some(format!("https://www.rfc-editor.org/rfc/rfc{number}#section-{first}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_can_be_read_somewhere() {
        assert_eq!(
            address("RFC 8461 §3.1, §3.2").as_deref(),
            Some("https://www.rfc-editor.org/rfc/rfc8461#section-3.1")
        );
        for rule in rules() {
            let address = address(rule.section).unwrap_or_else(|| panic!("{}: {}", rule.name, rule.section));
            let (_, section) = address.split_once("#section-").expect("a section");
            assert!(section.chars().all(|c| c.is_ascii_digit() || c == '.'), "{address}");
        }
    }
}
