//! `statsd`: gauges over UDP.

mod style;

use std::collections::{BTreeMap, BTreeSet};

use self::style::{LabelNames, Lines, Protocol, Style};
use super::chunks::{Chunks, Frame, Progress};
use super::column::{Column, LABELS};
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
            options.refuse_address("the address must begin with udp://");
        }
        options.refuse_user(uri);
        options.refuse_path(uri);
        let protocol = options.parsed("protocolType", "protocol: etsystatsd or influxstatsd");
        let protocol = protocol.unwrap_or(Protocol::Etsy);
        let style: Style = options
            .parsed("labelStyle", "style: lowerCamelCase or upperCamelCase")
            .unwrap_or_default();
        let renamed = read_renamed(protocol, style, options);
        // What `etsystatsd` gives a meaning becomes `_` there, as in all its names.
        let special = match protocol {
            Protocol::Etsy => "",
            Protocol::Influx => ",:=|",
        };
        let fits = |c: char| !(c.is_whitespace() || c.is_control() || special.contains(c));
        Self {
            authority: authority(uri, "localhost", 8125),
            lines: Lines {
                prefix: options.fitting("prefix", "", fits),
                protocol,
                labels: LabelNames {
                    renamed,
                    allowed: options.list("allowedLabels").into_iter().collect(),
                    style,
                },
            },
            lines_a_message: options.number("numMetricsPerMsg", 5, 1..=1000),
        }
    }
}

/// Reads the new names of labels by the old ones. No two have the same name, and none that of a
/// label of Heapster's, which it would stand in for.
fn read_renamed(
    protocol: Protocol,
    style: Style,
    options: &mut Options<'_>,
) -> BTreeMap<String, String> {
    const OPTION: &str = "renameLabels";
    let mut renamed = BTreeMap::new();
    let mut names = BTreeSet::new();
    let pairs = options.list(OPTION);
    let pairs: Vec<_> = pairs.iter().map(|pair| pair.split_once(':')).collect();
    let moved = |label: &str| pairs.iter().flatten().any(|(old, _)| *old == label);
    for (at, pair) in pairs.iter().enumerate() {
        let Some((old, new)) = pair.filter(|(old, new)| !old.is_empty() && !new.is_empty()) else {
            options.refuse(Some(OPTION), "is no list of old:new");
            continue;
        };
        // The other protocol sends the objects' labels alone.
        let own = LABELS.iter().filter(|_| protocol == Protocol::Influx);
        let mut own = own.filter(|label| !moved(label));
        if let Some(own) = own.find(|own| style.of(own) == style.of(new)) {
            options.refuse(Some(OPTION), format!("{own} is set by the sink itself"));
        }
        let first = names.insert(style.of(new).into_owned());
        if renamed.insert(old.to_owned(), new.to_owned()).is_some() || !first {
            let what = format!("name {} of the list is given twice", at + 1);
            options.refuse(Some(OPTION), what);
        }
    }
    renamed
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
