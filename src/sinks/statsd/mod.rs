//! `statsd`: gauges over UDP.

mod style;

use std::collections::BTreeMap;

use self::style::{LabelNames, Lines, Protocol};
use super::chunks::{Chunks, Frame, Progress};
use super::column::Column;
use super::config::authority;
use super::datagram::Datagrams;
use super::export::ExportError;
use super::options::Options;
use super::uri::SinkUri;

/// The options of `statsd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    authority: String,
    lines: Lines,
    lines_a_message: usize,
}

/// The transport.
pub(super) struct Statsd {
    config: Config,
    datagrams: Datagrams,
}

/// The most bytes of a datagram, unless one line is longer: what most receivers read at once.
const LONGEST: usize = 8 << 10;

impl Config {
    pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> Self {
        if !matches!(uri.scheme.as_deref(), None | Some("udp")) {
            options.refuse(None, "the address must begin with udp://");
        }
        let protocol = options.parsed("protocolType", "protocol: etsystatsd or influxstatsd");
        let style = options.parsed("labelStyle", "style: lowerCamelCase or upperCamelCase");
        let mut renamed = BTreeMap::new();
        for pair in options.list("renameLabels") {
            match pair.split_once(':') {
                Some((old, new)) if !old.is_empty() && !new.is_empty() => {
                    renamed.insert(old.to_owned(), new.to_owned());
                }
                _ => options.refuse(Some("renameLabels"), "is no list of old:new"),
            }
        }
        Self {
            authority: authority(uri, "localhost", 8125),
            lines: Lines {
                prefix: options.text_or("prefix", ""),
                protocol: protocol.unwrap_or(Protocol::Etsy),
                labels: LabelNames {
                    renamed,
                    allowed: options.list("allowedLabels").into_iter().collect(),
                    style: style.unwrap_or_default(),
                },
            },
            lines_a_message: options.number("numMetricsPerMsg", 5, 1..=1000),
        }
    }
}

impl Statsd {
    pub(super) fn new(config: Config) -> Self {
        Self {
            datagrams: Datagrams::new(config.authority.clone()),
            config,
        }
    }

    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let frame = Frame::lines(self.config.lines_a_message, LONGEST);
        let chunks = Chunks::new(column, &self.config.lines, frame);
        self.datagrams.send(chunks, progress).await
    }
}
