//! The figures of a study, as SVG that a paper can print: black and white, labelled at the thing itself, never a pie.
//!
//! Each is drawn from a table of the report, so that its numbers are that table's. What differs between figures is which
//! columns they read; bars, small multiples, scales and ink are shared.

mod bars;
mod drawn;
mod ink;
mod panels;
mod scale;

use crate::report::ReportTable;
use drawn::Cells;

/// A figure.
#[derive(Debug, Clone)]
pub struct Figure {
    /// The name of its file, without `.svg`.
    pub name: &'static str,
    /// What it shows, as its caption says.
    pub caption: &'static str,
    /// The SVG document.
    pub svg: String,
}

/// A kind of figure: its name, its caption, and what draws it from the report's tables; `None` where there is nothing to draw.
struct Kind {
    name: &'static str,
    caption: &'static str,
    draw: fn(&Tables<'_>, &'static str) -> Option<String>,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "funnel",
        caption: "From names to verdicts: how many domains each step leaves of the one before. Filled: yes; hatched: not measured; \
                  open: no.",
        draw: drawn::funnel,
    },
    Kind {
        name: "adoption_by_rank",
        caption: "Adoption by decade of rank, each named by its last. Each panel has its own scale; below, of how many domains the rate is. \
                  Whiskers are 95 % intervals, where the input is a sample.",
        draw: drawn::adoption_by_rank,
    },
    Kind {
        name: "misconfiguration_by_class",
        caption: "Misconfiguration that a sender acts on, or that keeps reports away, by class: domains that violate a rule of the \
                  class, over those on which one could be judged. Open bars: the same without the domains of the operator that has most of it.",
        draw: drawn::misconfiguration,
    },
    Kind {
        name: "operators",
        caption: "Who runs the mail and the policy hosts, by registrable domain. Filled: named by MX records or aliases; hatched: \
                  a guess by name servers; open: the domains themselves.",
        draw: drawn::operators,
    },
    Kind {
        name: "protection",
        caption: "Who is protected from an active attacker, and who only thinks so: by what the domain publishes, what comes of it \
                  with a sender that honours MTA-STS and DANE.",
        draw: drawn::protection,
    },
    Kind {
        name: "adoption_over_time",
        caption: "Adoption over the runs of this report, by when each began. Each panel has its own scale.",
        draw: drawn::adoption_over_time,
    },
];

/// The tables of a report, by name.
struct Tables<'a>(&'a [ReportTable]);

impl Tables<'_> {
    fn get(&self, name: &str) -> Option<Cells<'_>> {
        self.0.iter().find(|table| table.name == name).map(|table| Cells::of(&table.grid))
    }
}

/// Every figure for which the tables hold something.
pub(crate) fn figures(tables: &[ReportTable]) -> Vec<Figure> {
    let tables = Tables(tables);
    let drawn =
        |Kind { name, caption, draw }: &Kind| Some(Figure { name, caption, svg: draw(&tables, name)? });
    KINDS.iter().filter_map(drawn).collect()
}
