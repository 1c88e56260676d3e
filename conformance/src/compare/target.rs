//! What Loadline promises beside metrics-server: how many times less of each thing.

use super::latency::Form;
use super::measure::Figures;
use super::server::Server;
use super::stage::Size;

/// One figure and how many times less of it Loadline needs at least.
#[derive(Debug)]
pub struct Row {
    /// What is measured.
    pub name: String,
    /// In what.
    pub unit: &'static str,
    figure: Figure,
    target: Option<[f64; 3]>,
    /// A server that does more than metrics-server may need twice as much of it.
    doubles: bool,
}

#[derive(Clone, Copy, Debug)]
enum Figure {
    Of(fn(&Figures) -> f64),
    Anew(usize),
    Again(usize),
    Floor(usize),
}

impl Row {
    /// The figure of a server.
    #[must_use]
    pub fn of(&self, figures: &Figures) -> f64 {
        let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
        match self.figure {
            Figure::Of(figure) => figure(figures),
            Figure::Anew(form) => figures
                .lists
                .get(form)
                .map_or(0.0, |l| milliseconds(l.anew)),
            Figure::Again(form) => figures
                .lists
                .get(form)
                .map_or(0.0, |l| milliseconds(l.again)),
            Figure::Floor(form) => figures
                .lists
                .get(form)
                .map_or(0.0, |l| milliseconds(l.floor)),
        }
    }

    /// How many times less than the peer's this server's is to be in a cluster of this size, if
    /// anything is promised.
    #[must_use]
    pub fn target(&self, size: Size, server: &Server) -> Option<f64> {
        let [small, medium, large] = self.target?;
        let target = match size.nodes {
            ..500 => small,
            500..3000 => medium,
            _ => large,
        };
        let twice = self.doubles && server.does_more();
        Some(if twice { target / 2.0 } else { target })
    }

    /// How many times less than `peer` needs `ours` does.
    #[must_use]
    pub fn ratio(&self, peer: &Figures, ours: &Figures) -> Option<f64> {
        let (peer, ours) = (self.of(peer), self.of(ours));
        (ours > 0.0).then(|| peer / ours)
    }
}

/// What was promised and is not held beside the first server: who, which row, what was reached and
/// what was promised.
#[must_use]
pub fn lost(size: Size, results: &[(Server, Figures)]) -> Vec<String> {
    let Some(((_, peer), others)) = results.split_first() else {
        return Vec::new();
    };
    let missed = |row: &Row, server: &Server, ours: &Figures| {
        let (target, ratio) = (row.target(size, server)?, row.ratio(peer, ours)?);
        let (who, what) = (&server.name, &row.name);
        let said = format!("{who}: {what}: {ratio:.2} times less, promised {target}");
        (ratio < target).then_some(said)
    };
    let of = |(server, ours): &(Server, Figures)| {
        let rows = rows();
        let missed = rows.iter().filter_map(|row| missed(row, server, ours));
        missed.collect::<Vec<_>>()
    };
    others.iter().flat_map(of).collect()
}

/// Every figure, in the order of the table.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut all = at_rest();
    for (n, form) in Form::ALL.into_iter().enumerate() {
        let name = form.name();
        let anew = match form {
            Form::Json => [8.0, 10.0, 10.0],
            Form::Gzip | Form::Protobuf => [4.0, 5.0, 5.0],
        };
        let row = |what: &str, figure, target| Row {
            name: format!("full pod list {what}, {name}, p50"),
            unit: "ms",
            figure,
            target,
            doubles: false,
        };
        all.push(row("anew", Figure::Anew(n), Some(anew)));
        all.push(row("again at once", Figure::Again(n), Some([15.0; 3])));
        all.push(row(
            "from a server of these bytes alone",
            Figure::Floor(n),
            None,
        ));
    }
    all.extend(asked());
    all
}

fn row(
    name: &str,
    unit: &'static str,
    figure: fn(&Figures) -> f64,
    target: Option<[f64; 3]>,
) -> Row {
    Row {
        name: name.to_owned(),
        unit,
        figure: Figure::Of(figure),
        target,
        doubles: false,
    }
}

fn doubling(row: Row) -> Row {
    let doubles = true;
    Row { doubles, ..row }
}

fn at_rest() -> Vec<Row> {
    let seconds = [
        row(
            "start to the first complete list",
            "s",
            |f| f.complete.as_secs_f64(),
            Some([4.0; 3]),
        ),
        row(
            "CPU until then",
            "s",
            |f| f.cpu_until_complete.as_secs_f64(),
            Some([5.0; 3]),
        ),
    ];
    let rest = [
        doubling(row(
            "CPU at rest",
            "mcore",
            |f| f.rest_millicores,
            Some([8.0, 10.0, 10.0]),
        )),
        row("RSS at rest", "MiB", |f| mebibytes(f.resident), None),
        doubling(row(
            "RSS after the lists",
            "MiB",
            |f| mebibytes(f.resident_after_lists),
            Some([10.0, 10.0, 8.0]),
        )),
        row("peak RSS", "MiB", |f| mebibytes(f.peak), None),
    ];
    seconds.into_iter().chain(rest).collect()
}

fn asked() -> Vec<Row> {
    vec![
        row(
            "full pod list five times a second, gzip, p50",
            "ms",
            |f| f.steady.p50.as_secs_f64() * 1000.0,
            None,
        ),
        row(
            "the same, p99",
            "ms",
            |f| f.steady.p99.as_secs_f64() * 1000.0,
            None,
        ),
        row(
            "full pod list, 16 clients at once, gzip, p99",
            "ms",
            |f| f.crowd.p99.as_secs_f64() * 1000.0,
            Some([20.0; 3]),
        ),
        row(
            "CPU for each of these answers",
            "ms",
            |f| f.cpu_per_answer.as_secs_f64() * 1000.0,
            Some([20.0; 3]),
        ),
        row(
            "one namespace by label, p50",
            "ms",
            |f| f.by_label.p50.as_secs_f64() * 1000.0,
            Some([2.0, 4.0, 4.0]),
        ),
        row(
            "one node, p50",
            "ms",
            |f| f.one_node.p50.as_secs_f64() * 1000.0,
            Some([2.0, 4.0, 4.0]),
        ),
        row(
            "CPU of the API server, start to end of rest",
            "s",
            |f| f.api_server_cpu.as_secs_f64(),
            Some([1.0; 3]),
        ),
        row(
            "bytes from the API server, start to end of rest",
            "MiB",
            |f| mebibytes(f.api_server_bytes),
            Some([1.0; 3]),
        ),
        row(
            "CPU of the kubelets' side at rest (of both alike)",
            "mcore",
            |f| f.kubelets_millicores,
            None,
        ),
    ]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure in a table needs no more than three digits"
)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
