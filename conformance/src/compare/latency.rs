//! How fast a server answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::lab::{Fixed, Pki};

/// The pause between two lists that are to be made anew.
const PAUSE: Duration = Duration::from_secs(2);

/// The forms in which the full pod list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// JSON as it is.
    Json,
    /// JSON, compressed.
    Gzip,
    /// Kubernetes' protobuf.
    Protobuf,
}

/// How long lists of one form took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// The form.
    pub form: Form,
    /// The median of lists two seconds apart.
    pub anew: Duration,
    /// The fastest of those: what a busy machine leaves of a time.
    #[serde(default)]
    pub anew_fastest: Duration,
    /// The median of lists asked for right after such a one.
    pub again: Duration,
    /// The fastest of those.
    #[serde(default)]
    pub again_fastest: Duration,
    /// The median of the same bytes from a server that has them in memory and nothing else to do.
    pub floor: Duration,
    /// The size of the answer in bytes, as it came.
    pub bytes: usize,
}

/// The median and the slowest hundredth of several answers.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Spread {
    /// Half of them were faster.
    pub p50: Duration,
    /// One in a hundred was slower.
    pub p99: Duration,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 3] = [Self::Json, Self::Gzip, Self::Protobuf];

    /// Its name in a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Gzip => "JSON, gzip",
            Self::Protobuf => "protobuf",
        }
    }

    pub(super) fn on(self, client: &Client) -> Result<Client> {
        let (accept, encoding) = match self {
            Self::Json => ("application/json", "identity"),
            Self::Gzip => ("application/json", "gzip"),
            Self::Protobuf => ("application/vnd.kubernetes.protobuf", "identity"),
        };
        client
            .with_header("accept", accept)?
            .with_header("accept-encoding", encoding)
    }
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: usize| {
            let place = (times.len() * share / 100).min(times.len().saturating_sub(1));
            times.get(place).copied().unwrap_or_default()
        };
        Self {
            p50: at(50),
            p99: at(99),
        }
    }
}

/// Lists two seconds apart, each asked for twice.
pub(super) async fn lists(client: &Client, path: &str, form: Form, count: u32) -> Result<Latency> {
    let client = form.on(client)?;
    let (mut anew, mut again, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..count {
        tokio::time::sleep(PAUSE).await;
        for times in [&mut anew, &mut again] {
            let (took, body) = ask(&client, path).await?;
            times.push(took);
            bytes = body.len();
        }
    }
    let fastest = |times: &[Duration]| times.iter().min().copied().unwrap_or_default();
    Ok(Latency {
        form,
        anew_fastest: fastest(&anew),
        anew: Spread::of(anew).p50,
        again_fastest: fastest(&again),
        again: Spread::of(again).p50,
        floor: Duration::ZERO,
        bytes,
    })
}

/// How fast what `path` answers in this form comes from a server that does nothing else, `fixed`
/// makes a client of it.
pub(super) async fn floor(
    client: &Client,
    path: &str,
    form: Form,
    pki: &Pki,
    span: Duration,
    fixed: impl Fn(SocketAddr) -> Result<Client>,
) -> Result<Duration> {
    let (_, body) = ask(&form.on(client)?, path).await?;
    let server = Fixed::bind(pki, body).await?;
    let client = fixed(server.address())?;
    let pause = Duration::from_millis(100);
    let spread = steadily(&client, "/", pause, span).await?;
    Ok(spread.p50)
}

/// One path, asked for again and again for a time, with a pause between answer and question.
pub(super) async fn steadily(
    client: &Client,
    path: &str,
    pause: Duration,
    span: Duration,
) -> Result<Spread> {
    let began = Instant::now();
    let mut times = Vec::new();
    while began.elapsed() < span {
        times.push(ask(client, path).await?.0);
        tokio::time::sleep(pause).await;
    }
    Ok(Spread::of(times))
}

/// All clients ask for one path at the same moment, several times.
pub(super) async fn at_once(clients: &[Client], path: &str, rounds: u32) -> Result<Spread> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        tokio::time::sleep(PAUSE).await;
        let asked = clients.iter().map(|client| ask(client, path));
        times.extend(try_join_all(asked).await?.into_iter().map(|(took, _)| took));
    }
    Ok(Spread::of(times))
}

async fn ask(client: &Client, path: &str) -> Result<(Duration, Bytes)> {
    let asked = Instant::now();
    let answer = client.get(path).await?;
    let took = asked.elapsed();
    answer.expect_status(200)?;
    Ok((took, answer.body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_read_off_the_sorted_times() {
        let times = (1..=200).rev().map(Duration::from_millis).collect();
        let spread = Spread::of(times);
        assert_eq!(spread.p50, Duration::from_millis(101));
        assert_eq!(spread.p99, Duration::from_millis(199));
        assert_eq!(Spread::of(Vec::new()).p99, Duration::ZERO);
    }
}
