//! What each figure takes from its table.

use super::Tables;
use super::bars::{self, Bar, Group};
use super::ink::Fill;
use super::panels::{self, Panel, Point};
use super::scale::short;
use crate::grid::{Grid, grouped, percent};

/// Operators shown of each kind.
const OPERATORS_MAX: usize = 12;
/// Marks of time that have room below a panel.
const TIMES_MARKED_MAX: usize = 4;

/// A table, read by the names of its columns.
pub(super) struct Cells<'a> {
    grid: &'a Grid,
}

/// A row of it.
#[derive(Clone, Copy)]
struct Row<'a> {
    grid: &'a Grid,
    cells: &'a [String],
}

impl<'a> Cells<'a> {
    pub(super) fn of(grid: &'a Grid) -> Self {
        Self { grid }
    }

    fn rows(&self) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let grid = self.grid;
        grid.rows.iter().map(move |cells| Row { grid, cells })
    }
}

impl<'a> Row<'a> {
    /// Empty where there is no such column: those of intervals are there only for a sample.
    fn text(self, column: &str) -> &'a str {
        let place = self.grid.header.iter().position(|title| title == column);
        place.map_or("", |place| self.cells[place].as_str())
    }

    fn number(self, column: &str) -> u64 {
        self.text(column).parse().unwrap_or(0)
    }

    fn rate(self, column: &str) -> Option<f64> {
        self.text(column).parse().ok()
    }

    fn interval(self, rate: &str) -> Option<(f64, f64)> {
        self.rate(&format!("{rate}_low")).zip(self.rate(&format!("{rate}_high")))
    }
}

pub(super) fn funnel(tables: &Tables<'_>, name: &'static str) -> Option<String> {
    let cells = tables.get("funnel")?;
    let bar = |row: Row<'_>| {
        let (yes, of, unknown) = (row.number("domains"), row.number("of_before"), row.number("unknown"));
        let share = |part: u64| part as f64 / of.max(1) as f64;
        let unknown_words =
            if unknown > 0 { format!(", {} unknown", grouped(unknown)) } else { String::new() };
        let open = 1.0 - share(yes) - share(unknown);
        Bar {
            name: row.text("step").to_owned(),
            pieces: if of == 0 {
                Vec::new()
            } else {
                vec![(share(yes), Fill::Dark), (share(unknown), Fill::Hatched), (open.max(0.0), Fill::Open)]
            },
            whisker: None,
            told: format!("{} of {}{unknown_words}", grouped(yes), grouped(of)),
            apart: false,
        }
    };
    let bars: Vec<Bar> = cells.rows().map(bar).collect();
    if bars.is_empty() {
        return None;
    }
    let key = [(Fill::Dark, "yes"), (Fill::Hatched, "not measured"), (Fill::Open, "no")];
    let group = Group { heading: "Share of the step before".to_owned(), bars, whole: true };
    Some(bars::draw(name, "From names to verdicts", &key, &[group]))
}

pub(super) fn misconfiguration(tables: &Tables<'_>, name: &'static str) -> Option<String> {
    let cells = tables.get("misconfiguration_by_class")?;
    let mut bars = Vec::new();
    for row in cells.rows() {
        let told = |rate: Option<f64>, violations: &str, judged: &str| {
            let rate = rate.map_or_else(|| "–".to_owned(), percent);
            format!("{rate}  ({} of {})", grouped(row.number(violations)), grouped(row.number(judged)))
        };
        bars.push(Bar {
            name: row.text("axis").to_owned(),
            pieces: vec![(row.rate("rate").unwrap_or(0.0), Fill::Dark)],
            whisker: row.interval("rate"),
            told: told(row.rate("rate"), "violations", "judged"),
            apart: true,
        });
        if !row.text("largest_operator").is_empty() {
            bars.push(Bar {
                name: format!("without {}", row.text("largest_operator")),
                pieces: vec![(row.rate("without_rate").unwrap_or(0.0), Fill::Open)],
                whisker: row.interval("without_rate"),
                told: told(row.rate("without_rate"), "violations_without", "judged_without"),
                apart: false,
            });
        }
    }
    if bars.is_empty() {
        return None;
    }
    let key = [(Fill::Dark, "all domains"), (Fill::Open, "without the operator that has most of it")];
    let group =
        Group { heading: "Domains that violate a rule, of those judged".to_owned(), bars, whole: false };
    Some(bars::draw(name, "Misconfiguration by class", &key, &[group]))
}

pub(super) fn operators(tables: &Tables<'_>, name: &'static str) -> Option<String> {
    let group = |table: &str, heading: &str| {
        let cells = tables.get(table)?;
        let mut bars: Vec<Bar> = Vec::new();
        let mut sums: Vec<u64> = Vec::new();
        for row in cells.rows() {
            let fill = match row.text("known_by") {
                "no name leads elsewhere" => Fill::Open,
                "guess by name servers" => Fill::Hatched,
                _ => Fill::Dark,
            };
            let piece = (row.rate("rate").unwrap_or(0.0), fill);
            match (bars.last_mut(), sums.last_mut()) {
                (Some(bar), Some(sum)) if bar.name == row.text("operator") => {
                    bar.pieces.push(piece);
                    *sum += row.number("domains");
                }
                _ => {
                    bars.push(Bar {
                        name: row.text("operator").to_owned(),
                        pieces: vec![piece],
                        whisker: None,
                        told: String::new(),
                        apart: false,
                    });
                    sums.push(row.number("domains"));
                }
            }
        }
        for (bar, sum) in bars.iter_mut().zip(&sums) {
            bar.pieces.sort_by_key(|(_, fill)| *fill == Fill::Hatched);
            bar.told = grouped(*sum);
        }
        bars.truncate(OPERATORS_MAX);
        let measured = cells.rows().next().map_or(0, |row| row.number("measured"));
        let heading = format!("{heading} (n = {})", grouped(measured));
        (!bars.is_empty()).then_some(Group { heading, bars, whole: false })
    };
    let groups: Vec<Group> = [
        group("mail_operators", "MX hosts, of domains that have them"),
        group("policy_operators", "Policy host, of domains with an MTA-STS record"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if groups.is_empty() {
        return None;
    }
    let key = [
        (Fill::Dark, "named"),
        (Fill::Hatched, "a guess by name servers"),
        (Fill::Open, "no name leads elsewhere"),
    ];
    Some(bars::draw(name, "Operators", &key, &groups))
}

pub(super) fn protection(tables: &Tables<'_>, name: &'static str) -> Option<String> {
    let cells = tables.get("protection")?;
    let mut bars: Vec<Bar> = Vec::new();
    for row in cells.rows() {
        let published = row.text("published");
        if matches!(published, "neither" | "not known") {
            continue;
        }
        if bars.last().is_none_or(|bar| bar.name != published) {
            let unknown = row.number("unknown");
            let unknown = if unknown > 0 { format!(", {} unknown", grouped(unknown)) } else { String::new() };
            bars.push(Bar {
                name: published.to_owned(),
                pieces: Vec::new(),
                whisker: None,
                told: format!("n = {}{unknown}", grouped(row.number("measured"))),
                apart: false,
            });
        }
        let fill = match row.text("standing") {
            "protected" => Fill::Dark,
            "mail is refused" => Fill::Hatched,
            _ => Fill::Open,
        };
        let bar = bars.last_mut().expect("a bar was begun");
        bar.pieces.push((row.rate("rate").unwrap_or(0.0), fill));
    }
    for bar in &mut bars {
        bar.pieces.sort_by_key(|(_, fill)| match fill {
            Fill::Dark => 0,
            Fill::Hatched => 1,
            Fill::Open => 2,
        });
    }
    if bars.is_empty() {
        return None;
    }
    let key = [
        (Fill::Dark, "protected"),
        (Fill::Hatched, "mail is refused"),
        (Fill::Open, "the attacker gets the message"),
    ];
    let group =
        Group { heading: "Of domains that take mail, by what they publish".to_owned(), bars, whole: true };
    Some(bars::draw(name, "Who is protected", &key, &[group]))
}

pub(super) fn adoption_by_rank(tables: &Tables<'_>, name: &'static str) -> Option<String> {
    let cells = tables.get("adoption_by_rank")?;
    let decades: Vec<u64> = distinct(cells.rows().map(|row| row.number("rank_to")));
    let last = decades.len().saturating_sub(1).max(1) as f64;
    let panels = by_measure(&cells, |row| {
        let place = decades.iter().position(|decade| *decade == row.number("rank_to")).unwrap_or(0);
        Point {
            at: if decades.len() == 1 { 0.5 } else { place as f64 / last },
            rate: row.rate("rate"),
            interval: row.interval("rate"),
            label: short(row.number("rank_to")),
            under: short(row.number("measured")),
            of: row.number("measured"),
        }
    });
    (!panels.is_empty()).then(|| panels::draw(name, "Adoption by rank", &panels))
}

pub(super) fn adoption_over_time(tables: &Tables<'_>, name: &'static str) -> Option<String> {
    let cells = tables.get("adoption_over_time")?;
    let times: Vec<&str> = distinct(cells.rows().map(|row| row.text("began")));
    if times.len() < 2 {
        return None;
    }
    let (first, last) = (days(times[0]), days(times[times.len() - 1]));
    let marked = times.len().div_ceil(TIMES_MARKED_MAX);
    let panels = by_measure(&cells, |row| {
        let place = times.iter().position(|time| *time == row.text("began")).unwrap_or(0);
        let at = (days(row.text("began")) - first) / (last - first).max(f64::MIN_POSITIVE);
        let label =
            if place.is_multiple_of(marked) { row.text("began").get(..10).unwrap_or_default() } else { "" };
        let under = if label.is_empty() { String::new() } else { short(row.number("measured")) };
        let (rate, interval, of) = (row.rate("rate"), row.interval("rate"), row.number("measured"));
        Point { at, rate, interval, of, label: label.to_owned(), under }
    });
    Some(panels::draw(name, "Adoption over time", &panels))
}

/// A panel for each measure of which anything is known, in the order of the table.
fn by_measure(cells: &Cells<'_>, point: impl Fn(Row<'_>) -> Point) -> Vec<Panel> {
    let mut panels: Vec<Panel> = Vec::new();
    for row in cells.rows() {
        let title = row.text("measure");
        let place = panels.iter().position(|panel| panel.title == title).unwrap_or_else(|| {
            let of = row.text("denominator").to_owned();
            panels.push(Panel { title: title.to_owned(), of, points: Vec::new() });
            panels.len() - 1
        });
        panels[place].points.push(point(row));
    }
    panels.retain(|panel| panel.points.iter().any(|point| point.rate.is_some()));
    panels
}

/// Each once, in the order of their coming.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

/// Days of a moment as the tables write it, from some day on: only differences mean anything.
fn days(moment: &str) -> f64 {
    let number = |from: usize, to: usize| {
        moment.get(from..to).and_then(|digits| digits.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let clock = number(11, 13) / 24.0 + number(14, 16) / 1_440.0 + number(17, 19) / 86_400.0;
    // Years from March, so that the leap day is the last of one.
    let (year, month) = if month > 2.0 { (year, month - 3.0) } else { (year - 1.0, month + 9.0) };
    let leaps = (year / 4.0).floor() - (year / 100.0).floor() + (year / 400.0).floor();
    365.0 * year + leaps + ((153.0 * month + 2.0) / 5.0).floor() + day + clock
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_between_moments() {
        let between = |a: &str, b: &str| days(b) - days(a);
        assert!((between("2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z") - 1.0).abs() < 1e-6);
        assert!((between("2024-02-28T00:00:00Z", "2024-03-01T12:00:00Z") - 2.5).abs() < 1e-6);
        assert!((between("2025-12-31T00:00:00Z", "2027-01-01T00:00:00Z") - 366.0).abs() < 1e-6);
    }
}
