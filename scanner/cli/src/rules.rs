//! `mxray rules`: the codebook.

use std::fmt::Write;

use clap::Args;
use mxray_rules::{AcrossRule, CauseDoc, Rule, across_rules, remark, rules};
use mxray_study::Grid;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::format::DocumentFormat;
use crate::palette::Palette;
use crate::stdout;

/// Shows the codebook: every rule, its section, its effect on a sender, its sub-causes, and what to do about it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mxray rules mx-policy-mismatch-all
  mxray rules --format markdown")]
pub(crate) struct RulesArgs {
    /// The rule to show; all of them without.
    rule: Option<String>,
    /// In which form.
    #[arg(long, value_enum, default_value = "text")]
    format: DocumentFormat,
}

pub(crate) fn run(args: &RulesArgs) -> Result<Exit, Failure> {
    let rules = chosen(args.rule.as_deref())?;
    match args.format {
        DocumentFormat::Text => stdout::write(&text(&rules, Palette::stdout()))?,
        DocumentFormat::Markdown => stdout::write(&markdown(&rules))?,
        DocumentFormat::Json => stdout::write_json(&as_json(&rules))?,
    }
    Ok(Exit::Done)
}

/// A rule, of one run or across runs.
struct Entry {
    name: &'static str,
    summary: &'static str,
    section: &'static str,
    subject: &'static str,
    effect: &'static str,
    report_type: Option<&'static str>,
    advice: &'static str,
    causes: &'static [CauseDoc],
    /// Runs that it takes.
    runs: u8,
}

impl From<&Rule> for Entry {
    fn from(rule: &Rule) -> Self {
        Self {
            name: rule.name,
            summary: rule.summary,
            section: rule.section,
            subject: rule.subject.as_str(),
            effect: rule.effect.as_str(),
            report_type: rule.report_type,
            advice: rule.advice,
            causes: rule.causes,
            runs: 1,
        }
    }
}

impl From<&AcrossRule> for Entry {
    fn from(rule: &AcrossRule) -> Self {
        Self {
            name: rule.name,
            summary: rule.summary,
            section: rule.section,
            subject: rule.subject.as_str(),
            effect: rule.effect.as_str(),
            report_type: None,
            advice: rule.advice,
            causes: rule.causes,
            runs: 2,
        }
    }
}

/// Those of one run, then those across runs.
fn chosen(name: Option<&str>) -> Result<Vec<Entry>, Failure> {
    let mut all: Vec<Entry> =
        rules().iter().map(Entry::from).chain(across_rules().iter().map(Entry::from)).collect();
    let Some(name) = name else { return Ok(all) };
    all.retain(|rule| rule.name == name);
    if all.is_empty() {
        return Err(Failure::refused(format!("there is no rule {name:?}; `mxray rules` shows all of them")));
    }
    Ok(all)
}

fn text(rules: &[Entry], palette: Palette) -> String {
    let mut text = String::new();
    for (place, rule) in rules.iter().enumerate() {
        if place > 0 {
            text.push('\n');
        }
        let _ = writeln!(text, "{}  {}", palette.heading(rule.name), palette.faint(rule.section));
        let mut line = |title: &str, words: &str| {
            let _ = writeln!(text, "  {title:<9}{words}");
        };
        line("violated", rule.summary);
        line("subject", rule.subject);
        line("effect", rule.effect);
        if let Some(report_type) = rule.report_type {
            line("reports", report_type);
        }
        if rule.runs > 1 {
            line("judged", "by mxray diff, over two runs or more");
        }
        line("change", rule.advice);
        let width = rule.causes.iter().map(|cause| cause.name.chars().count()).max().unwrap_or(0);
        for (place, cause) in rule.causes.iter().enumerate() {
            line(
                if place == 0 { "causes" } else { "" },
                &format!("{:<width$}  {}", cause.name, cause.summary),
            );
        }
        if let Some(remark) = remark(rule.name) {
            line("note", remark);
        }
    }
    text
}

fn markdown(rules: &[Entry]) -> String {
    let mut text = "# Codebook\n".to_owned();
    for rule in rules {
        let _ = writeln!(text, "\n## {}\n\n{}\n", rule.name, rule.summary);
        let report = rule.report_type.map_or("none".to_owned(), |word| format!("`{word}`"));
        let _ = writeln!(text, "- Section: {}", rule.section);
        let _ = writeln!(text, "- Subject: `{}`", rule.subject);
        let _ = writeln!(text, "- Effect where a policy is enforced: `{}`", rule.effect);
        let _ = writeln!(text, "- Result type a sender reports (RFC 8460 §4.3): {report}");
        if rule.runs > 1 {
            let _ = writeln!(text, "- Judged by `mxray diff`, over two runs or more");
        }
        let _ = writeln!(text, "- What to change: {}", rule.advice);
        if !rule.causes.is_empty() {
            let mut grid = Grid::new(&["sub-cause", "meaning"]);
            for cause in rule.causes {
                grid.push(vec![format!("`{}`", cause.name), cause.summary.to_owned()]);
            }
            let _ = write!(text, "\n{}", grid.to_markdown());
        }
        if let Some(remark) = remark(rule.name) {
            let _ = writeln!(text, "\n{remark}");
        }
    }
    text
}

fn as_json(rules: &[Entry]) -> Vec<Value> {
    rules.iter().map(rule_json).collect()
}

fn rule_json(rule: &Entry) -> Value {
    let causes: Vec<Value> =
        rule.causes.iter().map(|cause| json!({ "name": cause.name, "summary": cause.summary })).collect();
    json!({
        "rule": rule.name,
        "summary": rule.summary,
        "section": rule.section,
        "subject": rule.subject,
        "effect": rule.effect,
        "report_type": rule.report_type,
        "advice": rule.advice,
        "causes": causes,
        "remark": remark(rule.name),
        "runs": rule.runs,
    })
}
