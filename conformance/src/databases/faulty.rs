//! A receiver of any protocol sinks speak, with any fault a backend can have.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::address;
use super::answers::{self, Answered};

/// Whose protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `influxdb`.
    Influxdb,
    /// `elasticsearch`.
    Elasticsearch,
    /// `opentsdb`.
    Opentsdb,
    /// `prometheus`.
    Prometheus,
    /// `otlp`.
    Otlp,
    /// `gcm`.
    Gcm,
    /// `webhook`.
    Webhook,
    /// `riemann`.
    Riemann,
    /// `graphite`.
    Graphite,
}

/// What ails the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Nothing.
    Well,
    /// It never answers.
    Silent,
    /// It will never take one item of what it is sent.
    Refusing,
    /// Its disk is full.
    Full,
    /// It knows another password.
    Denying,
}

/// A receiver that can be away. What it took stays.
#[derive(Debug)]
pub struct Faulty {
    /// Whose protocol it speaks.
    pub kind: Kind,
    /// Where it listens.
    pub address: SocketAddr,
    mood: watch::Sender<Mood>,
    book: Arc<Mutex<Taken>>,
    task: Option<AbortOnDropHandle<()>>,
}

/// What a receiver took.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The seconds of all points, in the order in which they were taken.
    pub stamps: Vec<i64>,
    /// Points it refused for good.
    pub refused: usize,
    /// Requests it has without having answered.
    pub waiting: usize,
    /// What was not as it should be.
    pub wrong: Vec<String>,
}

/// What one connection needs.
#[derive(Clone)]
struct Desk {
    kind: Kind,
    mood: watch::Receiver<Mood>,
    book: Arc<Mutex<Taken>>,
}

impl Faulty {
    /// One that is not started yet.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(kind: Kind) -> Result<Self> {
        Ok(Self {
            kind,
            address: address()?,
            mood: watch::Sender::new(Mood::Well),
            book: Arc::default(),
            task: None,
        })
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// When the port was taken.
    pub async fn start(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        let desk = Desk {
            kind: self.kind,
            mood: self.mood.subscribe(),
            book: Arc::clone(&self.book),
        };
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let desk = desk.clone();
                connections.spawn(async move {
                    // A connection that fails ends; whoever uses it minds.
                    let _ = match desk.kind {
                        Kind::Riemann => desk.riemann(stream).await,
                        Kind::Graphite => desk.graphite(stream).await,
                        Kind::Influxdb
                        | Kind::Elasticsearch
                        | Kind::Opentsdb
                        | Kind::Prometheus
                        | Kind::Otlp
                        | Kind::Gcm
                        | Kind::Webhook => desk.http(stream).await,
                    };
                });
            }
        });
        self.task = Some(AbortOnDropHandle::new(task));
        Ok(())
    }

    /// Ends it and all its connections, in the middle of whatever they do.
    pub fn stop(&mut self) {
        self.task = None;
        self.book.lock().waiting = 0;
    }

    /// Changes what ails it, for requests that wait, too.
    pub fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// What it took so far.
    ///
    /// # Errors
    /// When something was not as it should be.
    pub fn taken(&self) -> Result<Taken> {
        let taken = self.book.lock().clone();
        ensure!(taken.wrong.is_empty(), "{:?}: {:?}", self.kind, taken.wrong);
        Ok(taken)
    }
}

impl Desk {
    async fn http(self, stream: TcpStream) -> Result<()> {
        let service = service_fn(|request: Request<Incoming>| {
            let desk = self.clone();
            async move {
                let path = request.uri().path().to_owned();
                let body = request.into_body().collect().await;
                let body = body.map(http_body_util::Collected::to_bytes);
                let answered = desk.answered(&path, &body.unwrap_or_default()).await;
                let mut response = Response::new(Full::new(Bytes::from(answered.body)));
                *response.status_mut() =
                    StatusCode::from_u16(answered.status).unwrap_or(StatusCode::IM_A_TEAPOT);
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        Ok(connection.await?)
    }

    async fn riemann(self, mut stream: TcpStream) -> Result<()> {
        loop {
            let length = usize::try_from(stream.read_u32().await?)?;
            let mut message = vec![0; length];
            stream.read_exact(&mut message).await?;
            let answered = self.answered("", &message).await;
            stream
                .write_u32(u32::try_from(answered.body.len())?)
                .await?;
            stream.write_all(&answered.body).await?;
        }
    }

    /// Confirms nothing, so whoever writes here learns of no fault.
    async fn graphite(self, stream: TcpStream) -> Result<()> {
        let mut lines = BufReader::new(stream).lines();
        while let Some(line) = lines.next_line().await? {
            self.answered("", line.as_bytes()).await;
        }
        Ok(())
    }

    /// The answer to a request, once it is in the mood for one.
    async fn answered(&self, path: &str, body: &[u8]) -> Answered {
        let mut mood = self.mood.clone();
        let held = *mood.borrow() == Mood::Silent;
        if held {
            self.book.lock().waiting += 1;
            // It is never silent again once it goes away.
            let _ = mood.wait_for(|mood| *mood != Mood::Silent).await;
            self.book.lock().waiting -= 1;
            // Whoever asked has given up long ago.
            return Answered::new(503, "late");
        }
        let now = *mood.borrow();
        let mut book = self.book.lock();
        let outcome = answers::answer(self.kind, now, path, body, &mut book);
        outcome.unwrap_or_else(|error| {
            let text = format!("{path}: {error:#}");
            book.wrong.push(text);
            Answered::new(400, "wrong")
        })
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Influxdb,
        Self::Elasticsearch,
        Self::Opentsdb,
        Self::Prometheus,
        Self::Otlp,
        Self::Gcm,
        Self::Webhook,
        Self::Riemann,
        Self::Graphite,
    ];

    /// The sink's key.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Influxdb => "influxdb",
            Self::Elasticsearch => "elasticsearch",
            Self::Opentsdb => "opentsdb",
            Self::Prometheus => "prometheus",
            Self::Otlp => "otlp",
            Self::Gcm => "gcm",
            Self::Webhook => "webhook",
            Self::Riemann => "riemann",
            Self::Graphite => "graphite",
        }
    }

    /// Whether its protocol can tell of a fault.
    #[must_use]
    pub const fn tells(self, mood: Mood) -> bool {
        match (self, mood) {
            // Carbon says nothing; Riemann knows no passwords.
            (Self::Graphite, _) | (Self::Riemann, Mood::Denying) => false,
            _ => true,
        }
    }
}

/// The seconds a number of another unit is.
pub(super) fn seconds(number: u64, units_a_second: u64) -> Result<i64> {
    i64::try_from(number / units_a_second).context("beyond all times")
}
