//! A Riemann server that knows its protocol from Riemann's `proto.proto` and nothing of ours.

use std::sync::Arc;

use parking_lot::Mutex;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::receivers::{listener, tasks};
use super::working::{Rig, quick, until};
use super::{batch, cluster, pod};

#[derive(Clone, PartialEq, Message)]
struct Msg {
    #[prost(bool, optional, tag = "2")]
    ok: Option<bool>,
    #[prost(string, optional, tag = "3")]
    error: Option<String>,
    #[prost(message, repeated, tag = "6")]
    events: Vec<Event>,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(int64, optional, tag = "1")]
    time: Option<i64>,
    #[prost(string, optional, tag = "2")]
    state: Option<String>,
    #[prost(string, optional, tag = "3")]
    service: Option<String>,
    #[prost(string, optional, tag = "4")]
    host: Option<String>,
    #[prost(string, repeated, tag = "7")]
    tags: Vec<String>,
    #[prost(float, optional, tag = "8")]
    ttl: Option<f32>,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<Attribute>,
    #[prost(sint64, optional, tag = "13")]
    metric_sint64: Option<i64>,
    #[prost(double, optional, tag = "14")]
    metric_d: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, required, tag = "1")]
    key: String,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

type Messages = Arc<Mutex<Vec<Vec<Event>>>>;

/// Answers each message with one of these in turn, and closes at a `None`; afterwards all is well.
fn riemann(listener: TcpListener, answers: &[Option<(bool, &'static str)>]) -> Messages {
    let (messages, mut answers) = (Messages::default(), answers.to_vec());
    let kept = Arc::clone(&messages);
    answers.reverse();
    tasks().spawn_passing("riemann", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            while let Ok(length) = stream.read_u32().await {
                let mut body = vec![0; length as usize];
                stream.read_exact(&mut body).await.unwrap();
                let message = Msg::decode(body.as_slice()).unwrap();
                let answer = answers.pop().unwrap_or(Some((true, "")));
                let Some((ok, error)) = answer else { break };
                if ok {
                    kept.lock().push(message.events);
                }
                let reply = Msg {
                    ok: Some(ok),
                    error: (!ok).then(|| error.to_owned()),
                    events: Vec::new(),
                };
                let reply = reply.encode_to_vec();
                let length = u32::try_from(reply.len()).unwrap();
                stream.write_u32(length).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        }
    });
    messages
}

#[tokio::test]
async fn events_have_everything_of_a_point() {
    let (listener, address) = listener().await;
    let messages = riemann(listener, &[]);
    let sink = format!("riemann:http://{address}?ttl=2.5&state=ok&tags=a,b&tags=c&batchsize=2");
    let rig = Rig::new(quick(), &[sink]);
    let of_pod = pod("ns", "p", &[("app", "x")]);
    rig.send(batch(60, vec![cluster(), of_pod])).await;
    until("all came", || messages.lock().concat().len() == 5).await;
    let sizes: Vec<_> = messages.lock().iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 2, 1]);
    let events = messages.lock().concat();
    let attribute = |(key, value): (&str, &str)| Attribute {
        key: key.to_owned(),
        value: Some(value.to_owned()),
    };
    let mut float = events[2].clone();
    float.attributes.sort_by(|a, b| a.key.cmp(&b.key));
    let labels = [
        ("hostname", "h.1"),
        ("labels", "app:x"),
        ("namespace_name", "ns"),
        ("nodename", "n1"),
        ("pod_name", "p"),
        ("type", "pod"),
    ];
    let expected = Event {
        time: Some(60),
        state: Some("ok".to_owned()),
        service: Some("memory/page_faults_rate".to_owned()),
        host: Some("h.1".to_owned()),
        tags: ["a", "b", "c"].map(str::to_owned).into(),
        ttl: Some(2.5),
        attributes: labels.map(attribute).into(),
        metric_sint64: None,
        metric_d: Some(1.5),
    };
    assert_eq!(float, expected);
    assert_eq!(events[0].metric_sint64, Some(5));
    assert_eq!(events[0].host.as_deref(), Some(""));
    let of_logs = attribute(("resource_id", "logs"));
    assert!(events[3].attributes.contains(&of_logs), "{:?}", events[3]);
}

#[tokio::test]
async fn what_a_server_does_not_confirm_is_sent_again_and_what_it_refuses_is_not() {
    let (listener, address) = listener().await;
    let answers = [
        Some((true, "")),
        None,
        Some((false, "server overloaded")),
        Some((false, "no such thing")),
    ];
    let messages = riemann(listener, &answers);
    let rig = Rig::new(quick(), &[format!("riemann:tcp://{address}?batchsize=2")]);
    rig.send(batch(60, vec![cluster(), pod("ns", "p", &[])]))
        .await;
    let sent = || rig.metric("loadline_sink_sent_total{sink=\"riemann\"}");
    until("the batch is done with", || sent() == 1).await;
    let points = |name: &str| rig.metric(&format!("loadline_sink_{name}{{sink=\"riemann\"}}"));
    assert_eq!(points("sent_points_total"), 3);
    assert_eq!(points("refused_points_total"), 2);
    assert_eq!(points("retried_total"), 2);
    let sizes: Vec<_> = messages.lock().iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 1]);
}
