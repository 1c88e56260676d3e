//! What Loadline promises beside metrics-server: how many times less of each thing.

use std::time::Duration;

use super::latency::{Form, Latency};
use super::measure::Figures;
use super::server::Server;
use super::stage::Size;

/// One figure and what Loadline promises of it.
#[derive(Debug)]
pub struct Row {
    /// What is measured.
    pub name: String,
    /// In what.
    pub unit: &'static str,
    figure: Figure,
    promise: Promise,
    /// What is promised of a server that does more than metrics-server, where that is something else.
    doing_more: Option<Promise>,
}

/// What is promised of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Promise {
    /// Nothing: it only tells of the others.
    Nothing,
    /// So many times less than metrics-server's, in a small, a middling and a large cluster.
    TimesLess([f64; 3]),
    /// No more than this, whatever metrics-server's is.
    AtMost(f64),
}

#[derive(Clone, Copy, Debug)]
enum Figure {
    Of(fn(&Figures) -> f64),
    List(usize, fn(&Latency) -> f64),
}

impl Row {
    /// The figure of a server; zero when it was not measured.
    #[must_use]
    pub fn of(&self, figures: &Figures) -> f64 {
        match self.figure {
            Figure::Of(figure) => figure(figures),
            Figure::List(form, figure) => figures.lists.get(form).map_or(0.0, figure),
        }
    }

    /// What is promised of it for this server in a cluster of this size: how many times less than
    /// metrics-server's it is to be.
    #[must_use]
    pub fn times_less(&self, size: Size, server: &Server) -> Option<f64> {
        let Promise::TimesLess([small, medium, large]) = self.promise_for(server) else {
            return None;
        };
        Some(match size.nodes {
            ..500 => small,
            500..3000 => medium,
            _ => large,
        })
    }

    fn promise_for(&self, server: &Server) -> Promise {
        let more = self.doing_more.filter(|_| server.does_more());
        more.unwrap_or(self.promise)
    }

    /// What is promised of it for this server, whatever metrics-server's is.
    #[must_use]
    pub fn at_most(&self, server: &Server) -> Option<f64> {
        match self.promise_for(server) {
            Promise::AtMost(limit) => Some(limit),
            Promise::Nothing | Promise::TimesLess(_) => None,
        }
    }

    /// How many times less than `peer` needs `ours` does, of a figure that is compared.
    #[must_use]
    pub fn ratio(&self, peer: &Figures, ours: &Figures) -> Option<f64> {
        if matches!(self.promise, Promise::AtMost(_)) {
            return None;
        }
        let (peer, ours) = (self.of(peer), self.of(ours));
        (ours > 0.0 && peer > 0.0).then(|| peer / ours)
    }

    /// What was promised and is not held.
    fn missed(
        &self,
        size: Size,
        peer: &Figures,
        server: &Server,
        ours: &Figures,
    ) -> Option<String> {
        let (who, what) = (&server.name, &self.name);
        if let Some(limit) = self.at_most(server) {
            let value = self.of(ours);
            let said = format!("{who}: {what}: {value:.2}, promised at most {limit}");
            return (value > limit).then_some(said);
        }
        let (target, ratio) = (self.times_less(size, server)?, self.ratio(peer, ours)?);
        let said = format!("{who}: {what}: {ratio:.2} times less, promised {target}");
        (ratio < target).then_some(said)
    }
}

/// What was promised and is not held beside the first server: who, which row, what was reached and
/// what was promised.
#[must_use]
pub fn lost(size: Size, results: &[(Server, Figures)]) -> Vec<String> {
    let Some(((_, peer), others)) = results.split_first() else {
        return Vec::new();
    };
    let of = |(server, ours): &(Server, Figures)| {
        let rows = rows();
        let missed = rows.iter();
        let missed = missed.filter_map(|row| row.missed(size, peer, server, ours));
        missed.collect::<Vec<_>>()
    };
    others.iter().flat_map(of).collect()
}

/// Every figure, in the order of the table.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut all = at_rest();
    for (n, form) in Form::ALL.into_iter().enumerate() {
        all.extend(of_form(n, form));
    }
    all.extend(asked());
    all.extend(beside());
    all
}

fn of_form(n: usize, form: Form) -> [Row; 7] {
    let name = form.name();
    let anew = match form {
        Form::Json => [8.0, 10.0, 10.0],
        Form::Gzip | Form::Protobuf => [4.0, 5.0, 5.0],
    };
    let row = |what: &str, unit, figure, promise| Row {
        name: match unit {
            "ms" if !what.ends_with("fastest") => format!("full pod list {what}, {name}, p50"),
            _ => format!("full pod list {what}, {name}"),
        },
        unit,
        figure: Figure::List(n, figure),
        promise,
        doing_more: None,
    };
    [
        row(
            "anew",
            "ms",
            |l| milliseconds(l.anew),
            Promise::TimesLess(anew),
        ),
        row(
            "again at once",
            "ms",
            |l| milliseconds(l.again),
            Promise::TimesLess([15.0; 3]),
        ),
        row(
            "anew, the fastest",
            "ms",
            |l| milliseconds(l.anew_fastest),
            Promise::Nothing,
        ),
        row(
            "again, the fastest",
            "ms",
            |l| milliseconds(l.again_fastest),
            Promise::Nothing,
        ),
        row(
            "from a server of these bytes alone",
            "ms",
            |l| milliseconds(l.floor),
            Promise::Nothing,
        ),
        row(
            "again over that",
            "× floor",
            |l| over(milliseconds(l.again), milliseconds(l.floor)),
            Promise::AtMost(2.0),
        ),
        row(
            "anew over that",
            "× floor",
            |l| over(milliseconds(l.anew), milliseconds(l.floor)),
            Promise::AtMost(2.0),
        ),
    ]
}

fn row(name: &str, unit: &'static str, figure: fn(&Figures) -> f64, promise: Promise) -> Row {
    Row {
        name: name.to_owned(),
        unit,
        figure: Figure::Of(figure),
        promise,
        doing_more: None,
    }
}

fn or_doing_more(row: Row, promise: Promise) -> Row {
    let doing_more = Some(promise);
    Row { doing_more, ..row }
}

fn at_rest() -> Vec<Row> {
    use Promise::{AtMost, Nothing, TimesLess};
    vec![
        row(
            "start to the first complete list",
            "s",
            |f| f.complete.as_secs_f64(),
            TimesLess([4.0; 3]),
        ),
        row(
            "CPU until then",
            "s",
            |f| f.cpu_until_complete.as_secs_f64(),
            TimesLess([5.0; 3]),
        ),
        or_doing_more(
            row(
                "CPU at rest",
                "mcore",
                |f| f.rest_millicores,
                TimesLess([8.0, 10.0, 10.0]),
            ),
            TimesLess([4.0, 5.0, 5.0]),
        ),
        row(
            "CPU of a loop that only reads the kubelets' answers",
            "mcore",
            |f| f.reading_millicores,
            Nothing,
        ),
        or_doing_more(
            row(
                "CPU at rest over that",
                "× floor",
                |f| over(f.rest_millicores, f.reading_millicores),
                AtMost(2.0),
            ),
            AtMost(4.0),
        ),
        row("RSS at rest", "MiB", |f| mebibytes(f.resident), Nothing),
        or_doing_more(
            row(
                "RSS after the lists",
                "MiB",
                |f| mebibytes(f.resident_after_lists),
                TimesLess([10.0, 10.0, 8.0]),
            ),
            TimesLess([5.0; 3]),
        ),
        row("peak RSS", "MiB", |f| mebibytes(f.peak), Nothing),
    ]
}

fn asked() -> Vec<Row> {
    use Promise::{AtMost, Nothing, TimesLess};
    vec![
        row(
            "full pod list five times a second, gzip, p50",
            "ms",
            |f| milliseconds(f.steady.p50),
            Nothing,
        ),
        row(
            "the same, p99",
            "ms",
            |f| milliseconds(f.steady.p99),
            Nothing,
        ),
        row(
            "the same, p99 over p50",
            "×",
            |f| over(milliseconds(f.steady.p99), milliseconds(f.steady.p50)),
            AtMost(2.0),
        ),
        row(
            "full pod list, 16 clients at once, gzip, p99",
            "ms",
            |f| milliseconds(f.crowd.p99),
            TimesLess([20.0; 3]),
        ),
        row(
            "CPU for each of these answers",
            "ms",
            |f| milliseconds(f.cpu_per_answer),
            TimesLess([20.0; 3]),
        ),
        row(
            "one namespace by label, p50",
            "ms",
            |f| milliseconds(f.by_label.p50),
            TimesLess([2.0, 4.0, 4.0]),
        ),
        row(
            "one node, p50",
            "ms",
            |f| milliseconds(f.one_node.p50),
            TimesLess([2.0, 4.0, 4.0]),
        ),
    ]
}

/// What it costs others.
fn beside() -> Vec<Row> {
    use Promise::{Nothing, TimesLess};
    vec![
        row(
            "CPU of the API server for it, start to end of rest",
            "s",
            |f| f.api_server_cpu.as_secs_f64(),
            TimesLess([1.0; 3]),
        ),
        row(
            "bytes from the API server, start to end of rest",
            "MiB",
            |f| mebibytes(f.api_server_bytes),
            TimesLess([1.0; 3]),
        ),
        row(
            "CPU of the kubelets' side at rest (of both alike)",
            "mcore",
            |f| f.kubelets_millicores,
            Nothing,
        ),
    ]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// How many times the second figure the first is; zero when one of them was not measured.
fn over(figure: f64, floor: f64) -> f64 {
    if floor > 0.0 { figure / floor } else { 0.0 }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure in a table needs no more than three digits"
)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
