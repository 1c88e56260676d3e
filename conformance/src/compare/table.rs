//! The figures side by side.

use std::fmt::Write;
use std::time::Duration;

use super::measure::{Figures, Form};
use super::server::Server;

/// A Markdown table: a row a figure, a column a server, and how many times less the last one needs
/// than the first.
#[must_use]
pub fn table(results: &[(Server, Figures)]) -> String {
    let mut text = String::from("| figure |");
    for (server, _) in results {
        // Writing to a String cannot fail.
        let _ = write!(text, " {} |", server.name);
    }
    text.push_str(" times less |\n|---|");
    text.push_str(&"---:|".repeat(results.len() + 1));
    text.push('\n');
    for (name, unit, figure) in rows() {
        let values: Vec<f64> = results.iter().map(|(_, f)| figure(f)).collect();
        let _ = write!(text, "| {name} ({unit}) |");
        for value in &values {
            let _ = write!(text, " {} |", shown(*value));
        }
        let ratio = match (values.first(), values.last()) {
            (Some(peer), Some(ours)) if *ours > 0.0 => shown(peer / ours),
            _ => "-".to_owned(),
        };
        let _ = writeln!(text, " {ratio} |");
    }
    text
}

type Row = (String, &'static str, Box<dyn Fn(&Figures) -> f64>);

fn rows() -> Vec<Row> {
    let row = |name: &str, unit, figure: fn(&Figures) -> f64| -> Row {
        (name.to_owned(), unit, Box::new(figure))
    };
    let mut rows = vec![
        row("start to the first complete list", "s", |f| {
            f.complete.as_secs_f64()
        }),
        row("CPU until then", "s", |f| {
            f.cpu_until_complete.as_secs_f64()
        }),
        row("CPU at rest", "mcore", |f| f.rest_millicores),
        row("RSS at rest", "MiB", |f| mebibytes(f.resident)),
        row("RSS after the lists", "MiB", |f| {
            mebibytes(f.resident_after_lists)
        }),
        row("peak RSS", "MiB", |f| mebibytes(f.peak)),
    ];
    for (n, form) in Form::ALL.into_iter().enumerate() {
        let name = match form {
            Form::Json => "JSON",
            Form::Gzip => "JSON, gzip",
            Form::Protobuf => "protobuf",
        };
        rows.push((
            format!("full pod list anew, {name}, p50"),
            "ms",
            Box::new(move |f| f.lists.get(n).map_or(0.0, |l| milliseconds(l.anew))),
        ));
        rows.push((
            format!("the same again at once, {name}, p50"),
            "ms",
            Box::new(move |f| f.lists.get(n).map_or(0.0, |l| milliseconds(l.again))),
        ));
    }
    rows
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure in a table needs no more than three digits"
)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Three digits that count.
fn shown(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
