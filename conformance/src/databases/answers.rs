//! What servers answer, well and unwell, in their own words.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::faulty::{Kind, Mood, Taken, seconds};
use super::wire::{messages, number};

/// An answer; of protocols without statuses the body alone.
#[derive(Debug)]
pub(super) struct Answered {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answered {
    pub(super) fn new(status: u16, body: impl Into<String>) -> Self {
        let body = body.into().into_bytes();
        Self { status, body }
    }

    fn bytes(body: Vec<u8>) -> Self {
        Self { status: 200, body }
    }
}

const FULL: &str = "no space left on device";

/// What a server of this kind in this mood makes of a request.
pub(super) fn answer(
    kind: Kind,
    mood: Mood,
    path: &str,
    body: &[u8],
    book: &mut Taken,
) -> Result<Answered> {
    if mood == Mood::Denying && kind.tells(mood) {
        return Ok(Answered::new(401, "{\"error\":\"wrong password\"}"));
    }
    if let Some(answered) = prepares(kind, path) {
        return Ok(answered);
    }
    let stamps = stamps(kind, body).with_context(|| String::from_utf8_lossy(body).into_owned())?;
    let count = stamps.len();
    // The first of a request that holds several; all of one that is refused as a whole.
    let refused = match (mood, kind) {
        _ if !kind.tells(mood) => 0,
        (Mood::Full, _) => return Ok(full(kind, count)),
        (Mood::Refusing, Kind::Prometheus | Kind::Webhook | Kind::Riemann) => count,
        (Mood::Refusing, _) => count.min(1),
        _ => 0,
    };
    book.refused += refused;
    book.stamps.extend(stamps.into_iter().skip(refused));
    Ok(taken(kind, count, refused))
}

/// The answer to what is asked before anything is sent.
fn prepares(kind: Kind, path: &str) -> Option<Answered> {
    let answers = [
        (
            kind == Kind::Influxdb && path == "/query",
            "{\"results\":[{\"statement_id\":0}]}",
        ),
        (
            kind == Kind::Elasticsearch && path != "/_bulk",
            "{\"acknowledged\":true}",
        ),
        (
            kind == Kind::Gcm && path.ends_with("/metricDescriptors"),
            "{}",
        ),
    ];
    let answer = answers.into_iter().find(|(fits, _)| *fits);
    answer.map(|(_, answer)| Answered::new(200, answer))
}

/// As each says that its disk is full.
fn full(kind: Kind, count: usize) -> Answered {
    match kind {
        Kind::Elasticsearch => {
            let reason = "index [heapster] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded \
                          flood-stage watermark, index has read-only-allow-delete block]";
            let error = json!({"type": "cluster_block_exception", "reason": reason});
            let item = json!({"create": {"status": 429, "error": error}});
            items(vec![item; count], true)
        }
        // Its one way to say that it can do no more.
        Kind::Riemann => riemann(Some("overloaded")),
        Kind::Webhook => Answered::new(507, FULL),
        Kind::Gcm | Kind::Otlp => Answered::new(503, FULL),
        Kind::Influxdb | Kind::Opentsdb | Kind::Prometheus | Kind::Graphite => {
            Answered::new(500, format!("{{\"error\":\"{FULL}\"}}"))
        }
    }
}

/// As each says that it took all but the first so many.
fn taken(kind: Kind, count: usize, refused: usize) -> Answered {
    let whole = refused == 0;
    match kind {
        Kind::Influxdb if whole => Answered::new(204, ""),
        Kind::Influxdb => {
            let error = format!("partial write: field type conflict dropped={refused}");
            Answered::new(400, json!({"error": error}).to_string())
        }
        Kind::Elasticsearch => {
            let item = |at: usize| match at < refused {
                true => {
                    json!({"create": {"status": 400, "error": {"type": "mapper_parsing_exception"}}})
                }
                false => json!({"create": {"status": 201}}),
            };
            items((0..count).map(item).collect(), !whole)
        }
        Kind::Opentsdb => {
            let summary = json!({"success": count - refused, "failed": refused});
            Answered::new(if whole { 200 } else { 400 }, summary.to_string())
        }
        Kind::Otlp if whole => Answered::bytes(Vec::new()),
        // `partial_success { rejected: 1 }`.
        Kind::Otlp => Answered::bytes(vec![0x0a, 0x02, 0x08, 0x01]),
        Kind::Gcm if whole => Answered::new(200, "{}"),
        Kind::Gcm => {
            let summary = json!({"totalPointCount": count, "successPointCount": count - refused});
            let error = json!({"error": {"code": 400, "details": [summary]}});
            Answered::new(400, error.to_string())
        }
        Kind::Riemann => riemann((!whole).then_some("invalid")),
        Kind::Prometheus | Kind::Webhook | Kind::Graphite => {
            Answered::new(if whole { 204 } else { 422 }, "")
        }
    }
}

fn items(items: Vec<Value>, errors: bool) -> Answered {
    Answered::new(200, json!({"errors": errors, "items": items}).to_string())
}

/// A `Msg` that is well, or says what is wrong.
fn riemann(error: Option<&str>) -> Answered {
    let mut body = vec![0x10, u8::from(error.is_none())];
    if let Some(error) = error {
        body.extend([0x1a, u8::try_from(error.len()).unwrap_or_default()]);
        body.extend_from_slice(error.as_bytes());
    }
    Answered::bytes(body)
}

/// The seconds of the points in a request; fails when they are none.
fn stamps(kind: Kind, body: &[u8]) -> Result<Vec<i64>> {
    let text = || std::str::from_utf8(body);
    let last = |line: &str| line.rsplit(' ').next().unwrap_or_default().parse::<u64>();
    match kind {
        Kind::Influxdb => {
            let lines = text()?.lines();
            lines
                .map(|line| seconds(last(line)?, 1_000_000_000))
                .collect()
        }
        Kind::Graphite => text()?
            .lines()
            .map(|line| seconds(last(line)?, 1))
            .collect(),
        Kind::Elasticsearch => {
            let documents = text()?.lines().skip(1).step_by(2);
            documents
                .map(|line| time(line, "/MemoryMetricsTimestamp"))
                .collect()
        }
        Kind::Webhook => text()?
            .lines()
            .map(|line| time(line, "/timestamp"))
            .collect(),
        Kind::Opentsdb => {
            let points: Vec<Value> = serde_json::from_slice(body)?;
            let stamp = |point: &Value| point["timestamp"].as_i64().context("no timestamp");
            points.iter().map(stamp).collect()
        }
        Kind::Gcm => {
            let body: Value = serde_json::from_slice(body)?;
            let series = body["timeSeries"].as_array().context("no series")?;
            let end = |one: &Value| time(&one.to_string(), "/points/0/interval/endTime");
            series.iter().map(end).collect()
        }
        Kind::Prometheus => {
            let body = snap::raw::Decoder::new().decompress_vec(body)?;
            let samples = messages(&body, &[1, 2])?;
            samples
                .iter()
                .map(|one| seconds(number(one, 2)?, 1000))
                .collect()
        }
        Kind::Otlp => {
            let mut points = messages(body, &[1, 2, 2, 5, 1])?;
            points.extend(messages(body, &[1, 2, 2, 7, 1])?);
            points
                .iter()
                .map(|one| seconds(number(one, 3)?, 1_000_000_000))
                .collect()
        }
        Kind::Riemann => {
            let events = messages(body, &[6])?;
            events
                .iter()
                .map(|one| seconds(number(one, 1)?, 1))
                .collect()
        }
    }
}

/// The time a JSON text holds at a place.
fn time(text: &str, pointer: &str) -> Result<i64> {
    let json: Value = serde_json::from_str(text)?;
    let Some(time) = json.pointer(pointer).and_then(Value::as_str) else {
        bail!("no {pointer} in {text}")
    };
    Ok(time.parse::<jiff::Timestamp>()?.as_second())
}
