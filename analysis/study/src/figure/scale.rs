//! From a quantity to a place on the paper, and which quantities to write at the axis.

/// A linear scale that begins at nought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    /// The end of the axis: a round number.
    pub(super) end: f64,
    /// Between marks.
    pub(super) step: f64,
    /// Where nought is, and where the end is, pixels.
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale that reaches `largest`, with about `marks` marks, between two places.
    pub(super) fn new(largest: f64, marks: f64, from: f64, to: f64) -> Self {
        let largest = if largest > 0.0 && largest.is_finite() { largest } else { 1.0 };
        let rough = largest / marks;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].iter().map(|of| of * power).find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(10.0 * power);
        let end = (largest / step * 0.999_999).ceil().max(1.0) * step;
        Self { end, step, from, to }
    }

    /// A scale of shares, from nought to all, whatever there is.
    pub(super) fn whole(from: f64, to: f64) -> Self {
        Self { end: 1.0, step: 0.25, from, to }
    }

    pub(super) fn place(&self, of: f64) -> f64 {
        self.from + (self.to - self.from) * of / self.end
    }

    pub(super) fn marks(&self) -> impl Iterator<Item = f64> + '_ {
        let (end, step) = (self.end * 1.000_001, self.step);
        (0_u32..).map(move |number| f64::from(number) * step).take_while(move |mark| *mark <= end)
    }
}

/// A share as the axis has it: as many digits as the step needs.
pub(super) fn percent_mark(of: f64, step: f64) -> String {
    let digits = [1.0, 0.1, 0.01, 0.001].iter().take_while(|unit| step * 100.0 < **unit * 0.999).count();
    format!("{:.digits$} %", of * 100.0)
}

/// A number in few characters: 950, 1.2k, 35k, 4M.
pub(super) fn short(number: u64) -> String {
    let (of, unit) = match number {
        0..1_000 => return number.to_string(),
        1_000..1_000_000 => (number as f64 / 1e3, "k"),
        1_000_000..1_000_000_000 => (number as f64 / 1e6, "M"),
        _ => (number as f64 / 1e9, "G"),
    };
    let text = if of < 9.95 { format!("{of:.1}") } else { format!("{of:.0}") };
    format!("{}{unit}", text.trim_end_matches(".0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number_that_holds_all() {
        for (largest, end, step) in
            [(0.0117, 0.015, 0.005), (0.97, 1.0, 0.5), (1.0, 1.0, 0.5), (0.0, 1.0, 0.5), (0.3, 0.3, 0.1)]
        {
            let scale = Scale::new(largest, 3.0, 0.0, 100.0);
            assert!(
                (scale.end - end).abs() < 1e-9 && (scale.step - step).abs() < 1e-9,
                "{largest}: {scale:?}"
            );
            assert!((scale.place(scale.end) - 100.0).abs() < 1e-9);
        }
        assert_eq!(Scale::new(0.97, 3.0, 0.0, 1.0).marks().count(), 3);
    }

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!((percent_mark(0.25, 0.25), percent_mark(0.005, 0.005)), ("25 %".into(), "0.5 %".into()));
        assert_eq!([950, 1_000, 1_249, 34_900, 4_000_000].map(short), ["950", "1k", "1.2k", "35k", "4M"]);
    }
}
