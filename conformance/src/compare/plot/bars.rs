//! Figures of several servers beside each other, as bars from one zero.

use super::svg::{Anchor, Svg, number};
use crate::compare::table::shown;

/// Bars that belong together.
pub(super) struct Group {
    /// What they are of.
    pub(super) label: String,
    /// Whose, and how long.
    pub(super) bars: Vec<(String, f64)>,
}

const WIDTH: f64 = 720.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 48.0;
const THICK: f64 = 12.0;
const GAP: f64 = 10.0;

/// Draws the groups below each other. Their zero is the same, so lengths can be compared.
pub(super) fn bars(title: &str, unit: &str, groups: &[Group]) -> String {
    let lines: usize = groups.iter().map(|group| group.bars.len()).sum();
    let height = TOP + number(lines) * THICK + number(groups.len()) * GAP + GAP;
    let mut svg = Svg::new(WIDTH, height, &format!("{title} ({unit})"));
    let servers = servers(groups);
    for (n, server) in servers.iter().enumerate() {
        let x = LEFT + number(n) * 190.0;
        svg.bar(x, TOP - 20.0, 10.0, 10.0, n);
        svg.label(x + 15.0, TOP - 11.0, Anchor::Start, server);
    }
    let values = groups.iter().flat_map(|group| &group.bars).map(|(_, v)| *v);
    let longest = values.fold(0.0, f64::max);
    let mut y = TOP;
    for group in groups {
        let middle = y + number(group.bars.len()) * THICK / 2.0 + 4.0;
        svg.label(LEFT - 8.0, middle, Anchor::End, &group.label);
        for (server, value) in &group.bars {
            let width = (WIDTH - LEFT - RIGHT) * value / longest;
            let colour = servers.iter().position(|s| s == server).unwrap_or(0);
            svg.bar(LEFT, y, width, THICK - 2.0, colour);
            svg.label(LEFT + width + 5.0, y + 9.0, Anchor::Start, &shown(*value));
            y += THICK;
        }
        y += GAP;
    }
    svg.finish()
}

/// All servers, in the order in which they first stand somewhere.
fn servers(groups: &[Group]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for (server, _) in groups.iter().flat_map(|group| &group.bars) {
        if !all.contains(server) {
            all.push(server.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_width_and_half_of_it_half() {
        let group = Group {
            label: "x".to_owned(),
            bars: vec![("a".to_owned(), 10.0), ("b".to_owned(), 5.0)],
        };
        let svg = bars("t", "u", &[group]);
        assert!(
            svg.contains("width=\"520.0\"") && svg.contains("width=\"260.0\""),
            "{svg}"
        );
    }
}
