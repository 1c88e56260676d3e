//! Backends that take nothing but what their protocols allow.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::lifecycle::{Stop, Tasks};

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Answer(u16, String),
    HangUp,
    Hang,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub line: String,
    pub authorization: String,
    pub body: String,
}

/// Requests in the order in which they came.
pub(super) type Seen = Arc<Mutex<Vec<Asked>>>;

/// Lines a stream brought, whole ones alone.
pub(super) type Lines = Arc<Mutex<Vec<String>>>;

pub(super) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn tasks() -> Tasks {
    Tasks::new(Stop::channel().0)
}

/// Serves HTTP/1.1; `act` is asked about each request once.
pub(super) fn serve(
    listener: TcpListener,
    act: impl Fn(&Asked) -> Act + Send + Sync + 'static,
) -> Seen {
    let (seen, act) = (Seen::default(), Arc::new(act));
    let (kept, tasks) = (Arc::clone(&seen), tasks());
    let serving = tasks.clone();
    tasks.spawn_passing("listener", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (seen, act) = (Arc::clone(&kept), Arc::clone(&act));
            serving.spawn_passing("connection", async move {
                let mut stream = BufReader::new(stream);
                while let Some(asked) = request(&mut stream).await {
                    seen.lock().push(asked.clone());
                    match act(&asked) {
                        Act::Answer(status, body) => {
                            let length = body.len();
                            let answer = format!(
                                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}"
                            );
                            stream.write_all(answer.as_bytes()).await.unwrap();
                        }
                        Act::HangUp => return,
                        Act::Hang => std::future::pending().await,
                    }
                }
            });
        }
    });
    seen
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Asked {
        line: head.lines().next().unwrap().replace(" HTTP/1.1", ""),
        authorization: header("authorization").unwrap_or_default(),
        body: String::from_utf8(body).unwrap(),
    })
}

/// A 1.x server with one user, `root` with this password, and no database at first.
pub(super) fn influxdb(password: &str) -> impl Fn(&Asked) -> Act + Send + Sync + 'static {
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
pub(super) fn lines(listener: TcpListener, up_to: usize) -> Lines {
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
