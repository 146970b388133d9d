//! Bars that lie, one below the other, each named at its left and told at its right.

use super::ink::{Anchor, Drawing, Fill, Stroke, shortened, width_of};
use super::scale::{Scale, percent_mark};

/// A bar, or several in one place.
pub(super) struct Bar {
    /// What it is; empty below another that is named.
    pub(super) name: String,
    /// Its pieces from the left, each a share and how it is filled.
    pub(super) pieces: Vec<(f64, Fill)>,
    /// An interval to show at its end.
    pub(super) whisker: Option<(f64, f64)>,
    /// What stands at its right.
    pub(super) told: String,
    /// More space above it.
    pub(super) apart: bool,
}

/// A group of bars under a heading, with an axis of shares.
pub(super) struct Group {
    pub(super) heading: String,
    pub(super) bars: Vec<Bar>,
    /// The axis goes to 100 %, whatever is in it.
    pub(super) whole: bool,
}

const WIDTH: f64 = 720.0;
const BAR: f64 = 14.0;
const GAP: f64 = 5.0;
const APART: f64 = 9.0;
const HEADING: f64 = 24.0;
const AXIS: f64 = 26.0;
const NAME_CHARS_MAX: usize = 44;
const MARGIN: f64 = 8.0;

/// Draws groups below one another, with what fills mean above them.
pub(super) fn draw(name: &'static str, title: &str, key: &[(Fill, &str)], groups: &[Group]) -> String {
    let top = MARGIN + if key.is_empty() { 0.0 } else { 22.0 };
    let height: f64 = groups.iter().map(Group::height).sum::<f64>() + top + MARGIN;
    let mut drawing = Drawing::new(name, WIDTH, height.ceil());
    draw_key(&mut drawing, key);
    let names = groups
        .iter()
        .flat_map(|group| &group.bars)
        .map(|bar| width_of(&shortened(&bar.name, NAME_CHARS_MAX)));
    let told = groups.iter().flat_map(|group| &group.bars).map(|bar| width_of(&bar.told));
    let left = MARGIN + names.fold(40.0, f64::max) + 8.0;
    let right = (WIDTH - MARGIN - told.fold(40.0, f64::max) - 8.0).max(left + 120.0);
    let mut y = top;
    for group in groups {
        y = group.draw(&mut drawing, y, left, right);
    }
    drawing.finish(title)
}

fn draw_key(drawing: &mut Drawing, key: &[(Fill, &str)]) {
    let mut x = MARGIN;
    for (fill, words) in key {
        drawing.bar(x, MARGIN, 18.0, 10.0, *fill);
        drawing.text(x + 24.0, MARGIN + 9.0, Anchor::Start, words);
        x += 24.0 + width_of(words) + 22.0;
    }
}

impl Group {
    fn height(&self) -> f64 {
        let bars = self.bars.iter().map(|bar| BAR + GAP + if bar.apart { APART } else { 0.0 });
        HEADING + bars.sum::<f64>() + AXIS
    }

    /// Returns where it ends.
    fn draw(&self, drawing: &mut Drawing, top: f64, left: f64, right: f64) -> f64 {
        drawing.bold(MARGIN, top + 13.0, &self.heading);
        let top = top + HEADING;
        let bottom = top + self.height() - HEADING - AXIS;
        let reach = |bar: &Bar| {
            let sum: f64 = bar.pieces.iter().map(|(share, _)| share).sum();
            bar.whisker.map_or(sum, |(_, high)| high.max(sum))
        };
        let scale = if self.whole {
            Scale::whole(left, right)
        } else {
            Scale::new(self.bars.iter().map(reach).fold(0.0, f64::max), 4.0, left, right)
        };
        for mark in scale.marks() {
            let x = scale.place(mark);
            drawing.line((x, top), (x, bottom), Stroke::Hair);
            drawing.small(x, bottom + 12.0, Anchor::Middle, &percent_mark(mark, scale.step));
        }
        let mut y = top;
        for bar in &self.bars {
            y += if bar.apart { APART } else { 0.0 };
            bar.draw(drawing, y, &scale);
            y += BAR + GAP;
        }
        drawing.line((left, top), (left, bottom), Stroke::Plain);
        bottom + AXIS
    }
}

impl Bar {
    fn draw(&self, drawing: &mut Drawing, y: f64, scale: &Scale) {
        let middle = y + BAR / 2.0;
        drawing.text(
            scale.place(0.0) - 8.0,
            middle + 4.0,
            Anchor::End,
            &shortened(&self.name, NAME_CHARS_MAX),
        );
        let mut from = 0.0;
        for (share, fill) in self.pieces.iter().filter(|(share, _)| *share > 0.0) {
            let x = scale.place(from);
            drawing.bar(x, y, scale.place(from + share) - x, BAR, *fill);
            from += share;
        }
        let mut end = scale.place(from);
        if let Some((low, high)) = self.whisker {
            let (low, high) = (scale.place(low), scale.place(high));
            drawing.line((low, middle), (high, middle), Stroke::Halo);
            drawing.line((low, middle), (high, middle), Stroke::Bold);
            drawing.line((low, middle - 4.0), (low, middle + 4.0), Stroke::Bold);
            drawing.line((high, middle - 4.0), (high, middle + 4.0), Stroke::Bold);
            end = end.max(high);
        }
        drawing.over(end + 7.0, middle + 4.0, &self.told);
    }
}
