//! Figures against the size of the cluster, both in powers of ten: what is linear climbs as the grid's
//! diagonal does.

use super::svg::{Anchor, Svg, number};
use crate::compare::table::shown;

/// A server's figures.
pub(super) struct Line {
    /// Whose.
    pub(super) label: String,
    /// Size and figure, both above zero.
    pub(super) points: Vec<(f64, f64)>,
}

/// A range in powers of ten, and where it lies in the picture.
struct Scale {
    first: f64,
    last: f64,
    from: f64,
    to: f64,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 40.0;

/// Draws the lines.
pub(super) fn lines(title: &str, x_unit: &str, y_unit: &str, all: &[Line]) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT, &format!("{title} ({y_unit})"));
    let points = || all.iter().flat_map(|line| &line.points);
    let x = Scale::around(points().map(|p| p.0), LEFT, WIDTH - RIGHT);
    let y = Scale::around(points().map(|p| p.1), HEIGHT - BOTTOM, TOP);
    for value in x.powers() {
        let at = x.place(value);
        svg.rule((at, TOP), (at, HEIGHT - BOTTOM));
        svg.label(at, HEIGHT - BOTTOM + 16.0, Anchor::Middle, &power(value));
    }
    for value in y.powers() {
        let at = y.place(value);
        svg.rule((LEFT, at), (WIDTH - RIGHT, at));
        svg.label(LEFT - 6.0, at + 4.0, Anchor::End, &power(value));
    }
    svg.label(
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 6.0,
        Anchor::Middle,
        x_unit,
    );
    for (n, line) in all.iter().enumerate() {
        let legend = LEFT + number(n) * 190.0;
        svg.bar(legend, TOP - 30.0, 10.0, 10.0, n);
        svg.label(legend + 15.0, TOP - 21.0, Anchor::Start, &line.label);
        let places = line.points.iter().map(|p| (x.place(p.0), y.place(p.1)));
        let places: Vec<(f64, f64)> = places.collect();
        svg.line(&places, n);
        for (point, place) in line.points.iter().zip(&places) {
            svg.label(place.0, place.1 - 7.0, Anchor::Middle, &shown(point.1));
        }
    }
    svg.finish()
}

fn power(value: f64) -> String {
    if value >= 1.0 {
        format!("{value:.0}")
    } else {
        value.to_string()
    }
}

impl Scale {
    /// The powers of ten that have all values between them.
    fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut first, mut last) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| *value > 0.0) {
            first = first.min(value.log10().floor());
            last = last.max(value.log10().ceil());
        }
        if first > last {
            (first, last) = (0.0, 1.0);
        }
        Self {
            first,
            last: last.max(first + 1.0),
            from,
            to,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value.log10() - self.first) / (self.last - self.first);
        self.from + (self.to - self.from) * share
    }

    fn powers(&self) -> impl Iterator<Item = f64> {
        let (mut power, last) = (self.first, self.last);
        std::iter::from_fn(move || {
            let value = (power <= last).then(|| 10_f64.powf(power));
            power += 1.0;
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_spans_whole_powers_of_ten() {
        let scale = Scale::around([7_000.0, 150_000.0].into_iter(), 0.0, 300.0);
        assert_eq!(scale.powers().collect::<Vec<_>>(), [1e3, 1e4, 1e5, 1e6]);
        let close = |value: f64, place: f64| (scale.place(value) - place).abs() < 1e-9;
        assert!(close(1e3, 0.0) && close(1e4, 100.0) && close(1e6, 300.0));
    }

    #[test]
    fn nothing_is_drawn_all_the_same() {
        assert!(lines("t", "x", "y", &[]).contains("</svg>"));
    }
}
