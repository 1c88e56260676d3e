//! The newest batch for who scrapes, in OpenMetrics' text.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use tokio::sync::mpsc;

use super::super::column::{Column, Labeller};
use super::super::filter::Filter;
use super::super::options::Options;
use super::PREFIX;
use super::naming::{Named, Names};
use super::series::{Series, Told};
use crate::apimachinery::{Piece, Pieces, Query, Reply, Stream, plain};
use crate::domain::{Batch, Clock, Metric, MetricKind, Timestamp};
use crate::lifecycle::Stop;

/// What the roll-up made last, for who asks for it.
///
/// Everything of the batch is told, each value with the batch's timestamp; a batch older than the
/// given time no longer. Who asks may leave things out by the options all sinks have: `metrics`,
/// `namespaces`, `selector`. The answer is made metric by metric while it is read, so that a large
/// cluster's never stands in memory.
#[derive(Debug)]
pub struct Exposition {
    newest: ArcSwapOption<Batch>,
    told: Arc<Told>,
    labeller: Arc<dyn Labeller>,
    clock: Arc<dyn Clock>,
    stale_after: Duration,
}

/// One answer.
struct Families {
    batch: Option<Arc<Batch>>,
    told: Arc<Told>,
    labeller: Arc<dyn Labeller>,
    filter: Filter,
    left: Box<dyn Iterator<Item = Metric> + Send>,
    ended: bool,
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long an answer may be read.
const LASTS: Duration = Duration::from_mins(5);
/// Pieces are about this long at least.
const PIECE: usize = 64 << 10;

impl Exposition {
    /// Tells labels by `labeller`; nothing before the first batch, nor of one that is older than
    /// `stale_after`.
    #[must_use]
    pub fn new(
        labeller: Arc<dyn Labeller>,
        clock: Arc<dyn Clock>,
        stale_after: Duration,
    ) -> Arc<Self> {
        let told = Told {
            names: Names::new(PREFIX),
            labels: Vec::new(),
            object_labels: Vec::new(),
        };
        Arc::new(Self {
            newest: ArcSwapOption::empty(),
            told: Arc::new(told),
            labeller,
            clock,
            stale_after,
        })
    }

    /// Keeps the newest batch, until `stop` or until no more can come.
    pub async fn run(self: Arc<Self>, mut batches: mpsc::Receiver<Arc<Batch>>, stop: Stop) {
        while let Some(Some(batch)) = stop.until(batches.recv()).await {
            self.newest.store(Some(batch));
        }
    }

    /// Answers a request with this query; 400 when one of its options cannot be read.
    #[must_use]
    pub fn respond(&self, query: Option<&str>) -> Reply {
        let query = Query::parse(query);
        let mut options = Options::new("", &query);
        let filter = Filter::read(&mut options);
        let (_, problems) = options.finish();
        if !problems.is_empty() {
            let text = problems
                .iter()
                .map(|p| format!("{}: {}", p.option.unwrap_or_default(), p.what));
            let text = text.collect::<Vec<_>>().join("; ");
            return plain::plain_text(StatusCode::BAD_REQUEST, &text).into();
        }
        let mut head = Response::new(());
        let content_type = HeaderValue::from_static(OPEN_METRICS);
        head.headers_mut().insert(CONTENT_TYPE, content_type);
        let fresh = |batch: &Arc<Batch>| {
            let age = self.clock.now().since(batch.timestamp);
            age.is_none_or(|age| age <= self.stale_after)
        };
        let pieces = Families {
            batch: self.newest.load_full().filter(fresh),
            told: Arc::clone(&self.told),
            labeller: Arc::clone(&self.labeller),
            filter,
            left: Box::new(Metric::all()),
            ended: false,
        };
        Reply::Stream(Stream {
            head,
            lasts: LASTS,
            open_ended: false,
            pieces: Box::new(pieces),
        })
    }
}

impl Families {
    /// Writes all of one metric; nothing when there is none.
    fn write(&self, batch: &Batch, metric: Metric, text: &mut String) {
        let column = Column::new(batch, self.labeller.as_ref(), &self.filter);
        let mut head = true;
        for series in self.told.series_of(column, metric) {
            if std::mem::take(&mut head) {
                describe(series.named, text);
            }
            line(&series, batch.timestamp, text);
        }
    }
}

impl Pieces for Families {
    fn next(&mut self) -> Piece {
        if self.ended {
            return Piece::End;
        }
        let mut text = String::new();
        if let Some(batch) = self.batch.clone() {
            while text.len() < PIECE
                && let Some(metric) = self.left.next()
            {
                self.write(&batch, metric, &mut text);
            }
        }
        if text.len() < PIECE {
            text.push_str("# EOF\n");
            self.ended = true;
        }
        Piece::Bytes(Bytes::from(text))
    }

    fn wait(&mut self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

fn describe(named: &Named, text: &mut String) {
    let (kind, family) = match named.kind {
        MetricKind::Gauge => ("gauge", named.name.as_str()),
        MetricKind::Cumulative => {
            let family = named.name.strip_suffix("_total");
            ("counter", family.unwrap_or(&named.name))
        }
    };
    let _ = writeln!(text, "# TYPE {family} {kind}");
    if !named.unit.is_empty() && family.ends_with(named.unit) {
        let _ = writeln!(text, "# UNIT {family} {}", named.unit);
    }
    let metric = match named.metric {
        "" => "RESOURCE/request",
        metric => metric,
    };
    let _ = writeln!(text, "# HELP {family} {metric} of the roll-up.");
}

fn line(series: &Series<'_>, at: Timestamp, text: &mut String) {
    text.push_str(&series.named.name);
    let mut before = '{';
    for (name, value) in series.labels(None) {
        text.push(before);
        before = ',';
        text.push_str(name);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    if before == ',' {
        text.push('}');
    }
    let (secs, millis) = (at.as_secs(), at.as_millis().rem_euclid(1000));
    let _ = writeln!(text, " {} {secs}.{millis:03}", series.value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SystemClock, Value};
    use crate::sinks::tests::{Plain, batch, cluster, pod};

    async fn scraped(exposition: &Arc<Exposition>, query: Option<&str>) -> String {
        let Reply::Stream(mut stream) = exposition.respond(query) else {
            panic!("not told");
        };
        let mut text = String::new();
        while let Piece::Bytes(bytes) = stream.pieces.next() {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        text
    }

    async fn of(made: Batch, stale_after: Duration) -> Arc<Exposition> {
        let exposition = Exposition::new(Arc::new(Plain), Arc::new(SystemClock), stale_after);
        let (sender, receiver) = mpsc::channel(1);
        sender.send(Arc::new(made)).await.unwrap();
        drop(sender);
        let (_sender, stop) = Stop::channel();
        Arc::clone(&exposition).run(receiver, stop).await;
        exposition
    }

    #[tokio::test]
    async fn a_scrape_gets_all_of_one_metric_together_with_its_time() {
        let mut odd = pod("a", "p", &[]);
        odd.qualified[1].by = "a\"b\\c\nd".into();
        let sets = vec![odd, cluster(), pod("b", "q", &[])];
        let exposition = of(batch(60, sets), Duration::MAX).await;
        let pod = "hostname=\"h.1\",namespace_name=\"a\",nodename=\"n1\",pod_name=\"p\"";
        let query = Some("metrics=cpu/*,filesystem/*&excludeNamespaces=b");
        assert_eq!(
            scraped(&exposition, query).await,
            format!(
                "# TYPE heapster_cpu_usage_rate_cores gauge\n\
                 # UNIT heapster_cpu_usage_rate_cores cores\n\
                 # HELP heapster_cpu_usage_rate_cores cpu/usage_rate of the roll-up.\n\
                 heapster_cpu_usage_rate_cores{{{pod},type=\"pod\"}} 0.007 60.000\n\
                 heapster_cpu_usage_rate_cores{{type=\"cluster\"}} 0.005 60.000\n\
                 # TYPE heapster_filesystem_usage_bytes gauge\n\
                 # UNIT heapster_filesystem_usage_bytes bytes\n\
                 # HELP heapster_filesystem_usage_bytes filesystem/usage of the roll-up.\n\
                 heapster_filesystem_usage_bytes{{{pod},resource_id=\"logs\",type=\"pod\"}} 8 60.000\n\
                 heapster_filesystem_usage_bytes{{{pod},resource_id=\"a\\\"b\\\\c\\nd\",type=\"pod\"}} 9 60.000\n\
                 # EOF\n",
            )
        );
    }

    #[tokio::test]
    async fn a_scrape_before_the_first_batch_or_long_after_the_last_is_empty() {
        let old = of(batch(60, vec![cluster()]), Duration::from_secs(1)).await;
        assert_eq!(scraped(&old, None).await, "# EOF\n");
        let exposition = Exposition::new(Arc::new(Plain), Arc::new(SystemClock), Duration::MAX);
        assert_eq!(scraped(&exposition, None).await, "# EOF\n");
        let Reply::Whole(refused) = exposition.respond(Some("selector=a%3D%3D%3D")) else {
            panic!("told");
        };
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_counter_is_described_without_its_end() {
        let names = Names::new(PREFIX);
        let mut text = String::new();
        let named = names.of(Metric::CpuUsage).unwrap();
        describe(named, &mut text);
        assert!(text.starts_with("# TYPE heapster_cpu_usage_seconds counter\n# UNIT"));
        assert!((named.value(Value::Int(1_000_000_000)) - 1.0).abs() < f64::EPSILON);
    }
}
