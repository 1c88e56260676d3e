//! `/metrics/resource`: which series are wanted and what they mean.

use super::customary::{self, Opening};
use super::exposition::{
    Sample, Unreadable, container_key, millis, next_line, node_sample, sample, skip_blanks,
    split_name,
};
use super::lives::{Full, Lives, Measurement};
use crate::domain::{Bytes, CounterSample, CpuTime, GaugeSample, ResourceReading, Timestamp};

/// Bounds on what one answer may make us hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most containers of one node. An answer with more is refused as a whole.
    pub max_containers: usize,
}

/// An answer that says nothing that may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A summary that is no JSON to its end.
    #[error("the answer is no JSON")]
    Malformed,
    /// It does not begin with a sample: a page of a proxy in between, or JSON.
    #[error("the answer is no list of metrics: it begins with something else")]
    NoExposition,
    /// JSON that is no summary: it names neither a node nor pods.
    #[error("neither a node nor pods in the answer")]
    NoSummary,
    /// More containers than [`Limits::max_containers`].
    #[error("more than {limit} containers in one answer")]
    TooManyContainers {
        /// The bound.
        limit: usize,
    },
    /// Not one series of the node or of a container was found: this is not what a kubelet answers,
    /// and taking it for one would end every container of the node.
    #[error("no resource metrics in the answer, {skipped_lines} lines could not be read")]
    Empty {
        /// Lines that could not be read.
        skipped_lines: usize,
    },
}

/// A container has lines of some 100 bytes in four to eight families. Room is made for a few more than
/// there will be.
const BYTES_A_CONTAINER: usize = 400;

/// The series of `/metrics/resource`, as far as they are of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Series {
    NodeCpu,
    NodeMemory,
    NodeSwap,
    ContainerCpu,
    ContainerMemory,
    ContainerSwap,
    ContainerStart,
    ScrapeError,
    Unknown,
}

impl Default for Limits {
    /// 20,000 containers: a hundred times what a kubelet runs by default.
    fn default() -> Self {
        Self {
            max_containers: 20_000,
        }
    }
}

/// Reads the text a kubelet answers on `/metrics/resource`.
///
/// A sample line without a stamp is stamped `asked_at`. Series nobody needs are passed over. A line
/// of a needed series is skipped and counted when it cannot be read, or when it speaks of a
/// container whose namespace, pod or container label is missing or no name an object can have; the
/// rest counts. A value no kubelet can have measured (negative, `NaN`, infinite, too large for its
/// unit) gives no number, but its container is there: kubelets write Go's zero time as a negative
/// start time. Of several lives of a container the one with the newest start time stays, else the
/// one met last; of several lines for the node the last.
///
/// CPU seconds become nanoseconds exactly, cut off below one nanosecond, where metrics-server goes
/// through a float.
///
/// # Errors
/// [`DecodeError`]: nothing of such an answer may be kept.
pub fn decode_resource<'a>(
    body: &'a [u8],
    asked_at: Timestamp,
    limits: Limits,
) -> Result<ResourceReading<'a>, DecodeError> {
    decode(body, asked_at, limits, Decoder::customary_line)
}

/// The same without the shortcut for lines in the customary form.
///
/// # Errors
/// As [`decode_resource`].
#[cfg(test)]
pub(super) fn decode_generally(
    body: &[u8],
    asked_at: Timestamp,
    limits: Limits,
) -> Result<ResourceReading<'_>, DecodeError> {
    decode(body, asked_at, limits, |_, _| Ok(None))
}

/// Reads line after line: those `shortcut` knows by it, which returns what follows the line, all
/// others in general.
fn decode<'a>(
    body: &'a [u8],
    asked_at: Timestamp,
    limits: Limits,
    shortcut: impl Fn(&mut Decoder<'a>, &'a [u8]) -> Result<Option<&'a [u8]>, Full>,
) -> Result<ResourceReading<'a>, DecodeError> {
    let mut decoder = Decoder {
        reading: ResourceReading::default(),
        lives: Lives::new(limits.max_containers, body.len() / BYTES_A_CONTAINER),
        family: (b"", Series::Unknown),
        opening: Opening::default(),
        asked_at,
    };
    let limit = limits.max_containers;
    let full = |Full| DecodeError::TooManyContainers { limit };
    let mut rest = body;
    loop {
        if let Some(after) = shortcut(&mut decoder, rest).map_err(full)? {
            rest = after;
            continue;
        }
        let Some(line) = next_line(&mut rest) else {
            return match decoder.finish() {
                Err(DecodeError::Empty { .. }) if !is_exposition(body) => {
                    Err(DecodeError::NoExposition)
                }
                outcome => outcome,
            };
        };
        match decoder.line(line) {
            Ok(()) => {}
            Err(Skip::Unreadable) => decoder.reading.skipped_lines += 1,
            Err(Skip::Full) => return Err(full(Full)),
        }
    }
}

/// Tells by the first line that is neither blank nor a comment; a text without one is an exposition
/// of nothing.
fn is_exposition(mut body: &[u8]) -> bool {
    loop {
        match next_line(&mut body) {
            None => return true,
            Some([] | [b'#', ..]) => {}
            Some(line) => {
                return split_name(line).is_ok_and(|(_, rest)| node_sample(rest).is_ok());
            }
        }
    }
}

struct Decoder<'a> {
    reading: ResourceReading<'a>,
    lives: Lives<'a>,
    /// The name of the series on the line before, and what it means.
    family: (&'a [u8], Series),
    opening: Opening<'a>,
    asked_at: Timestamp,
}

enum Skip {
    Unreadable,
    Full,
}

impl From<Unreadable> for Skip {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

impl From<Full> for Skip {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

impl<'a> Decoder<'a> {
    /// Reads the line `rest` begins with, if it is written as kubelets write the many; returns what
    /// follows it.
    fn customary_line(&mut self, rest: &'a [u8]) -> Result<Option<&'a [u8]>, Full> {
        if let [b'#', ..] = rest {
            return Ok(Some(customary::after_line(rest)));
        }
        let Ok((series, labels)) = self.series(rest) else {
            return Ok(None);
        };
        match series {
            Series::Unknown => Ok(Some(customary::after_line(labels))),
            Series::ContainerCpu
            | Series::ContainerMemory
            | Series::ContainerSwap
            | Series::ContainerStart => self.customary_container(series, labels),
            Series::NodeCpu | Series::NodeMemory | Series::NodeSwap | Series::ScrapeError => {
                Ok(None)
            }
        }
    }

    fn customary_container(
        &mut self,
        series: Series,
        rest: &'a [u8],
    ) -> Result<Option<&'a [u8]>, Full> {
        let Some(labels) = rest.strip_prefix(b"{") else {
            return Ok(None);
        };
        if let Some((at, rest)) = self.lives.expected(labels) {
            let Some((sample, after)) = customary::sample(rest) else {
                return Ok(None);
            };
            self.lives.add(at, self.measurement(series, sample))?;
            return Ok(Some(after));
        }
        let Some((key, rest)) = self.opening.container(labels) else {
            return Ok(None);
        };
        let Some((sample, after)) = customary::sample(rest) else {
            return Ok(None);
        };
        let text = labels.get(..labels.len() - rest.len()).unwrap_or_default();
        let measurement = self.measurement(series, sample);
        self.lives.find_or_add(key, text, measurement)?;
        Ok(Some(after))
    }

    fn line(&mut self, line: &'a [u8]) -> Result<(), Skip> {
        if let [] | [b'#', ..] = line {
            return Ok(());
        }
        let (series, rest) = self.series(line)?;
        match series {
            Series::Unknown => {}
            Series::NodeCpu => {
                let sample = self.counter(node_sample(rest)?);
                self.reading.node.cpu = sample.or(self.reading.node.cpu);
            }
            Series::NodeMemory => {
                let sample = self.gauge(node_sample(rest)?);
                self.reading.node.memory = sample.or(self.reading.node.memory);
            }
            Series::NodeSwap => {
                let sample = self.gauge(node_sample(rest)?);
                self.reading.node.swap = sample.or(self.reading.node.swap);
            }
            Series::ScrapeError => {
                let failed = node_sample(rest)?.value.is_some_and(|v| !v.is_zero());
                self.reading.incomplete |= failed;
            }
            Series::ContainerCpu
            | Series::ContainerMemory
            | Series::ContainerSwap
            | Series::ContainerStart => self.container(series, rest)?,
        }
        Ok(())
    }

    /// Which series the line is of, and what follows its name.
    fn series(&mut self, line: &'a [u8]) -> Result<(Series, &'a [u8]), Unreadable> {
        let (name, series) = self.family;
        if let Some(rest @ [b'{' | b' ', ..]) = line.strip_prefix(name)
            && !name.is_empty()
        {
            return Ok((series, rest));
        }
        let (name, rest) = split_name(line)?;
        self.family = (name, Series::named(name));
        self.lives.rewind();
        Ok((self.family.1, rest))
    }

    fn container(&mut self, series: Series, rest: &'a [u8]) -> Result<(), Skip> {
        let labels = skip_blanks(rest).strip_prefix(b"{").ok_or(Unreadable)?;
        if let Some((at, rest)) = self.lives.expected(labels) {
            let measurement = self.measurement(series, sample(rest)?);
            return Ok(self.lives.add(at, measurement)?);
        }
        let (key, rest) = container_key(labels)?;
        let measurement = self.measurement(series, sample(rest)?);
        let text = labels.get(..labels.len() - rest.len()).unwrap_or_default();
        Ok(self.lives.find_or_add(key, text, measurement)?)
    }

    fn measurement(&self, series: Series, sample: Sample) -> Measurement {
        let measurement = match series {
            Series::ContainerCpu => self.counter(sample).map(Measurement::Cpu),
            Series::ContainerMemory => self.gauge(sample).map(Measurement::Memory),
            Series::ContainerSwap => self.gauge(sample).map(Measurement::Swap),
            Series::ContainerStart => {
                let started = sample.value.and_then(|value| millis(value, 3));
                started.map(Measurement::Started)
            }
            Series::NodeCpu
            | Series::NodeMemory
            | Series::NodeSwap
            | Series::ScrapeError
            | Series::Unknown => None,
        };
        measurement.unwrap_or(Measurement::Nothing)
    }

    fn counter(&self, sample: Sample) -> Option<CounterSample> {
        Some(CounterSample {
            value: CpuTime::from_nanos(sample.value?.scaled(9)?),
            at: sample.at.unwrap_or(self.asked_at),
        })
    }

    fn gauge(&self, sample: Sample) -> Option<GaugeSample> {
        Some(GaugeSample {
            value: Bytes::new(sample.value?.scaled(0)?),
            at: sample.at.unwrap_or(self.asked_at),
        })
    }

    fn finish(self) -> Result<ResourceReading<'a>, DecodeError> {
        let reading = ResourceReading {
            containers: self.lives.finish(),
            ..self.reading
        };
        let node = reading.node;
        let silent = node.cpu.is_none() && node.memory.is_none() && node.swap.is_none();
        if silent && reading.containers.is_empty() {
            return Err(DecodeError::Empty {
                skipped_lines: reading.skipped_lines,
            });
        }
        Ok(reading)
    }
}

impl Series {
    fn named(name: &[u8]) -> Self {
        match name {
            b"node_cpu_usage_seconds_total" => Self::NodeCpu,
            b"node_memory_working_set_bytes" => Self::NodeMemory,
            b"node_swap_usage_bytes" => Self::NodeSwap,
            b"container_cpu_usage_seconds_total" => Self::ContainerCpu,
            b"container_memory_working_set_bytes" => Self::ContainerMemory,
            b"container_swap_usage_bytes" => Self::ContainerSwap,
            b"container_start_time_seconds" => Self::ContainerStart,
            // The older name, deprecated since Kubernetes 1.29.
            b"resource_scrape_error" | b"scrape_error" => Self::ScrapeError,
            _ => Self::Unknown,
        }
    }
}
