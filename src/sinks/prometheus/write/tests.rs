//! What is written, read back by the published definitions of the messages.

use prost::Message;

use super::super::super::column::Column;
use super::super::super::filter::Filter;
use super::super::naming::Names;
use super::super::series::Told;
use super::*;
use crate::domain::MetricSet;
use crate::sinks::tests::remote_write::{Request, Sample, WriteRequest};
use crate::sinks::tests::{Plain, batch, pod};

fn encoded(version: Version, set: MetricSet) -> Vec<u8> {
    let told = Told {
        names: Names::new("heapster_"),
        labels: vec![("Cluster".to_owned(), "c".to_owned())],
        object_labels: vec!["app.kubernetes.io/name".to_owned()],
    };
    let batch = batch(60, vec![set]);
    let filter = Filter::default();
    let column = Column::new(&batch, &Plain, &filter);
    let series: Vec<Series<'_>> = told.series(column).collect();
    version.encode(&series, batch.timestamp)
}

fn web() -> MetricSet {
    pod("a", "p", &[("app.kubernetes.io/name", "web"), ("x", "y")])
}

fn expected(name: &str, resource: Option<&str>) -> Vec<(String, String)> {
    let mut labels = vec![
        ("Cluster", "c"),
        ("__name__", name),
        ("hostname", "h.1"),
        ("label_app_kubernetes_io_name", "web"),
        ("namespace_name", "a"),
        ("nodename", "n1"),
        ("pod_name", "p"),
    ];
    labels.extend(resource.map(|resource| ("resource_id", resource)));
    labels.push(("type", "pod"));
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    labels.into_iter().map(owned).collect()
}

const NAMES: [(&str, Option<&str>, f64); 4] = [
    ("heapster_cpu_usage_rate_cores", None, 0.007),
    ("heapster_memory_page_faults_per_second", None, 1.5),
    ("heapster_filesystem_usage_bytes", Some("logs"), 8.0),
    ("heapster_filesystem_usage_bytes", Some("Volume:data"), 9.0),
];

#[test]
fn version_one_names_every_label_in_the_order_of_their_names() {
    let request = WriteRequest::decode(encoded(Version::One, web()).as_slice()).unwrap();
    assert_eq!(request.timeseries.len(), NAMES.len());
    for (series, (name, resource, value)) in request.timeseries.iter().zip(NAMES) {
        let pairs = series.labels.iter();
        let labels: Vec<_> = pairs.map(|l| (l.name.clone(), l.value.clone())).collect();
        assert_eq!(labels, expected(name, resource));
        assert!(labels.is_sorted());
        let sample = Sample {
            value,
            timestamp: 60_000,
        };
        assert_eq!(series.samples, [sample]);
    }
}

#[test]
fn version_two_refers_to_texts_that_stand_there_once() {
    let request = Request::decode(encoded(Version::Two, web()).as_slice()).unwrap();
    assert_eq!(request.symbols[0], "");
    let distinct: std::collections::BTreeSet<&String> = request.symbols.iter().collect();
    assert_eq!(distinct.len(), request.symbols.len());
    let text = |at: u32| request.symbols[usize::try_from(at).unwrap()].clone();
    for (series, (name, resource, value)) in request.timeseries.iter().zip(NAMES) {
        let pairs = series.labels_refs.chunks(2);
        let labels: Vec<_> = pairs.map(|p| (text(p[0]), text(p[1]))).collect();
        assert_eq!(labels, expected(name, resource));
        assert!((series.samples[0].value - value).abs() < 1e-12);
        let metadata = series.metadata.as_ref().unwrap();
        assert_eq!(metadata.kind, 2, "a gauge");
    }
    let metadata = request.timeseries[2].metadata.as_ref().unwrap();
    assert_eq!(text(metadata.unit_ref), "bytes");
    assert_eq!(text(metadata.help_ref), "filesystem/usage");
}
