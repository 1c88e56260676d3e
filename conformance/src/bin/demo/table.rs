//! The table: nodes with bars, pods with the line of their last roll-ups.

use std::fmt::Write;
use std::time::Duration;

use super::numbers::{Node, Numbers, Pod};

/// Roll-ups shown of each pod.
const HISTORY: usize = 16;
const BAR: usize = 16;
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Lines of a table that are neither a pod nor a node nor a command to try.
const FRAME: usize = 7;

/// What is shown.
#[derive(Debug)]
pub(crate) struct Table {
    try_these: Vec<String>,
    numbers: Numbers,
    complete_after: Option<Duration>,
}

impl Table {
    /// An empty table, that invites to try these commands.
    pub(crate) fn new(try_these: Vec<String>) -> Self {
        Self {
            try_these,
            numbers: Numbers::default(),
            complete_after: None,
        }
    }

    /// Takes the next look in.
    pub(crate) fn update(&mut self, numbers: Numbers) {
        self.numbers = numbers;
    }

    /// Whether every node and pod has its number.
    pub(crate) fn is_complete(&self) -> bool {
        let Numbers { nodes, pods, .. } = &self.numbers;
        !pods.is_empty()
            && nodes.iter().all(|n| n.used.is_some())
            && pods.iter().all(|p| p.used.is_some())
    }

    /// Whether every pod has a line.
    pub(crate) fn has_lines(&self) -> bool {
        let Numbers { pods, lines, .. } = &self.numbers;
        let line = |pod: &Pod| lines.get(&(pod.namespace.clone(), pod.name.clone()));
        pods.iter()
            .all(|pod| line(pod).is_some_and(|line| !line.is_empty()))
    }

    /// Notes how long after the start every number was there, the first time.
    pub(crate) fn note_complete(&mut self, after: Duration) {
        self.complete_after.get_or_insert(after);
    }

    /// The table as text, of at most so many rows.
    pub(crate) fn render(&self, rows: Option<usize>, colours: bool) -> String {
        let (bold, plain) = if colours {
            ("\x1b[1m", "\x1b[0m")
        } else {
            ("", "")
        };
        let mut text = format!("{bold}{}{plain}\n", self.headline());
        let _ = writeln!(
            text,
            "\n{bold}{:<24}{:>8}  {:<BAR$} {:>10}  {:<BAR$}{plain}",
            "NODE", "CPU", "", "MEMORY", ""
        );
        for node in &self.numbers.nodes {
            render_node(&mut text, node);
        }
        let _ = writeln!(
            text,
            "\n{bold}{:<14}{:<16}{:<8}{:>8}  {:<HISTORY$} {:>10}  {:<9}{plain}",
            "NAMESPACE", "POD", "NODE", "CPU", "", "MEMORY", "MEASURED"
        );
        let (shown, hidden) = self.choose_pods(rows);
        for pod in shown {
            self.render_pod(&mut text, pod);
        }
        if hidden > 0 {
            let _ = writeln!(text, "… and {hidden} less busy");
        }
        for (n, command) in self.try_these.iter().enumerate() {
            for (line, part) in command.lines().enumerate() {
                let lead = if n + line == 0 {
                    "\nTry it:"
                } else {
                    "       "
                };
                let _ = writeln!(text, "{lead}  {bold}{part}{plain}");
            }
        }
        text
    }

    fn headline(&self) -> String {
        let Numbers { nodes, pods, .. } = &self.numbers;
        let measured = pods.iter().filter(|p| p.used.is_some()).count();
        let (nodes, pods) = (nodes.len(), pods.len());
        let so_far = self.complete_after.map_or_else(
            || format!("{measured} measured so far"),
            |after| format!("all measured {:.1} s after the start", after.as_secs_f64()),
        );
        format!("Loadline beside a simulated cluster: {nodes} nodes, {pods} pods, {so_far}")
    }

    fn frame(&self) -> usize {
        let commands = self.try_these.iter().map(|command| command.lines().count());
        FRAME + commands.sum::<usize>()
    }

    /// All pods if they fit, else the busiest.
    fn choose_pods(&self, rows: Option<usize>) -> (Vec<&Pod>, usize) {
        let pods = &self.numbers.pods;
        let taken = self.frame() + self.numbers.nodes.len();
        let room = rows.map_or(usize::MAX, |r| r.saturating_sub(taken).max(1));
        let mut chosen: Vec<&Pod> = pods.iter().collect();
        if chosen.len() > room {
            let cores = |p: &Pod| p.used.as_ref().map_or(0.0, |u| u.cores);
            chosen.sort_by(|a, b| cores(b).total_cmp(&cores(a)));
            chosen.truncate(room.saturating_sub(1));
        }
        let hidden = pods.len() - chosen.len();
        (chosen, hidden)
    }

    fn render_pod(&self, text: &mut String, pod: &Pod) {
        let Pod {
            namespace,
            name,
            node,
            used,
        } = pod;
        let _ = write!(text, "{namespace:<14}{name:<16}{node:<8}");
        let Some(used) = used else {
            let _ = writeln!(text, "{:>8}", "…");
            return;
        };
        let key = (namespace.clone(), name.clone());
        let line = self.numbers.lines.get(&key);
        let line = line.map_or_else(String::new, |line| spark(line));
        let clock = used.timestamp.get(11..19).unwrap_or_default();
        let _ = writeln!(
            text,
            "{:>8}  {line:<HISTORY$} {:>10}  {clock}",
            millicores(used.cores),
            mebibytes(used.memory)
        );
    }
}

fn render_node(text: &mut String, node: &Node) {
    let _ = write!(text, "{:<24}", node.name);
    let Some(used) = &node.used else {
        let _ = writeln!(text, "{:>8}", "…");
        return;
    };
    let _ = writeln!(
        text,
        "{:>8}  {} {:>10}  {}",
        millicores(used.cores),
        bar(used.cores / node.cores),
        mebibytes(used.memory),
        bar(used.memory / node.memory)
    );
}

fn millicores(cores: f64) -> String {
    format!("{:.0}m", cores * 1000.0)
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.0}Mi", bytes / 1024.0 / 1024.0)
}

fn bar(share: f64) -> String {
    let filled = steps(share, BAR);
    format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled))
}

/// The newest values as a line, scaled to the largest of them.
fn spark(values: &[f64]) -> String {
    let newest = values.get(values.len().saturating_sub(HISTORY)..);
    let newest = newest.unwrap_or_default();
    let most = newest.iter().copied().fold(1e-9, f64::max);
    let last = STEPS.len() - 1;
    let step = |value: &f64| STEPS.get(steps(value / most, last)).copied();
    newest.iter().filter_map(step).collect()
}

/// A share of one as whole steps.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to a handful of steps first"
)]
fn steps(share: f64, most: usize) -> usize {
    (share.clamp(0.0, 1.0) * most as f64).round() as usize
}

#[cfg(test)]
mod tests {
    use super::super::numbers::Used;
    use super::*;

    fn pod(name: &str, cores: Option<f64>) -> Pod {
        Pod {
            namespace: "a".to_owned(),
            name: name.to_owned(),
            node: "n".to_owned(),
            used: cores.map(|cores| Used {
                cores,
                memory: 64.0 * 1024.0 * 1024.0,
                timestamp: "2026-01-02T03:04:05Z".to_owned(),
            }),
        }
    }

    fn table(pods: Vec<Pod>) -> Table {
        let mut table = Table::new(vec!["kubectl top".to_owned(), "curl \\\n  two".to_owned()]);
        table.update(Numbers {
            nodes: Vec::new(),
            pods,
            lines: [(("a".to_owned(), "x".to_owned()), vec![100.0, 400.0])].into(),
        });
        table
    }

    #[test]
    fn a_pod_without_a_number_shows_none_and_the_table_is_not_complete() {
        let table = table(vec![pod("x", Some(0.25)), pod("y", None)]);
        let text = table.render(None, false);
        assert!(text.contains("250m  ▃█"), "{text}");
        assert!(text.contains("64Mi  03:04:05"), "{text}");
        assert!(text.contains("1 measured so far"), "{text}");
        assert!(!table.is_complete());
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn a_small_screen_shows_the_busiest() {
        let table = table(vec![
            pod("idle", Some(0.1)),
            pod("busy", Some(2.0)),
            pod("z", None),
        ]);
        let text = table.render(Some(table.frame() + 2), true);
        assert!(text.contains("busy"), "{text}");
        assert!(text.contains("… and 2 less busy"), "{text}");
        assert!(text.lines().count() <= table.frame() + 2, "{text}");
    }
}
