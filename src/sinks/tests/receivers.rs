//! Backends that take nothing but what their protocols allow.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::lifecycle::{Stop, Tasks};

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub(in crate::sinks) enum Act {
    Answer(u16, String),
    /// With a header.
    AnswerWith(u16, String, String),
    HangUp,
    Hang,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sinks) struct Asked {
    pub line: String,
    pub authorization: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// The body, if it is no text.
    pub bytes: Vec<u8>,
}

impl Asked {
    pub(in crate::sinks) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Requests in the order in which they came.
pub(in crate::sinks) type Seen = Arc<Mutex<Vec<Asked>>>;

/// Lines a stream brought, whole ones alone.
pub(in crate::sinks) type Lines = Arc<Mutex<Vec<String>>>;

pub(in crate::sinks) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub(super) fn tasks() -> Tasks {
    Tasks::new(Stop::channel().0)
}

/// Serves HTTP/1.1; `act` is asked about each request once.
pub(in crate::sinks) fn serve(
    listener: TcpListener,
    act: impl Fn(&Asked) -> Act + Send + Sync + 'static,
) -> Seen {
    accept(listener, None, Arc::new(act))
}

/// Serves HTTP/1.1 over TLS.
pub(in crate::sinks) fn serve_tls(
    listener: TcpListener,
    tls: TlsAcceptor,
    act: impl Fn(&Asked) -> Act + Send + Sync + 'static,
) -> Seen {
    accept(listener, Some(tls), Arc::new(act))
}

type Acting = Arc<dyn Fn(&Asked) -> Act + Send + Sync>;

fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, act: Acting) -> Seen {
    let (seen, tasks) = (Seen::default(), tasks());
    let (kept, serving) = (Arc::clone(&seen), tasks.clone());
    tasks.spawn_passing("listener", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (seen, act, tls) = (Arc::clone(&kept), Arc::clone(&act), tls.clone());
            serving.spawn_passing("connection", async move {
                match tls {
                    None => converse(stream, &seen, &act).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            converse(stream, &seen, &act).await;
                        }
                    }
                }
            });
        }
    });
    seen
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, seen: &Seen, act: &Acting) {
    let mut stream = BufReader::new(stream);
    while let Some(asked) = request(&mut stream).await {
        seen.lock().push(asked.clone());
        let (status, header, body) = match act(&asked) {
            Act::Answer(status, body) => (status, String::new(), body),
            Act::AnswerWith(status, header, body) => (status, format!("{header}\r\n"), body),
            Act::HangUp => return,
            Act::Hang => std::future::pending().await,
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\n{header}Content-Length: {length}\r\n\r\n");
        // Who was given up on is not there any more.
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
        let _ = stream.flush().await;
    }
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<String, String> = lines
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length");
    let mut bytes = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(Asked {
        line: head.lines().next().unwrap().replace(" HTTP/1.1", ""),
        authorization: headers.get("authorization").cloned().unwrap_or_default(),
        headers,
        body: String::from_utf8(bytes.clone()).unwrap_or_default(),
        bytes,
    })
}

/// A 1.x server with one user, `root` with this password, and no database at first.
pub(in crate::sinks) fn influxdb(password: &str) -> impl Fn(&Asked) -> Act + Send + Sync + 'static {
    use base64::Engine;
    let pair = format!("root:{password}");
    let known = format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    );
    let databases = Mutex::new(BTreeSet::new());
    move |asked| {
        let error = |status, text: &str| Act::Answer(status, format!("{{\"error\":\"{text}\"}}"));
        if asked.authorization != known {
            return error(401, "authorization failed");
        }
        if let Some(query) = asked.line.strip_prefix("POST /query?db=&q=") {
            if let Some(rest) = query.strip_prefix("CREATE+DATABASE+") {
                let name = rest.split('+').next().unwrap();
                databases.lock().insert(name.replace("%22", ""));
            }
            return Act::Answer(200, "{\"results\":[{\"statement_id\":0}]}".to_owned());
        }
        let Some(write) = asked.line.strip_prefix("POST /write?consistency=&db=") else {
            return error(404, "not found");
        };
        let (database, rest) = write.split_once('&').unwrap();
        if !databases.lock().contains(database) || rest != "precision=&rp=default" {
            return error(404, "database not found");
        }
        match asked.body.lines().find(|line| !is_point(line)) {
            Some(line) => error(400, &format!("unable to parse {line:?}")),
            None => Act::Answer(204, String::new()),
        }
    }
}

fn is_point(line: &str) -> bool {
    let parts: Vec<&str> = line.split(' ').collect();
    let [series, field, time] = parts.as_slice() else {
        return false;
    };
    let (name, value) = field.split_once('=').unwrap_or_default();
    let number = value.strip_suffix('i').map_or_else(
        || value.parse::<f64>().is_ok(),
        |value| value.parse::<i64>().is_ok(),
    );
    let mut tags = series.split(',').skip(1);
    number
        && !name.is_empty()
        && time.len() >= 10
        && time.parse::<i64>().is_ok()
        && tags.all(|tag| {
            tag.split_once('=')
                .is_some_and(|(_, value)| !value.is_empty())
        })
}

/// Takes the lines of one connection after the other, up to so many of each, then hangs up.
pub(in crate::sinks) fn lines(listener: TcpListener, up_to: usize) -> Lines {
    let lines = Lines::default();
    let kept = Arc::clone(&lines);
    tasks().spawn_passing("lines", async move {
        use tokio::io::AsyncBufReadExt;
        while let Ok((stream, _)) = listener.accept().await {
            let (mut lines, mut read) = (BufReader::new(stream).lines(), 0);
            while let Ok(Some(line)) = lines.next_line().await {
                let parts: Vec<&str> = line.split(' ').collect();
                assert!(
                    parts.len() == 3 && parts[2].parse::<i64>().is_ok(),
                    "{line}"
                );
                kept.lock().push(line);
                read += 1;
                if read == up_to {
                    break;
                }
            }
        }
    });
    lines
}
