//! What of a domain makes `check` fail, where a pipeline says so.

use std::str::FromStr;

use mxray_rules::{Effect, Rule, RuleId, rules};

use super::assessment::{Assessment, Problem};
use crate::exit::Exit;

/// A word of `--fail-on`: which violations fail a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailOn {
    /// Those for which a sender refuses to deliver.
    Refuse,
    /// Those, and others that do something to mail as things are.
    Downgrade,
    /// Those of rules that bear on mail, also where no policy is in force: what is broken.
    Broken,
    /// All.
    Lint,
    /// None.
    Never,
    /// Those of a rule, whatever they do.
    Rule(RuleId),
}

impl FromStr for FailOn {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ok(match word {
            "refuse" => Self::Refuse,
            "downgrade" => Self::Downgrade,
            "broken" => Self::Broken,
            "lint" => Self::Lint,
            "never" => Self::Never,
            name => {
                let words =
                    "neither refuse, downgrade, broken, lint or never, nor a rule: `mxray rules` names them";
                Self::Rule(rule(name).ok_or(words)?.id)
            }
        })
    }
}

impl FailOn {
    /// Whether a violation of a rule fails, that does this to mail here.
    fn takes(self, of: &Rule, effect: &str) -> bool {
        match self {
            Self::Refuse => effect == Effect::Refuse.as_str(),
            Self::Downgrade => effect != Effect::None.as_str(),
            Self::Broken => of.effect != Effect::None,
            Self::Lint => true,
            Self::Never => false,
            Self::Rule(id) => id == of.id,
        }
    }

    /// Whether it wants to know how a rule came out.
    fn asks(self, of: &Rule) -> bool {
        self == Self::Broken || self.takes(of, of.effect.as_str())
    }
}

fn rule(name: &str) -> Option<&'static Rule> {
    rules().iter().find(|rule| rule.name == name)
}

/// Whether a violation fails its domain.
pub(super) fn fails(on: &[FailOn], violation: &Problem) -> bool {
    let of = &violation.finding;
    rule(&of.rule).is_some_and(|rule| on.iter().any(|on| on.takes(rule, &of.effect)))
}

/// The exit code of a domain. What was not measured passes nothing: where it is a rule that could fail, the code says that it could
/// not be told. Without other wish any rule is one.
pub(super) fn exit(on: &[FailOn], of: &Assessment) -> Exit {
    let is_asked =
        |problem: &Problem| rule(&problem.finding.rule).is_some_and(|rule| on.iter().any(|on| on.asks(rule)));
    if of.violations().any(|problem| fails(on, problem)) {
        Exit::Findings
    } else if of.unmeasured.iter().any(is_asked) || (of.is_nowhere() && on != [FailOn::Never]) {
        Exit::Refused
    } else {
        Exit::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_takes_what_it_says() {
        let cert = rule("mx-cert-name").expect("a rule");
        let lint = rule("tlsrpt-delimiter").expect("a rule");
        let taken = |word: &str, rule: &Rule| {
            let of = word.parse::<FailOn>().expect("a word");
            ["none", "unknown", "downgrade", "refuse"].map(|effect| of.takes(rule, effect))
        };
        assert_eq!(taken("refuse", cert), [false, false, false, true]);
        assert_eq!(taken("downgrade", cert), [false, true, true, true]);
        assert_eq!((taken("broken", cert), taken("broken", lint)), ([true; 4], [false; 4]));
        assert_eq!(taken("lint", lint), [true; 4]);
        assert_eq!(taken("never", cert), [false; 4]);
        assert_eq!((taken("mx-cert-name", cert), taken("mx-cert-name", lint)), ([true; 4], [false; 4]));
        assert!("mx-cert".parse::<FailOn>().is_err());
    }
}
