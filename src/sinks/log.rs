//! `log`: every batch into our own log, for a look at what sinks are given.

use std::fmt::Write as _;

use tracing::info;

use super::chunks::{Progress, Verdict};
use super::column::Column;
use crate::domain::{MetricSet, Value};

/// Writes a line a set of which there is any number to tell, in the order of the keys.
pub(super) fn write(column: Column<'_>, progress: &mut Progress) {
    let mut sets: Vec<_> = column.sets().collect();
    sets.sort_by(|a, b| a.key.cmp(&b.key));
    let timestamp = column.timestamp().as_secs();
    for (at, set) in sets.into_iter().enumerate() {
        let (labels, metrics, points) = describe(column, set);
        if points == 0 {
            continue;
        }
        info!(timestamp, entity = %set.key, labels, metrics, "metric set");
        progress.note(at, points, Verdict::Accepted);
    }
}

/// Labels and metrics of a set, sorted, and how many metrics there are.
fn describe<'a>(column: Column<'a>, set: &'a MetricSet) -> (String, String, usize) {
    let mut labels = String::new();
    for (name, value) in column.labels(set) {
        let _ = write!(labels, "{name}={value} ");
    }
    let mut samples: Vec<_> = column.samples(set).collect();
    samples.sort_by(|a, b| (&a.name, a.resource).cmp(&(&b.name, b.resource)));
    let mut metrics = String::new();
    for sample in &samples {
        let _ = match sample.resource {
            None => write!(metrics, "{}", sample.name),
            Some(resource) => write!(metrics, "{}[{resource}]", sample.name),
        };
        let _ = match sample.value {
            Value::Int(value) => write!(metrics, "={value} "),
            Value::Float(value) => write!(metrics, "={value:.6} "),
        };
    }
    (
        labels.trim_end().to_owned(),
        metrics.trim_end().to_owned(),
        samples.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::filter::Filter;
    use super::super::options::Options;
    use super::*;
    use crate::apimachinery::Query;
    use crate::sinks::tests::{Plain, batch, cluster, pod};
    use crate::telemetry::testing::logged;

    #[test]
    fn what_a_filter_leaves_nothing_of_is_no_line() {
        let batch = batch(60, vec![cluster(), pod("a", "p", &[])]);
        let query = Query::parse(Some("metrics=filesystem/*"));
        let filter = Filter::read(&mut Options::new("log", &query));
        let plain = Plain;
        let mut progress = Progress::default();
        let lines = logged(|| write(Column::new(&batch, &plain, &filter), &mut progress));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("filesystem/usage[logs]=8"), "{lines:?}");
        assert_eq!(progress.sent, 2);
    }

    #[test]
    fn a_set_is_one_line_with_everything_sorted() {
        let batch = batch(60, vec![pod("a", "p", &[("app", "web")])]);
        let (filter, plain) = (Filter::default(), Plain);
        let column = Column::new(&batch, &plain, &filter);
        let (labels, metrics, points) = describe(column, column.sets().next().unwrap());
        assert_eq!(
            labels,
            "hostname=h.1 labels=app:web namespace_name=a nodename=n1 pod_name=p type=pod"
        );
        assert_eq!(
            metrics,
            "cpu/usage_rate=7 filesystem/usage[Volume:data]=9 filesystem/usage[logs]=8 \
             memory/page_faults_rate=1.500000"
        );
        assert_eq!(points, 4);
    }
}
