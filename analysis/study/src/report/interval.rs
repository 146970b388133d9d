//! How far a rate of a sample may be from that of all it was drawn from.

/// The quantile of the normal distribution for 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// The 95 % interval of Wilson for `hits` of `n`, where `n` was drawn without replacement as the share `fraction` of all
/// (0 to 1): what is left to be drawn is what can still differ. `None` of nothing.
pub(super) fn wilson(hits: f64, n: f64, fraction: f64) -> Option<(f64, f64)> {
    if n <= 0.0 {
        return None;
    }
    let z2 = Z * Z * (1.0 - fraction.clamp(0.0, 1.0));
    let rate = hits / n;
    let centre = (rate + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = (z2 * (rate * (1.0 - rate) / n + z2 / (4.0 * n * n))).sqrt() / (1.0 + z2 / n);
    // At the ends the formula gives just these, but for its last digits.
    let low = if hits <= 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if hits >= n { 1.0 } else { (centre + half).min(1.0) };
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(found: Option<(f64, f64)>, low: f64, high: f64) {
        let (a, b) = found.expect("an interval");
        assert!((a - low).abs() < 5e-5 && (b - high).abs() < 5e-5, "{a} {b}");
    }

    /// Newcombe 1998, table I, method 3 (score without continuity correction).
    #[test]
    fn intervals_that_are_published() {
        is(wilson(81.0, 263.0, 0.0), 0.2553, 0.3662);
        is(wilson(15.0, 148.0, 0.0), 0.0624, 0.1605);
        is(wilson(0.0, 20.0, 0.0), 0.0, 0.1611);
        is(wilson(1.0, 29.0, 0.0), 0.0061, 0.1718);
    }

    #[test]
    fn a_sample_of_all_is_exact_and_one_of_nothing_says_nothing() {
        is(wilson(3.0, 10.0, 1.0), 0.3, 0.3);
        assert_eq!(wilson(0.0, 0.0, 0.5), None);
    }
}
