//! The messages of remote write 1.0 (`prometheus.WriteRequest`) and 2.0
//! (`io.prometheus.write.v2.Request`).

use std::collections::HashMap;

use super::series::Series;
use crate::apimachinery::protobuf::Writer;
use crate::domain::{MetricKind, Timestamp};

/// Which message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

impl Version {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::One => "application/x-protobuf",
            Self::Two => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }

    /// What stands in `X-Prometheus-Remote-Write-Version`.
    pub(super) const fn header(self) -> &'static str {
        match self {
            Self::One => "0.1.0",
            Self::Two => "2.0.0",
        }
    }

    pub(super) fn encode(self, series: &[Series<'_>], at: Timestamp) -> Vec<u8> {
        match self {
            Self::One => one(series, at),
            Self::Two => two(series, at),
        }
    }
}

/// The label that is a series' name.
const NAME: &str = "__name__";
/// What a series takes, more or less.
const ROOM: usize = 256;

fn one(series: &[Series<'_>], at: Timestamp) -> Vec<u8> {
    let mut writer = Writer::with_capacity(series.len() * ROOM);
    for series in series.iter().rev() {
        writer.message(1, |message| {
            sample(message, series.value, at);
            for (name, value) in series.labels(Some(NAME)).into_iter().rev() {
                message.message(1, |label| {
                    label.bytes(2, value.as_bytes());
                    label.bytes(1, name.as_bytes());
                });
            }
        });
    }
    writer.finish().to_vec()
}

fn sample(writer: &mut Writer, value: f64, at: Timestamp) {
    writer.message(2, |sample| {
        sample.int(2, at.as_millis());
        sample.double(1, value);
    });
}

/// Texts by the numbers they are referred to with; the first is empty.
#[derive(Default)]
struct Symbols<'a> {
    texts: Vec<&'a str>,
    numbers: HashMap<&'a str, u32>,
}

impl<'a> Symbols<'a> {
    fn new() -> Self {
        let mut symbols = Self::default();
        symbols.number("");
        symbols
    }

    fn number(&mut self, text: &'a str) -> u32 {
        let next = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let texts = &mut self.texts;
        *self.numbers.entry(text).or_insert_with(|| {
            texts.push(text);
            next
        })
    }
}

fn two(series: &[Series<'_>], at: Timestamp) -> Vec<u8> {
    let mut symbols = Symbols::new();
    let refs: Vec<(Vec<u32>, u32, u32)> = series
        .iter()
        .map(|series| {
            let labels = series.labels(Some(NAME)).into_iter();
            let refs = labels.flat_map(|(name, value)| [name, value]);
            let refs = refs.map(|text| symbols.number(text)).collect();
            let named = series.named;
            let help = symbols.number(named.metric);
            (refs, help, symbols.number(named.unit))
        })
        .collect();
    let mut writer = Writer::with_capacity(series.len() * ROOM);
    for (series, (refs, help, unit)) in series.iter().zip(&refs).rev() {
        writer.message(5, |message| {
            message.message(5, |metadata| {
                metadata.varint(4, u64::from(*unit));
                metadata.varint(3, u64::from(*help));
                metadata.varint(1, kind(series.named.kind));
            });
            sample(message, series.value, at);
            message.packed(1, refs);
        });
    }
    for text in symbols.texts.iter().rev() {
        writer.bytes(4, text.as_bytes());
    }
    writer.finish().to_vec()
}

/// `Metadata.MetricType`.
const fn kind(kind: MetricKind) -> u64 {
    match kind {
        MetricKind::Cumulative => 1,
        MetricKind::Gauge => 2,
    }
}

#[cfg(test)]
mod tests;
