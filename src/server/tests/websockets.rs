//! Watches over WebSocket.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::streams::{Feed, LONG, WATCH};
use super::*;

type Socket = WebSocketStream<TlsStream<TcpStream>>;

const ASKS: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://localhost\r\n";

/// Asks for a WebSocket and has the head of the answer, with the connection.
async fn ask(
    running: &Running,
    identity: Option<&Identity>,
    path: &str,
    headers: &str,
) -> (String, TlsStream<TcpStream>) {
    let dial = Dial {
        identity,
        http1: true,
        ..Dial::default()
    };
    let mut stream = running.connect(&dial).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {SERVER}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    (String::from_utf8(answer).unwrap(), stream)
}

async fn open(running: &Running, path: &str) -> (Socket, Feed) {
    let bob = running.identity("bob");
    let (answer, stream) = ask(running, Some(&bob), path, ASKS).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let accept = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert!(answer.contains(accept), "{answer}");
    let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    (socket, running.feeds.lock().pop().unwrap())
}

async fn heard(socket: &mut Socket) -> Option<Message> {
    let heard = tokio::time::timeout(LONG, socket.next()).await.unwrap();
    heard.map(Result::unwrap)
}

fn is_farewell(message: Option<Message>) -> bool {
    matches!(message, Some(Message::Close(Some(frame))) if u16::from(frame.code) == 1000)
}

/// The stand-in's pieces have no content type, so that they are taken for protobuf.
fn binary(bytes: &'static [u8]) -> Option<Message> {
    Some(Message::Binary(Bytes::from_static(bytes)))
}

#[tokio::test]
async fn each_event_is_a_message_and_after_the_last_the_socket_is_closed() {
    let running = Running::start().await;
    let (mut socket, feed) = open(&running, WATCH).await;
    feed.pieces
        .send(b"\0\0\0\x03one\0\0\0\x03two")
        .await
        .unwrap();
    assert_eq!(heard(&mut socket).await, binary(b"one"));
    assert_eq!(heard(&mut socket).await, binary(b"two"));
    // What a client says is not for us, but a ping is answered.
    socket.send(Message::text("hello")).await.unwrap();
    socket.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(heard(&mut socket).await, Some(Message::Pong("p".into())));
    feed.pieces.send(b"\0\0\0\x04last").await.unwrap();
    drop(feed);
    assert_eq!(heard(&mut socket).await, binary(b"last"));
    assert!(is_farewell(heard(&mut socket).await));
}

#[tokio::test]
async fn a_socket_ends_after_its_time_with_its_client_and_when_the_port_drains() {
    let running = Running::start().await;
    let (mut socket, feed) = open(&running, "/apis/g/v1/short?watch=1").await;
    assert!(is_farewell(heard(&mut socket).await));
    feed.alive.closed().await;
    let (mut socket, feed) = open(&running, WATCH).await;
    socket.close(None).await.unwrap();
    feed.alive.closed().await;
    let (socket, feed) = open(&running, WATCH).await;
    drop(socket);
    feed.alive.closed().await;
    let (mut socket, feed) = open(&running, WATCH).await;
    running.stop.stop();
    assert!(is_farewell(heard(&mut socket).await));
    feed.alive.closed().await;
}

#[tokio::test]
async fn a_socket_keeps_its_place_among_watches_and_connections() {
    let limits = |config: &mut Config| {
        config.limits.watches = 1;
        config.limits.connections_of_one = 2;
        config.limits.idle = Duration::from_millis(100);
    };
    let running = Running::with(FakeAccess::allowing(), limits).await;
    let bob = running.identity("bob");
    let (socket, feed) = open(&running, WATCH).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (refused, _second) = ask(&running, Some(&bob), WATCH, ASKS).await;
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    let dial = Dial::default();
    assert!(running.connect(&dial).await.is_err(), "a third connection");
    assert!(!feed.alive.is_closed());
    drop(socket);
    feed.alive.closed().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_loses_its_socket() {
    static PIECE: [u8; 64 * 1024] = [0; 64 * 1024];
    let limits = |config: &mut Config| config.limits.stalled = Duration::from_millis(200);
    let running = Running::with(FakeAccess::allowing(), limits).await;
    let (socket, feed) = open(&running, WATCH).await;
    // Empty events without end, each of which is a message.
    while feed.pieces.send(&PIECE).await.is_ok() {}
    tokio::time::timeout(LONG, feed.alive.closed())
        .await
        .unwrap();
    drop(socket);
}

#[tokio::test]
async fn whoever_may_not_watch_gets_no_socket_and_other_requests_are_as_ever() {
    let running = Running::with(FakeAccess::denying(), |_| {}).await;
    let bob = running.identity("bob");
    let (answer, _) = ask(&running, Some(&bob), WATCH, ASKS).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let (answer, _) = ask(&running, None, "/healthz", ASKS).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let wrong = ASKS.replace("Version: 13", "Version: 8");
    let running = Running::start().await;
    let (answer, _) = ask(&running, Some(&running.identity("bob")), WATCH, &wrong).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
}

#[tokio::test]
async fn a_browser_shows_its_token_among_the_subprotocols() {
    let running = Running::start().await;
    // base64url of `T`.
    let token = "base64url.bearer.authorization.k8s.io.VA";
    let with = format!("{ASKS}Sec-WebSocket-Protocol: {token}, base64.binary.k8s.io\r\n");
    let (answer, _stream) = ask(&running, None, WATCH, &with).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let protocol = "sec-websocket-protocol: base64.binary.k8s.io\r\n";
    assert!(answer.contains(protocol), "{answer}");
    for (protocols, code) in [
        (token.to_owned(), "401"),
        (format!("{token}x,a"), "401"),
        (format!("{token},{token},a"), "401"),
        (
            "base64url.bearer.authorization.k8s.io.WA,a".to_owned(),
            "401",
        ),
    ] {
        let with = format!("{ASKS}Sec-WebSocket-Protocol: {protocols}\r\n");
        let (answer, _stream) = ask(&running, None, WATCH, &with).await;
        let expected = format!("HTTP/1.1 {code} ");
        assert!(answer.starts_with(&expected), "{protocols}: {answer}");
    }
}
