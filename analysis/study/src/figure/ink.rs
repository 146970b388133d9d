//! An SVG document, element by element. What is text is escaped; nothing is fetched, and no style sheet is needed.

use std::fmt::Write as _;

use mxray_rules::printable;

/// The size of text, pixels.
pub(super) const TEXT: f64 = 11.0;
/// About how wide a character of such text is.
const CHAR_WIDTH: f64 = 5.9;
const FONT: &str = "Helvetica, Arial, 'Liberation Sans', sans-serif";

/// How an area is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    Dark,
    Hatched,
    Open,
}

/// Where text stands against its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How heavy a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stroke {
    Hair,
    Plain,
    Bold,
    /// White, under a bold one that crosses what is dark.
    Halo,
}

/// A drawing of a given size, pixels.
#[derive(Debug)]
pub(super) struct Drawing {
    width: f64,
    height: f64,
    /// Makes the ids in it its own, where several stand on one page.
    name: &'static str,
    body: String,
}

impl Drawing {
    pub(super) fn new(name: &'static str, width: f64, height: f64) -> Self {
        Self { width, height, name, body: String::new() }
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, words: &str) {
        self.words(x, y, anchor, words, "");
    }

    pub(super) fn bold(&mut self, x: f64, y: f64, words: &str) {
        self.words(x, y, Anchor::Start, words, " font-weight=\"bold\"");
    }

    /// Text that stands over lines, which stop short of it.
    pub(super) fn over(&mut self, x: f64, y: f64, words: &str) {
        let halo = " paint-order=\"stroke\" stroke=\"#fff\" stroke-width=\"4\" stroke-linejoin=\"round\"";
        self.words(x, y, Anchor::Start, words, halo);
    }

    /// Text that is not the point: grey, smaller.
    pub(super) fn small(&mut self, x: f64, y: f64, anchor: Anchor, words: &str) {
        self.words(x, y, anchor, words, " font-size=\"9.5\" fill=\"#444\"");
    }

    fn words(&mut self, x: f64, y: f64, anchor: Anchor, words: &str, more: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let words = escaped(words);
        self.element(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{words}</text>"
        ));
    }

    pub(super) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), stroke: Stroke) {
        let (colour, width) = match stroke {
            Stroke::Hair => ("#ccc", 0.6),
            Stroke::Plain => ("#000", 0.8),
            Stroke::Bold => ("#000", 1.6),
            Stroke::Halo => ("#fff", 4.6),
        };
        self.element(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        ));
    }

    pub(super) fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, fill: Fill) {
        let name = self.name;
        let fill = match fill {
            Fill::Dark => "#333".to_owned(),
            Fill::Hatched => format!("url(#{name}-hatch)"),
            Fill::Open => "#fff".to_owned(),
        };
        let width = width.max(0.0);
        self.element(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\" stroke=\"#000\" \
             stroke-width=\"0.7\"/>"
        ));
    }

    pub(super) fn dot(&mut self, x: f64, y: f64) {
        self.element(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\" fill=\"#000\"/>"));
    }

    fn element(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.body, "{element}").expect("a string takes what is written to it");
    }

    /// The document; `title` is for those who do not see it.
    pub(super) fn finish(self, title: &str) -> String {
        let Self { width, height, name, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             font-family=\"{FONT}\" font-size=\"{TEXT}\" role=\"img\" aria-label=\"{title}\">\n\
             <defs><pattern id=\"{name}-hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect width=\"5\" height=\"5\" fill=\"#fff\"/><line x1=\"0\" y1=\"0\" x2=\"0\" \
             y2=\"5\" stroke=\"#000\" stroke-width=\"1.6\"/></pattern></defs>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{body}</svg>\n",
            title = escaped(title),
        )
    }
}

/// About how wide text is, pixels.
pub(super) fn width_of(words: &str) -> f64 {
    words.chars().count() as f64 * CHAR_WIDTH
}

/// Text cut to so many characters, the middle left out.
pub(super) fn shortened(words: &str, chars_max: usize) -> String {
    let chars: Vec<char> = printable(words).chars().collect();
    if chars.len() <= chars_max {
        return chars.into_iter().collect();
    }
    let (head, tail) = (chars_max / 2, chars_max - chars_max / 2 - 1);
    chars[..head].iter().chain(['…'].iter()).chain(&chars[chars.len() - tail..]).collect()
}

/// Text as XML takes it, also in an attribute.
fn escaped(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for c in printable(words).chars() {
        match c {
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '&' => text.push_str("&amp;"),
            '"' => text.push_str("&quot;"),
            // No XML has these, escaped or not.
            '\u{fffe}' | '\u{ffff}' => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let mut drawing = Drawing::new("f", 10.0, 10.0);
        drawing.text(0.0, 0.0, Anchor::Start, "<script>\"&\u{1b}\u{ffff}");
        let svg = drawing.finish("\"><x");
        assert!(svg.contains("&lt;script&gt;&quot;&amp;\\u{1b}\u{fffd}</text>"), "{svg}");
        assert!(svg.contains("aria-label=\"&quot;&gt;&lt;x\""), "{svg}");
    }

    #[test]
    fn what_is_long_loses_its_middle() {
        assert_eq!(shortened("mx.example", 10), "mx.example");
        assert_eq!(shortened("abcdefghijklmnop", 9), "abcd…mnop");
    }
}
