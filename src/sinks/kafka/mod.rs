//! `kafka`: a message for each point, in Heapster's form.

mod event;
mod message;
mod topic;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use krafka::auth::{AuthConfig, TlsConfig as Tls};
use krafka::error::{ErrorCode, KrafkaError};
use krafka::producer::{Acks, Producer};
use krafka::{CloseOptions, Compression, Kafka as Client, Record};
use tokio::sync::OnceCell;

use self::message::{END, Messages};
use self::topic::read_topic;
use super::chunks::{Chunks, Frame, Progress, Records, Verdict, send_all};
use super::column::Column;
use super::export::ExportError;
use super::host::is_host;
use super::options::Options;
use super::secret::Secret;
use super::setup::{SetupError, both};
use super::trust::{TlsConfig, system_authorities};
use super::uri::SinkUri;
use crate::domain::{Event, Timestamp};

/// The options of `kafka`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    brokers: Vec<String>,
    topic: String,
    events_topic: String,
    compression: Codec,
    login: Option<(String, Secret)>,
    tls: Option<TlsConfig>,
    /// Our certificate and its key.
    identity: Option<(PathBuf, PathBuf)>,
}

/// How messages are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Codec {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
}

/// The transport.
pub(super) struct Kafka {
    config: Config,
    security: AuthConfig,
    connection: Option<Connection>,
}

/// A connection, while all goes well.
struct Connection {
    client: Client,
    /// Puts messages together.
    producer: Producer,
    /// Sends each by itself; there once it was needed.
    alone: OnceCell<Producer>,
}

/// Messages that are on their way at once.
const FRAME: Frame = Frame::lines(1_000, 2 << 20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(6);
/// How long a message may take, the client's own attempts included. Less than an attempt of ours:
/// what it has given up is not sent behind our back.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(12);
/// Bytes of messages that are put together, as Kafka's own clients do.
const TOGETHER: usize = 16 << 10;
/// So few that every message is by itself.
const ALONE: usize = 1;
/// Messages of one piece are waited for together.
const LINGER: Duration = Duration::from_millis(5);

impl FromStr for Codec {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "snappy" => Ok(Self::Snappy),
            "lz4" => Ok(Self::Lz4),
            _ => Err(()),
        }
    }
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::None => Self::None,
            Codec::Gzip => Self::Gzip,
            Codec::Snappy => Self::Snappy,
            Codec::Lz4 => Self::Lz4,
        }
    }
}

impl Config {
    pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> Self {
        options.refuse_any_address(uri, "brokers names where it is");
        let brokers = options.list("brokers");
        let whole = |broker: &String| {
            let parts = broker.rsplit_once(':');
            parts.is_some_and(|(host, port)| {
                let inside = host
                    .strip_prefix('[')
                    .and_then(|host| host.strip_suffix(']'));
                let port = port.parse().ok().filter(|port: &u16| *port > 0);
                port.is_some() && is_host(inside.unwrap_or(host))
            })
        };
        if brokers.is_empty() && uri.has_address() {
            // Told already.
        } else if brokers.is_empty() {
            options.refuse(Some("brokers"), "is needed");
        } else if !brokers.iter().all(whole) {
            options.refuse(Some("brokers"), "is no list of host:port");
        }
        let user = options.credential("user");
        let password = options.secret("password");
        if options.is_given("user") != options.is_given("password") {
            options.refuse(
                Some("user"),
                "is of no use without password, nor that without it",
            );
        }
        let (certificate, key) = (options.credential("cert"), options.credential("key"));
        if options.is_given("cert") != options.is_given("key") {
            options.refuse(
                Some("cert"),
                "is of no use without key, nor that without it",
            );
        }
        let identity = certificate.zip(key);
        let identity = identity.map(|(cert, key)| (PathBuf::from(cert), PathBuf::from(key)));
        let tls = TlsConfig::read(options);
        let secure = tls.insecure || tls.ca_file.is_some() || identity.is_some();
        Self {
            brokers,
            topic: read_topic("timeseriestopic", "heapster-metrics", options),
            events_topic: read_topic("eventstopic", "heapster-events", options),
            compression: options
                .parsed("compression", "codec: none, gzip, snappy or lz4")
                .unwrap_or_default(),
            login: user.map(str::to_owned).zip(password),
            tls: secure.then_some(tls),
            identity,
        }
    }

    fn security(&self) -> Result<AuthConfig, SetupError> {
        let tls = self.tls.as_ref().map(|tls| self.tls(tls)).transpose()?;
        let plain = match &self.login {
            Some((user, password)) => AuthConfig::sasl_plain(user.as_str(), password.expose()),
            None => match tls {
                Some(tls) => return Ok(AuthConfig::ssl(tls)),
                None => return Ok(AuthConfig::plaintext()),
            },
        };
        Ok(match tls {
            Some(tls) => plain.with_tls(tls),
            None => plain,
        })
    }

    /// Files are read by the client whenever it connects; here they only have to be there.
    fn tls(&self, config: &TlsConfig) -> Result<Tls, SetupError> {
        let readable = |option, file: &PathBuf| match std::fs::read(file) {
            Ok(_) => Ok(file.display().to_string()),
            Err(error) => Err(SetupError::file(Some(option), file, &error)),
        };
        let tls = match (config.insecure, &config.ca_file) {
            (insecure, Some(file)) => readable("cacert", file).map(|file| match insecure {
                true => Tls::insecure(),
                false => Tls::new().with_ca_cert(file),
            }),
            (true, None) => Ok(Tls::insecure()),
            (false, None) => Ok(match system_authorities().next() {
                Some(file) => Tls::new().with_ca_cert(file.display().to_string()),
                None => Tls::new(),
            }),
        };
        let Some((certificate, key)) = &self.identity else {
            return tls;
        };
        let identity = both(readable("cert", certificate), readable("key", key));
        let (tls, (certificate, key)) = both(tls, identity)?;
        Ok(tls.with_client_cert(certificate, key))
    }
}

impl Kafka {
    pub(super) fn new(config: Config) -> Result<Self, SetupError> {
        Ok(Self {
            security: config.security()?,
            config,
            connection: None,
        })
    }

    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let chunks = Chunks::new(column, &Messages, FRAME);
        let topic = self.config.topic.clone();
        self.send(&topic, chunks, progress).await
    }

    /// The same of events, to a topic of their own.
    pub(super) async fn export_events(
        &mut self,
        events: impl Iterator<Item = &Event> + Send,
        at: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let encode = |event: &Event, records: &mut Records| event::write(event, at, records);
        let chunks = Chunks::of(events, encode, FRAME);
        let topic = self.config.events_topic.clone();
        self.send(&topic, chunks, progress).await
    }

    async fn send(
        &mut self,
        topic: &str,
        chunks: Chunks<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        // Kept only when all went well: what one that was given up still holds, it gives up itself.
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let codec = self.config.compression;
        let send = |body| connection.produce(codec, topic, body);
        let sent = send_all(chunks, progress, 1, send).await;
        let sent = sent.map_err(|error| self.named(error));
        if sent.is_ok() {
            self.connection = Some(connection);
        } else {
            connection.close().await;
        }
        sent
    }

    /// The same, with where they are if it is that brokers cannot be reached.
    fn named(&self, error: ExportError) -> ExportError {
        if let ExportError::Unreachable(why) = error {
            return ExportError::unreachable(&self.config.brokers.join(","), why);
        }
        error
    }

    async fn connect(&self) -> Result<Connection, ExportError> {
        let client = Client::builder(self.config.brokers.join(","))
            .client_id("loadline")
            .security(self.security.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .request_timeout(REQUEST_TIMEOUT)
            .allow_auto_create_topics(true)
            .connect()
            .await
            .map_err(|error| self.named(failed(error)))?;
        let producer = producer(&client, self.config.compression, TOGETHER).await;
        let producer = producer.map_err(|error| self.named(error))?;
        Ok(Connection {
            client,
            producer,
            alone: OnceCell::new(),
        })
    }
}

impl Connection {
    /// Sends the messages of one piece and waits until all are there.
    async fn produce(
        &self,
        codec: Codec,
        topic: &str,
        body: Vec<u8>,
    ) -> Result<Verdict, ExportError> {
        let body = Bytes::from(body);
        let messages = body.split(|byte| *byte == END).filter(|m| !m.is_empty());
        let messages = messages.map(|message| body.slice_ref(message)).collect();
        let mut refused = deliver(&self.producer, topic, messages).await?;
        if refused.len() > 1 {
            // A broker refuses messages that were put together as a whole, for one that is too large.
            let make = || producer(&self.client, codec, ALONE);
            let alone = self.alone.get_or_try_init(make).await?;
            let again = refused.into_iter().map(|(message, _)| message).collect();
            refused = deliver(alone, topic, again).await?;
        }
        let points = Some(refused.len());
        Ok(match refused.pop() {
            None => Verdict::Accepted,
            Some((_, why)) => Verdict::Refused { points, why },
        })
    }

    async fn close(self) {
        for producer in [Some(self.producer), self.alone.into_inner()]
            .into_iter()
            .flatten()
        {
            let at_once = CloseOptions::new().timeout(Duration::from_millis(1));
            // All it could say is that not everything was sent.
            let _ = producer.close_with(at_once).await;
        }
    }
}

async fn producer(client: &Client, codec: Codec, batch: usize) -> Result<Producer, ExportError> {
    let producer = client
        .producer()
        .acks(Acks::All)
        .compression(codec.into())
        .delivery_timeout(DELIVERY_TIMEOUT)
        .max_block(DELIVERY_TIMEOUT)
        .batch_size(batch)
        .linger(LINGER)
        // It needs a right more, and what we send again ourselves it could not tell.
        .idempotent(false)
        .metrics_push(false)
        .build();
    producer.await.map_err(failed)
}

/// Sends messages and waits until all are there; those that will never be taken, and why.
async fn deliver(
    producer: &Producer,
    topic: &str,
    messages: Vec<Bytes>,
) -> Result<Vec<(Bytes, String)>, ExportError> {
    let (mut under_way, mut refused) = (Vec::new(), Vec::new());
    for message in messages {
        let record = Record::new(topic, message.clone());
        match producer.enqueue(record).await {
            Ok(delivery) => under_way.push((message, delivery)),
            Err(error) => refused.push((message, wrong(error)?)),
        }
    }
    for (message, delivery) in under_way {
        if let Err(error) = delivery.await {
            refused.push((message, wrong(error)?));
        }
    }
    Ok(refused)
}

/// Why a message will never be taken; an error when it may be.
fn wrong(error: KrafkaError) -> Result<String, ExportError> {
    use ErrorCode::{InvalidRecord, MessageTooLarge, RecordListTooLarge};
    if let KrafkaError::Broker { code, .. } = &error
        && [MessageTooLarge, RecordListTooLarge, InvalidRecord].contains(code)
    {
        return Ok(error.to_string());
    }
    Err(failed(error))
}

#[expect(clippy::needless_pass_by_value, reason = "stands in `map_err`")]
fn failed(error: KrafkaError) -> ExportError {
    use ErrorCode::{ClusterAuthorizationFailed, TopicAuthorizationFailed};
    let text = error.to_string();
    let away = matches!(
        error,
        KrafkaError::Network(_) | KrafkaError::Timeout { .. } | KrafkaError::DeliveryTimeout { .. }
    );
    if away {
        return ExportError::Unreachable(text);
    }
    let refused = |code| [ClusterAuthorizationFailed, TopicAuthorizationFailed].contains(code);
    let denied = matches!(error, KrafkaError::Auth { .. })
        || matches!(&error, KrafkaError::Broker { code, .. } if refused(code));
    match denied {
        true => ExportError::Denied(text),
        false => ExportError::Failing(text),
    }
}
