//! Small multiples: a panel a measure, each with its own scale from nought.

use super::ink::{Anchor, Drawing, Stroke};
use super::scale::{Scale, percent_mark};

/// A point of a panel: a rate, of how many, and its interval.
pub(super) struct Point {
    /// From 0 to 1 across the panel.
    pub(super) at: f64,
    pub(super) rate: Option<f64>,
    pub(super) interval: Option<(f64, f64)>,
    /// Of how many it is a rate.
    pub(super) of: u64,
    /// Below the axis, and below that.
    pub(super) label: String,
    pub(super) under: String,
}

pub(super) struct Panel {
    pub(super) title: String,
    /// Of what it is a rate.
    pub(super) of: String,
    pub(super) points: Vec<Point>,
}

/// Of how many a rate must be for its interval to have room on the scale, whatever that takes.
const STRETCHES_OF_MIN: u64 = 30;
const COLUMNS: usize = 3;
const WIDTH: f64 = 252.0;
const HEIGHT: f64 = 172.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 36.0;

pub(super) fn draw(name: &'static str, title: &str, panels: &[Panel]) -> String {
    let columns = panels.len().clamp(1, COLUMNS);
    let rows = panels.len().div_ceil(COLUMNS);
    let mut drawing = Drawing::new(name, columns as f64 * WIDTH, rows as f64 * HEIGHT + 4.0);
    for (number, panel) in panels.iter().enumerate() {
        let (column, row) = (number % COLUMNS, number / COLUMNS);
        panel.draw(&mut drawing, column as f64 * WIDTH, row as f64 * HEIGHT);
    }
    drawing.finish(title)
}

impl Panel {
    fn draw(&self, drawing: &mut Drawing, x: f64, y: f64) {
        let (left, right) = (x + LEFT, x + WIDTH - RIGHT);
        let (top, bottom) = (y + TOP, y + HEIGHT - BOTTOM);
        drawing.bold(x + 8.0, y + 15.0, &self.title);
        drawing.small(x + 8.0, y + 28.0, Anchor::Start, &format!("of {}", self.of));
        // The interval of a handful goes anywhere: it does not stretch the scale, and is cut off by it.
        let counts = |point: &&Point| point.of >= STRETCHES_OF_MIN;
        let high =
            |point: &Point| Some(point).filter(counts).and_then(|point| point.interval).map(|(_, high)| high);
        let reach = |point: &Point| high(point).or(point.rate).unwrap_or(0.0);
        let scale = Scale::new(self.points.iter().map(reach).fold(0.0, f64::max), 3.0, bottom, top);
        for mark in scale.marks() {
            let at = scale.place(mark);
            drawing.line((left, at), (right, at), Stroke::Hair);
            drawing.small(left - 5.0, at + 3.5, Anchor::End, &percent_mark(mark, scale.step));
        }
        drawing.line((left, bottom), (right, bottom), Stroke::Plain);
        let across = |point: &Point| left + 12.0 + (right - left - 24.0) * point.at;
        let mut before: Option<(f64, f64)> = None;
        for point in &self.points {
            let at = across(point);
            drawing.small(at, bottom + 13.0, Anchor::Middle, &point.label);
            drawing.small(at, bottom + 25.0, Anchor::Middle, &point.under);
            let Some(rate) = point.rate else {
                before = None;
                continue;
            };
            let here = (at, scale.place(rate));
            if let Some(before) = before {
                drawing.line(before, here, Stroke::Bold);
            }
            if let Some((low, high)) = point.interval {
                let high = high.min(scale.end);
                drawing.line((at, scale.place(low)), (at, scale.place(high)), Stroke::Plain);
                for end in [low, high] {
                    drawing.line((at - 3.0, scale.place(end)), (at + 3.0, scale.place(end)), Stroke::Plain);
                }
            }
            drawing.dot(here.0, here.1);
            before = Some(here);
        }
    }
}
