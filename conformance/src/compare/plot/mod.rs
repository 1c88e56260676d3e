//! The figures as pictures.

mod bars;
mod lines;
mod svg;

use super::measure::Figures;
use super::saved::Saved;
use super::target::{Row, rows};
use bars::{Group, bars};
use lines::{Line, lines};

/// A picture and the file it belongs into.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The file's name.
    pub file: String,
    /// Its text.
    pub svg: String,
}

/// The latencies of a run, by form.
const LATENCIES: [(&str, &str); 8] = [
    ("full pod list anew, JSON, p50", "JSON, anew"),
    ("full pod list again at once, JSON, p50", "JSON, again"),
    ("full pod list anew, JSON, gzip, p50", "gzip, anew"),
    (
        "full pod list again at once, JSON, gzip, p50",
        "gzip, again",
    ),
    ("full pod list anew, protobuf, p50", "protobuf, anew"),
    (
        "full pod list again at once, protobuf, p50",
        "protobuf, again",
    ),
    ("one namespace by label, p50", "one namespace"),
    ("one node, p50", "one node"),
];
const MEMORY: [(&str, &str); 3] = [
    ("RSS at rest", "at rest"),
    ("RSS after the lists", "after the lists"),
    ("peak RSS", "peak"),
];
const CPU: [(&str, &str); 1] = [("CPU at rest", "CPU at rest")];
/// What should grow as the number of pods does.
const BY_SIZE: [(&str, &str, &str); 4] = [
    ("CPU at rest", "cpu", "mcore"),
    ("RSS at rest", "memory", "MiB"),
    ("full pod list anew, JSON, p50", "list", "ms"),
    ("CPU until then", "start", "s of CPU until the first list"),
];

/// Draws each run, and all of them together by the number of pods when there are two sizes or more.
#[must_use]
pub fn pictures(runs: &[Saved]) -> Vec<Picture> {
    let mut all: Vec<Picture> = runs.iter().flat_map(of_run).collect();
    if runs.len() > 1 {
        all.extend(BY_SIZE.map(|(name, short, unit)| Picture {
            file: format!("by-pods-{short}.svg"),
            svg: by_size(runs, name, unit),
        }));
    }
    all
}

fn of_run(run: &Saved) -> [Picture; 3] {
    let size = format!("{}x{}", run.size.nodes, run.size.pods);
    let picture = |kind: &str, title: &str, unit: &str, chosen: &[(&str, &str)]| Picture {
        file: format!("{kind}-{size}.svg"),
        svg: bars(
            &format!("{title}, {}", run.size),
            unit,
            &groups(run, chosen),
        ),
    };
    [
        picture("latency", "How long an answer takes", "ms", &LATENCIES),
        picture("memory", "Resident memory", "MiB", &MEMORY),
        picture("cpu", "CPU while nobody asks", "mcore", &CPU),
    ]
}

fn groups(run: &Saved, chosen: &[(&str, &str)]) -> Vec<Group> {
    let group = |(name, label): &(&str, &str)| Group {
        label: (*label).to_owned(),
        bars: values(&run.servers, name),
    };
    chosen.iter().map(group).collect()
}

fn values(servers: &[(String, Figures)], name: &str) -> Vec<(String, f64)> {
    let rows = rows();
    let row: Option<&Row> = rows.iter().find(|row| row.name == name);
    let value = |figures| row.map_or(0.0, |row| row.of(figures));
    let values = servers.iter().map(|(server, f)| (server.clone(), value(f)));
    // What was not measured has no bar.
    values.filter(|(_, value)| *value > 0.0).collect()
}

fn by_size(runs: &[Saved], name: &str, unit: &str) -> String {
    let mut all: Vec<Line> = Vec::new();
    for run in runs {
        let pods = f64::from(u32::try_from(run.size.all_pods()).unwrap_or(u32::MAX));
        for (server, value) in values(&run.servers, name) {
            let point = (pods, value);
            match all.iter_mut().find(|line| line.label == server) {
                Some(line) => line.points.push(point),
                None => all.push(Line {
                    label: server,
                    points: vec![point],
                }),
            }
        }
    }
    lines(&format!("{name}, by pods"), "pods", unit, &all)
}

#[cfg(test)]
mod tests {
    use super::super::stage::Size;
    use super::*;

    #[test]
    fn every_figure_that_is_drawn_is_a_row() {
        let rows = rows();
        let names = LATENCIES.iter().chain(&MEMORY).chain(&CPU).map(|(n, _)| n);
        for name in names.chain(BY_SIZE.iter().map(|(n, _, _)| n)) {
            assert!(rows.iter().any(|row| row.name == *name), "{name}");
        }
    }

    #[test]
    fn two_sizes_are_drawn_each_and_together() {
        let run = |nodes| {
            let figures = Figures {
                rest_millicores: 2.0 * f64::from(nodes),
                resident: 1 << 20,
                ..Figures::default()
            };
            let size = Size {
                nodes: usize::try_from(nodes).unwrap(),
                pods: 30,
            };
            let servers = vec![("loadline".to_owned(), figures)];
            Saved { size, servers }
        };
        let pictures = pictures(&[run(100_u32), run(1000)]);
        assert_eq!(pictures.len(), 3 + 3 + 4);
        let cpu = pictures.iter().find(|p| p.file == "by-pods-cpu.svg");
        let svg = &cpu.unwrap().svg;
        assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }
}
