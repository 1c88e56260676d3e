//! A receiver of statsd's gauges that takes nothing but what the protocol allows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

use super::address;

/// The longest datagram common servers read.
const LONGEST: usize = 8 << 10;

/// What one name was given.
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    /// All its values, oldest first, and when they came.
    pub values: Vec<(Instant, f64)>,
}

/// A server that can be down.
#[derive(Debug)]
pub struct Statsd {
    /// Where it listens while it is up.
    pub address: SocketAddr,
    lines_a_datagram: usize,
    seen: Arc<Mutex<Seen>>,
    task: Option<AbortOnDropHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    gauges: BTreeMap<String, Gauge>,
    wrong: Option<String>,
}

impl Statsd {
    /// A server that is not started yet and minds datagrams of more lines than these.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(lines_a_datagram: usize) -> Result<Self> {
        Ok(Self {
            address: address()?,
            lines_a_datagram,
            seen: Arc::default(),
            task: None,
        })
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// When the port was taken.
    pub async fn start(&mut self) -> Result<()> {
        let socket = UdpSocket::bind(self.address).await?;
        let (seen, most) = (Arc::clone(&self.seen), self.lines_a_datagram);
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            loop {
                // What was sent while nobody listened comes back as an error here on some systems.
                let Ok(length) = socket.recv(&mut buffer).await else {
                    continue;
                };
                let datagram = buffer.get(..length).unwrap_or_default();
                let mut seen = seen.lock();
                if let Err(error) = seen.take(datagram, most) {
                    seen.wrong.get_or_insert_with(|| format!("{error:#}"));
                }
            }
        });
        self.task = Some(AbortOnDropHandle::new(task));
        Ok(())
    }

    /// Stops listening; what came is kept.
    pub fn stop(&mut self) {
        self.task = None;
    }

    /// All gauges by their names.
    ///
    /// # Errors
    /// When a datagram was not as it should be, with the first.
    pub fn gauges(&self) -> Result<BTreeMap<String, Gauge>> {
        let seen = self.seen.lock();
        match &seen.wrong {
            Some(wrong) => bail!("{wrong}"),
            None => Ok(seen.gauges.clone()),
        }
    }
}

impl Seen {
    fn take(&mut self, datagram: &[u8], most: usize) -> Result<()> {
        ensure!(datagram.len() <= LONGEST, "{} bytes", datagram.len());
        let text = std::str::from_utf8(datagram)?;
        let lines: Vec<&str> = text.split('\n').filter(|line| !line.is_empty()).collect();
        ensure!(lines.len() <= most, "{} lines: {text}", lines.len());
        for line in lines {
            let (name, value) = gauge(line).with_context(|| format!("{line:?} is no gauge"))?;
            let gauge = self.gauges.entry(name.to_owned()).or_default();
            gauge.values.push((Instant::now(), value));
        }
        Ok(())
    }
}

/// `name:value|g`. A sign would make it a change of the gauge.
fn gauge(line: &str) -> Option<(&str, f64)> {
    let (name, rest) = line.split_once(':')?;
    let value = rest.strip_suffix("|g")?;
    let good = |c: char| !c.is_whitespace() && !c.is_control() && !"|@#".contains(c);
    let plain = !name.is_empty() && name.chars().all(good) && !value.starts_with(['+', '-']);
    plain.then_some(name).zip(value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gauges_are_taken() {
        assert_eq!(gauge("a.b:1.5|g"), Some(("a.b", 1.5)));
        for line in [
            "a:1|c",
            "a:-1|g",
            "a b:1|g",
            ":1|g",
            "a:b:1|g",
            "a:1",
            "a:1|g|@0.1",
        ] {
            assert_eq!(gauge(line), None, "{line}");
        }
    }
}
