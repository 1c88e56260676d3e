//! The figures side by side.

use std::fmt::Write;

use super::measure::Figures;
use super::server::Server;
use super::stage::Size;
use super::target::rows;

/// A Markdown table: a row a figure, a column a server, then for each server but the first how many
/// times less than the first it needs, and what is promised of it.
#[must_use]
pub fn table(size: Size, results: &[(Server, Figures)]) -> String {
    let Some(((_, peer), others)) = results.split_first() else {
        return String::new();
    };
    let mut text = String::from("| figure |");
    // Writing to a String cannot fail.
    for (server, _) in results {
        let _ = write!(text, " {} |", server.name);
    }
    for _ in others {
        text.push_str(" times less | promised |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(results.len() + 2 * others.len()));
    text.push('\n');
    for row in rows() {
        let _ = write!(text, "| {} ({}) |", row.name, row.unit);
        for (_, figures) in results {
            let _ = write!(text, " {} |", shown(row.of(figures)));
        }
        for (server, ours) in others {
            let ratio = row.ratio(peer, ours).map_or_else(|| "-".to_owned(), shown);
            let less = row.times_less(size, server).map(|t| t.to_string());
            let most = || row.at_most(server).map(|t| format!("at most {t}"));
            let target = less.or_else(most).unwrap_or_default();
            let _ = write!(text, " {ratio} | {target} |");
        }
        text.push('\n');
    }
    text
}

/// Three digits that count.
pub(super) fn shown(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
