//! A cluster that checks what it is sent as Elasticsearch does, and what happens when it is unwell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

use super::receivers::{Act, Asked, listener, serve};
use super::working::{Rig, patient, quick, until};
use super::{batch, cluster, pod};

/// Documents by index and id.
type Documents = Arc<Mutex<BTreeMap<(String, String), Json>>>;

/// The answer to one document, where it is not the one it deserves.
type Judge = Arc<dyn Fn(&Json) -> Option<u16> + Send + Sync>;

/// One node of a cluster whose user is `elastic`, password `right`.
#[derive(Clone)]
struct Node {
    template: Arc<Mutex<Option<Json>>>,
    documents: Documents,
    judge: Judge,
    authorization: &'static str,
}

/// `elastic:right`.
const BASIC: &str = "Basic ZWxhc3RpYzpyaWdodA==";

impl Node {
    fn new(judge: impl Fn(&Json) -> Option<u16> + Send + Sync + 'static) -> Self {
        Self {
            template: Arc::default(),
            documents: Arc::default(),
            judge: Arc::new(judge),
            authorization: "",
        }
    }

    fn answer(&self, asked: &Asked) -> Act {
        if asked.authorization != self.authorization {
            return Act::Answer(401, "{\"status\":401}".to_owned());
        }
        if asked.line == "PUT /_index_template/heapster?create=true" {
            assert_eq!(asked.header("content-type"), "application/json");
            return self.put_template(serde_json::from_str(&asked.body).unwrap());
        }
        let (path, query) = asked.line.split_once('?').unwrap();
        assert_eq!(path, "POST /_bulk");
        assert!(query.starts_with("filter_path="), "{query}");
        assert_eq!(asked.header("content-type"), "application/x-ndjson");
        assert!(asked.body.ends_with('\n'));
        let lines: Vec<Json> = asked
            .body
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len() % 2, 0);
        let items: Vec<Json> = lines.chunks(2).map(|p| self.create(&p[0], &p[1])).collect();
        Act::Answer(200, json!({ "items": items }).to_string())
    }

    fn put_template(&self, template: Json) -> Act {
        let mut kept = self.template.lock();
        if kept.is_some() {
            let reason = "index template [heapster] already exists";
            let error = json!({"error": {"reason": reason}, "status": 400});
            return Act::Answer(400, error.to_string());
        }
        assert_eq!(template["index_patterns"], json!(["heapster-*"]));
        let mappings = &template["template"]["mappings"];
        let text = mappings.to_string();
        assert!(!text.contains("\"string\",\"index\"") && !text.contains("analyzed"));
        *kept = Some(template);
        Act::Answer(200, "{\"acknowledged\":true}".to_owned())
    }

    fn create(&self, action: &Json, document: &Json) -> Json {
        let target = action["create"].as_object().unwrap();
        assert_eq!(target.len(), 2, "no type and no more than is known");
        let (index, id) = (
            target["_index"].as_str().unwrap(),
            target["_id"].as_str().unwrap(),
        );
        let status = (self.judge)(document).unwrap_or_else(|| {
            let template = self.template.lock().clone().unwrap();
            fits(
                document,
                &template["template"]["mappings"]["properties"],
                "",
            );
            let key = (index.to_owned(), id.to_owned());
            let mut documents = self.documents.lock();
            if documents.contains_key(&key) {
                return 409;
            }
            documents.insert(key, document.clone());
            201
        });
        match status {
            201 => json!({"create": {"status": 201}}),
            status => json!({"create": {"status": status, "error": {"type": "t", "reason": "r"}}}),
        }
    }

    fn stored(&self) -> usize {
        self.documents.lock().len()
    }
}

/// Whether a document is as the mapping says. What it does not speak of must be a text.
fn fits(value: &Json, properties: &Json, path: &str) {
    for (name, value) in value.as_object().unwrap() {
        assert!(!name.contains('.'), "{path}{name}");
        let mapping = &properties[name.as_str()];
        match mapping["type"].as_str() {
            Some("date") => assert!(value.as_str().unwrap().ends_with('Z')),
            Some("long") => assert!(value.is_i64(), "{path}{name}: {value}"),
            Some("double") => assert!(value.is_number(), "{path}{name}: {value}"),
            Some("text" | "keyword") => assert!(value.is_string()),
            Some(other) => panic!("{other}"),
            None if value.is_object() => {
                fits(value, &mapping["properties"], &format!("{path}{name}/"));
            }
            None => assert!(value.is_string(), "{path}{name}: {value}"),
        }
    }
}

fn start(listener: TcpListener, node: &Node) -> super::receivers::Seen {
    let node = node.clone();
    serve(listener, move |asked| node.answer(asked))
}

const POINTS: &str = "loadline_sink_sent_points_total{sink=\"elasticsearch\"}";
const REFUSED: &str = "loadline_sink_refused_points_total{sink=\"elasticsearch\"}";
const SENT: &str = "loadline_sink_sent_total{sink=\"elasticsearch\"}";

#[tokio::test]
async fn documents_fit_the_template_that_was_made_for_them() {
    let (listener, address) = listener().await;
    let node = Node::new(|_| None);
    let seen = start(listener, &node);
    let rig = Rig::new(
        patient(),
        &[format!(
            "elasticsearch:http://{address}?sniff=false&healthCheck=false&ver=5&pipeline=p+1"
        )],
    );
    rig.send(batch(60, vec![pod("a", "p", &[]), cluster()]))
        .await;
    rig.send(batch(86_400, vec![cluster()])).await;
    until("both came", || rig.metric(SENT) == 2).await;
    assert_eq!((node.stored(), rig.metric(POINTS)), (6, 6));
    let indices: Vec<String> = node.documents.lock().keys().map(|k| k.0.clone()).collect();
    assert_eq!(indices[0], "heapster-1970.01.01");
    assert_eq!(indices[5], "heapster-1970.01.02");
    let template = node.template.lock().clone().unwrap();
    assert_eq!(
        template["template"]["aliases"]["heapster-cpu"],
        json!({"filter": {"exists": {"field": "CpuMetricsTimestamp"}}})
    );
    let lines: Vec<String> = seen.lock().iter().map(|a| a.line.clone()).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].ends_with("&pipeline=p+1"), "{}", lines[1]);
    rig.stop().await;
}

#[tokio::test]
async fn only_documents_that_failed_are_sent_again_and_wrong_ones_never() {
    let (listener, address) = listener().await;
    let busy = AtomicUsize::new(0);
    let node = Node::new(move |document| {
        if document.get("MemoryMetricsTimestamp").is_some() {
            return Some(400);
        }
        let is_cpu = document.get("CpuMetricsTimestamp").is_some();
        (is_cpu && busy.fetch_add(1, Ordering::Relaxed) < 2).then_some(429)
    });
    let seen = start(listener, &node);
    let rig = Rig::new(patient(), &[format!("elasticsearch:http://{address}")]);
    rig.send(batch(60, vec![pod("a", "p", &[])])).await;
    until("it is done", || rig.metric(SENT) == 1).await;
    let documents: Vec<usize> = seen.lock()[1..]
        .iter()
        .map(|asked| asked.body.lines().count() / 2)
        .collect();
    assert_eq!(documents, [4, 1, 1]);
    assert_eq!((rig.metric(POINTS), rig.metric(REFUSED)), (3, 1));
    assert_eq!(node.stored(), 3);
    rig.stop().await;
}

#[tokio::test]
async fn a_document_that_was_stored_before_the_connection_broke_is_there_once() {
    let (listener, address) = listener().await;
    let node = Node::new(|_| None);
    let (cut, bulks) = (node.clone(), AtomicUsize::new(0));
    let _seen = serve(listener, move |asked| {
        let answer = cut.answer(asked);
        let first = asked.line.contains("_bulk") && bulks.fetch_add(1, Ordering::Relaxed) == 0;
        if first { Act::HangUp } else { answer }
    });
    let rig = Rig::new(patient(), &[format!("elasticsearch:http://{address}")]);
    rig.send(batch(60, vec![pod("a", "p", &[])])).await;
    until("it is done", || rig.metric(SENT) == 1).await;
    assert_eq!((node.stored(), rig.metric(POINTS)), (4, 4));
    rig.stop().await;
}

#[tokio::test]
async fn a_node_that_is_away_slow_or_failing_is_passed_over() {
    let node = Node::new(|_| None);
    for bad in ["away", "slow", "failing"] {
        let (first, first_at) = listener().await;
        match bad {
            "away" => drop(first),
            "slow" => drop(serve(first, |_| Act::Hang)),
            _ => drop(serve(first, |_| Act::Answer(503, String::new()))),
        }
        let (second, second_at) = listener().await;
        let _seen = start(second, &node);
        let value = format!(
            "elasticsearch:?nodes=http://{first_at}&nodes=http://{second_at}&cluster_name={bad}"
        );
        let rig = Rig::new(quick(), &[value]);
        rig.send(batch(60, vec![cluster()])).await;
        until("it is done", || rig.metric(SENT) == 1).await;
        rig.stop().await;
    }
    assert_eq!(node.stored(), 3);
}

#[tokio::test]
async fn a_cluster_is_told_who_we_are() {
    for (options, authorization, right) in [
        ("?esUserName=elastic&esUserSecret=right", BASIC, true),
        ("?esUserName=elastic&esUserSecret=wrong", BASIC, false),
        ("?apiKey=aWQ6a2V5", "ApiKey aWQ6a2V5", true),
        ("?token=t", "Bearer t", true),
    ] {
        let (listener, address) = listener().await;
        let mut node = Node::new(|_| None);
        node.authorization = authorization;
        let _seen = start(listener, &node);
        let rig = Rig::new(
            patient(),
            &[format!("elasticsearch:http://{address}{options}")],
        );
        rig.send(batch(60, vec![cluster()])).await;
        if right {
            until("it is done", || rig.metric(SENT) == 1).await;
        } else {
            let retried = "loadline_sink_retried_total{sink=\"elasticsearch\"}";
            until("it is tried again", || rig.metric(retried) > 1).await;
            assert_eq!((node.stored(), rig.metric(REFUSED)), (0, 0));
        }
        rig.stop().await;
    }
}

#[tokio::test]
async fn who_may_only_write_writes() {
    let (listener, address) = listener().await;
    let node = Node::new(|_| Some(201));
    let writer = node.clone();
    let seen = serve(listener, move |asked| match asked.line.contains("_bulk") {
        true => writer.answer(asked),
        false => Act::Answer(403, String::new()),
    });
    let rig = Rig::new(patient(), &[format!("elasticsearch:http://{address}")]);
    for n in 1..=2 {
        rig.send(batch(n * 60, vec![cluster()])).await;
    }
    until("both are done", || rig.metric(SENT) == 2).await;
    assert_eq!(seen.lock().len(), 3);
    rig.stop().await;
}
