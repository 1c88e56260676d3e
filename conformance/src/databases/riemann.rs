//! A receiver of Riemann's protocol that takes nothing but Kubernetes' events in Heapster's form.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::address;
use super::wire::{Held, fields};

/// A server that can be down. What it took stays.
#[derive(Debug)]
pub struct Riemann {
    /// Where it listens while it is up.
    pub address: SocketAddr,
    book: Arc<Mutex<Book>>,
    task: Option<AbortOnDropHandle<()>>,
}

#[derive(Debug, Default)]
struct Book {
    /// How often each event came, by the name of what it is about and its count.
    events: BTreeMap<String, usize>,
    wrong: Option<String>,
}

/// The fields of an event that stand there once: time, state, service, host, description, life and count.
const ONCE: [u64; 7] = [1, 2, 3, 4, 5, 8, 13];
const ATTRIBUTES: [&str; 9] = [
    "api-version",
    "component",
    "field-path",
    "first-timestamp",
    "last-timestamp",
    "name",
    "namespace",
    "resource-version",
    "uid",
];
/// The longest message a server reads, unless told otherwise.
const LONGEST: usize = 16 << 20;

impl Riemann {
    /// A server that is not started yet.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new() -> Result<Self> {
        Ok(Self {
            address: address()?,
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
        let book = Arc::clone(&self.book);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let book = Arc::clone(&book);
                connections.spawn(async move {
                    // A connection that fails ends; whoever uses it minds.
                    let _ = converse(stream, &book).await;
                });
            }
        });
        self.task = Some(AbortOnDropHandle::new(task));
        Ok(())
    }

    /// Ends it and all its connections, in the middle of whatever they do.
    pub fn stop(&mut self) {
        self.task = None;
    }

    /// How often each event came, by the name of what it is about and its count.
    ///
    /// # Errors
    /// When something was not as it should be, with the first.
    pub fn events(&self) -> Result<BTreeMap<String, usize>> {
        let book = self.book.lock();
        match &book.wrong {
            Some(wrong) => bail!("{wrong}"),
            None => Ok(book.events.clone()),
        }
    }
}

async fn converse(mut stream: TcpStream, book: &Mutex<Book>) -> Result<()> {
    loop {
        let length = usize::try_from(stream.read_u32().await?)?;
        ensure!(length <= LONGEST, "a message of {length} bytes");
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await?;
        book.lock().take(&message);
        // `Msg { ok: true }`.
        stream.write_all(&[0, 0, 0, 2, 0x10, 1]).await?;
    }
}

impl Book {
    fn take(&mut self, message: &[u8]) {
        if let Err(error) = self.read(message) {
            self.wrong.get_or_insert_with(|| format!("{error:#}"));
        }
    }

    fn read(&mut self, message: &[u8]) -> Result<()> {
        for (field, held) in fields(message)? {
            let (6, Held::Bytes(event)) = (field, held) else {
                bail!("a field {field} in a message of events");
            };
            *self.events.entry(event_id(event)?).or_default() += 1;
        }
        Ok(())
    }
}

/// The name of what an event is about and the event's count, of one that has all it should have.
fn event_id(event: &[u8]) -> Result<String> {
    let (mut seen, mut attributes) = (BTreeMap::new(), BTreeMap::new());
    for (field, held) in fields(event)? {
        match (field, held) {
            (1 | 13, Held::Number(_)) | (2..=5, Held::Bytes(_)) | (8, Held::Number(_)) => {
                ensure!(seen.insert(field, held).is_none(), "{field} is there twice");
            }
            (7, Held::Bytes(tag)) => ensure!(tag == b"heapster", "the tag {tag:?}"),
            (9, Held::Bytes(attribute)) => {
                let (key, value) = entry(attribute)?;
                attributes.insert(key, value);
            }
            _ => bail!("the field {field} is {held:?}"),
        }
    }
    ensure!(seen.keys().eq(&ONCE), "fields {:?}", seen.keys());
    let names: BTreeSet<&str> = attributes.keys().map(String::as_str).collect();
    ensure!(names == BTreeSet::from(ATTRIBUTES), "attributes {names:?}");
    let text = |field| match seen.get(&field) {
        Some(Held::Bytes(bytes)) => Ok(std::str::from_utf8(bytes)?),
        _ => bail!("no {field}"),
    };
    ensure!(["ok", "warning"].contains(&text(2)?), "state {}", text(2)?);
    ensure!(text(3)?.contains('.'), "service {}", text(3)?);
    let ttl = Held::Number(60.0_f32.to_bits().into());
    ensure!(seen.get(&8) == Some(&ttl), "ttl {:?}", seen.get(&8));
    let Some(Held::Number(count)) = seen.get(&13) else {
        bail!("no count");
    };
    ensure!(count.is_multiple_of(2) && *count > 0, "a count below one");
    let name = attributes.get("name").context("no name")?;
    Ok(format!("{name}.{}", count / 2))
}

fn entry(attribute: &[u8]) -> Result<(String, String)> {
    let fields = fields(attribute)?;
    let [(1, Held::Bytes(key)), (2, Held::Bytes(value))] = fields.as_slice() else {
        bail!("an attribute of {fields:?}");
    };
    Ok((
        std::str::from_utf8(key)?.to_owned(),
        std::str::from_utf8(value)?.to_owned(),
    ))
}
