//! A carbon that accepts connections and reads nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, SocketAddr};
use std::str;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::faults::meanwhile;
use super::told::{PATIENCE, columns, logs, metric, more_columns, reaches};
use super::{Check, Ground};
use crate::databases::{Faulty, Kind};
use crate::real::until;

pub(super) const CHECKS: &[Check] = &[Check::new(
    "graphite: a carbon that reads nothing is told of, holds up nothing, and gets all once it reads",
    |ground| Box::pin(deaf(ground)),
)];

/// The paths of each second.
type Points = BTreeMap<i64, BTreeSet<u64>>;

/// Takes Graphite's lines while it reads.
struct Receiver {
    address: SocketAddr,
    reads: watch::Sender<bool>,
    points: Arc<Mutex<Points>>,
    _task: AbortOnDropHandle<()>,
}

impl Receiver {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (reads, reading) = watch::channel(true);
        let points = Arc::<Mutex<Points>>::default();
        let book = Arc::clone(&points);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (reading, book) = (reading.clone(), Arc::clone(&book));
                connections.spawn(async move {
                    // What is wrong with a line is missing in the end.
                    let _ = take(stream, reading, &book).await;
                });
            }
        });
        Ok(Self {
            address,
            reads,
            points,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// How many points there are of each second.
    fn counts(&self) -> BTreeMap<i64, usize> {
        let points = self.points.lock();
        points
            .iter()
            .map(|(at, paths)| (*at, paths.len()))
            .collect()
    }
}

/// Takes whole lines, as carbon does: one without an end is none.
async fn take(
    stream: TcpStream,
    mut reads: watch::Receiver<bool>,
    book: &Mutex<Points>,
) -> Result<()> {
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    let mut line = Vec::new();
    loop {
        reads.wait_for(|reads| *reads).await?;
        line.clear();
        stream.read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Ok(());
        }
        let mut words = str::from_utf8(&line)?.split(' ');
        let (path, _value) = (words.next(), words.next());
        let at: i64 = words.next().context("no time")?.parse()?;
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        book.lock().entry(at).or_default().insert(hasher.finish());
    }
}

/// So long a prefix that a column is larger than what both kernels hold of a connection.
const PREFIX: usize = 100_000;
/// What they hold at most: 4 MiB to be sent, and little of what nobody reads.
const BUFFERS: usize = 5 << 20;
const SINK: &str = "graphite";

async fn deaf(ground: &Ground) -> Result<()> {
    let receiver = Receiver::start().await?;
    let mut witness = Faulty::new(Kind::Webhook)?;
    witness.start().await?;
    let prefix = "x".repeat(PREFIX);
    let sinks = [
        format!(
            "graphite:tcp://{}?queue=100&prefix={prefix}\
             &metrics=memory/usage,memory/working_set,memory/request,memory/limit",
            receiver.address
        ),
        format!(
            "webhook:http://{}?queue=100&metrics=memory/usage&namespaces=none",
            witness.address
        ),
    ];
    let flags = [("sink-export-data-timeout", "5s")];
    ground
        .beside(&sinks, &flags, &[], async |stage| {
            stage.until_measured().await?;
            let sent = metric(stage, "sent_total", SINK).await?;
            reaches(stage, "sent_total", SINK, sent + 2.0).await?;
            let (from, whole) = receiver.counts().pop_last().context("nothing came")?;
            let size = whole * PREFIX;
            ensure!(size > BUFFERS, "a column has {size} bytes");
            let tried = metric(stage, "retried_total", SINK).await?;
            receiver.reads.send_replace(false);
            reaches(stage, "retried_total", SINK, tried + 2.0).await?;
            logs(stage, SINK, "did not take the batch in time").await?;
            meanwhile(stage, &witness, "webhook").await?;
            let up = metric(stage, "up", SINK).await?;
            ensure!(up == 0.0, "what reads nothing is up");
            reaches(stage, "queued", SINK, 1.0).await?;
            receiver.reads.send_replace(true);
            more_columns(stage, 1).await?;
            let made = columns(stage).await?;
            until(PATIENCE, async || {
                let there = receiver.counts();
                for at in made.range(from..) {
                    let points = there.get(at).copied().unwrap_or_default();
                    ensure!(points >= whole, "{points} of {whole} points of {at}");
                }
                Ok(())
            })
            .await?;
            logs(stage, SINK, "the sink works again").await?;
            for lost in ["dropped_total", "refused_points_total"] {
                let lost_points = metric(stage, lost, SINK).await?;
                ensure!(lost_points == 0.0, "{lost} is {lost_points}");
            }
            Ok(())
        })
        .await
}
