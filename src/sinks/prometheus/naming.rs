//! Heapster's metrics under names Prometheus' rules ask for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::domain::{Metric, MetricKind, Point, Units, Value};

/// The name of every metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Names(BTreeMap<Metric, Named>);

/// How one metric is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Named {
    /// With the unit, and `_total` behind a counter's.
    pub name: String,
    /// The unit in the name; empty when there is none.
    pub unit: &'static str,
    pub kind: MetricKind,
    /// Heapster's name.
    pub metric: &'static str,
    /// By what Heapster's values are divided, so that they are in seconds, bytes, cores.
    divisor: u32,
}

impl Names {
    /// Names that begin with `prefix`.
    ///
    /// The unit stands behind the name and values are in base units: seconds, bytes, cores, ratios.
    /// Counters end in `_total`. The rate of a counter is named as what it counts, per second.
    pub(in super::super) fn new(prefix: &str) -> Self {
        let named = Metric::all().map(|metric| (metric, Named::new(prefix, metric)));
        Self(named.collect())
    }

    /// The metric that is told under this name.
    pub(super) fn find(&self, name: &str) -> Option<Metric> {
        let mut all = self.0.iter();
        all.find_map(|(metric, named)| (named.name == name).then_some(*metric))
    }

    /// The name of a metric; the catalogue has all.
    pub(in super::super) fn of(&self, metric: Metric) -> Option<&Named> {
        self.0.get(&metric)
    }
}

impl Named {
    fn new(prefix: &str, metric: Metric) -> Self {
        let counter = Metric::all().find(|counter| counter.rate() == Some(metric));
        let of_counter = counter.filter(|_| metric.units() == Units::PerSecond);
        let (base, (unit, divisor), end) = match of_counter {
            Some(counter) => (counter, unit(counter), "_per_second"),
            None if metric.kind() == MetricKind::Cumulative => (metric, unit(metric), "_total"),
            None => (metric, unit(metric), ""),
        };
        let base = if metric == Metric::ResourceRequest {
            "resource_request".into()
        } else {
            valid(base.name())
        };
        let separator = if unit.is_empty() { "" } else { "_" };
        Self {
            name: format!("{}{base}{separator}{unit}{end}", valid(prefix)),
            unit,
            kind: metric.kind(),
            metric: metric.name(),
            divisor,
        }
    }

    /// A value of Heapster's in the unit of the name.
    pub(in super::super) fn value(&self, value: Value) -> f64 {
        value.as_f64() / f64::from(self.divisor)
    }

    /// The value of Heapster's that was told as this one, in the kind of its metric. Dividing may
    /// have moved a float by its last digits, so one that is whole but for those is whole.
    pub(super) fn heapster(&self, metric: Metric, told: f64) -> Value {
        let value = told * f64::from(self.divisor);
        let whole = value.round();
        let is_whole = !metric.is_float() || (value - whole).abs() <= whole.abs() * 1e-12;
        let value = if is_whole { whole } else { value };
        Point::float(metric, value).value()
    }
}

/// The base unit, and how many of Heapster's make one.
fn unit(metric: Metric) -> (&'static str, u32) {
    match metric.units() {
        // Heapster says they are bytes.
        _ if matches!(
            metric,
            Metric::FilesystemInodes | Metric::FilesystemInodesFree
        ) =>
        {
            ("", 1)
        }
        Units::Count | Units::PerSecond => ("", 1),
        Units::Bytes => ("bytes", 1),
        Units::Milliseconds => ("seconds", 1_000),
        Units::Nanoseconds => ("seconds", 1_000_000_000),
        Units::Millicores => ("cores", 1_000),
        Units::Ratio => ("ratio", 1),
    }
}

/// A text with `_` for every character no name of a metric or label may have.
pub(in super::super) fn valid(text: &str) -> Cow<'_, str> {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let digit = text.starts_with(|c: char| c.is_ascii_digit());
    if text.chars().all(is_valid) && !digit {
        return text.into();
    }
    let text = text.replace(|c| !is_valid(c), "_");
    if digit {
        format!("_{text}").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_the_unit_and_counters_that_they_are_some() {
        let names = Names::new("heapster_");
        for (metric, name, from, to) in [
            (
                Metric::CpuUsage,
                "cpu_usage_seconds_total",
                2_500_000_000,
                2.5,
            ),
            (Metric::CpuUsageRate, "cpu_usage_rate_cores", 250, 0.25),
            (Metric::Uptime, "uptime_seconds_total", 1_500, 1.5),
            (
                Metric::MemoryWorkingSet,
                "memory_working_set_bytes",
                4096,
                4096.0,
            ),
            (Metric::MemoryPageFaults, "memory_page_faults_total", 3, 3.0),
            (
                Metric::MemoryPageFaultsRate,
                "memory_page_faults_per_second",
                3,
                3.0,
            ),
            (Metric::NetworkRxRate, "network_rx_bytes_per_second", 3, 3.0),
            (Metric::NetworkTx, "network_tx_bytes_total", 3, 3.0),
            (Metric::FilesystemInodes, "filesystem_inodes", 3, 3.0),
            (
                Metric::CpuNodeUtilization,
                "cpu_node_utilization_ratio",
                1,
                1.0,
            ),
            (
                Metric::CpuPressureSomeRate,
                "cpu_pressure_some_seconds_per_second",
                500_000_000,
                0.5,
            ),
            (Metric::RestartCount, "restart_count", 3, 3.0),
            (Metric::ResourceRequest, "resource_request", 3, 3.0),
        ] {
            let named = names.of(metric).unwrap();
            assert_eq!(named.name, format!("heapster_{name}"));
            assert!((named.value(Value::Int(from)) - to).abs() < 1e-12, "{name}");
            assert_eq!(names.find(&named.name), Some(metric));
            let back = named.heapster(metric, to);
            assert!((back.as_f64() - Value::Int(from).as_f64()).abs() < 1e-12);
            assert_eq!(matches!(back, Value::Float(_)), metric.is_float(), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_told_is_read_back_as_it_was(whole in 0_i64..1 << 50, part in -1e9..1e9_f64) {
            let names = Names::new("heapster_");
            for metric in Metric::all() {
                let named = names.of(metric).unwrap();
                let back = named.heapster(metric, named.value(Value::Int(whole)));
                proptest::prop_assert_eq!(back, Point::int(metric, whole).value());
                let back = named.heapster(metric, named.value(Value::Float(part))).as_f64();
                let off = if metric.is_float() { part.abs() * 1e-12 } else { 0.5 };
                proptest::prop_assert!((back - part).abs() <= off, "{back} for {part}");
            }
        }
    }

    #[test]
    fn every_metric_has_a_name_of_its_own_that_prometheus_takes() {
        let names = Names::new("a.b-");
        let all: std::collections::BTreeSet<&str> =
            names.0.values().map(|n| n.name.as_str()).collect();
        assert_eq!(all.len(), Metric::all().count());
        for named in names.0.values() {
            let valid = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(named.name.starts_with("a_b_") && named.name.chars().all(valid));
            let is_counter = named.kind == MetricKind::Cumulative;
            assert_eq!(named.name.ends_with("_total"), is_counter, "{}", named.name);
        }
        for (text, expected) in [
            ("app.kubernetes.io/name", "app_kubernetes_io_name"),
            ("9x", "_9x"),
        ] {
            assert_eq!(valid(text), expected);
        }
    }
}
