//! A double of Cloud Monitoring, of Google's token server, and of a machine's metadata.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::domain::{EntityKey, MetricSet, Point, Qualified, Timestamp};
use crate::sinks::tests::receivers::{Act, Asked, listener, serve};
use crate::sinks::tests::working::{Rig, patient, until};
use crate::sinks::tests::{batch, cluster, pod};

/// Takes what the reference of `timeSeries.create` and `metricDescriptors.create` allows.
fn take(asked: &Asked, token: &str) -> Act {
    if asked.authorization != format!("Bearer {token}") {
        return Act::Answer(401, String::new());
    }
    assert_eq!(asked.header("content-type"), "application/json");
    let body: Json = serde_json::from_str(&asked.body).unwrap();
    if asked.line == "POST /v3/projects/p1/metricDescriptors" {
        let kind = body["type"].as_str().unwrap();
        assert!(kind.starts_with("custom.googleapis.com/kubernetes.io/"));
        assert!(!body["labels"].as_array().unwrap().is_empty());
        return Act::Answer(200, asked.body.clone());
    }
    assert_eq!(asked.line, "POST /v3/projects/p1/timeSeries");
    let series = body["timeSeries"].as_array().unwrap();
    assert!((1..=200).contains(&series.len()));
    for series in series {
        let value = &series["points"][0]["value"];
        match series["valueType"].as_str().unwrap() {
            "INT64" => drop(
                value["int64Value"]
                    .as_str()
                    .unwrap()
                    .parse::<i64>()
                    .unwrap(),
            ),
            "DOUBLE" => assert!(value["doubleValue"].is_number()),
            other => panic!("{other}"),
        }
        let interval = &series["points"][0]["interval"];
        let end = interval["endTime"].as_str().unwrap();
        match series["metricKind"].as_str().unwrap() {
            "GAUGE" => assert!(interval["startTime"].is_null()),
            "CUMULATIVE" => assert!(interval["startTime"].as_str().unwrap() < end),
            other => panic!("{other}"),
        }
        assert!(series["metric"]["labels"].is_object());
        assert_eq!(series["resource"], json!({"type": "global"}));
    }
    Act::Answer(200, "{}".to_owned())
}

fn series(what: &str) -> String {
    format!("loadline_sink_{what}_total{{sink=\"gcm\"}}")
}

#[tokio::test]
async fn points_are_series_of_heapsters_metrics() {
    let (listener, address) = listener().await;
    let seen = serve(listener, |asked| take(asked, "t"));
    let value = format!("gcm:http://{address}?project=p1&token=t&cluster_name=c");
    let mut set = MetricSet::new(EntityKey::Cluster);
    set.started = Some(Timestamp::from_millis(1_500));
    set.set(Point::int(Metric::CpuUsage, 9));
    set.qualified.push(Qualified {
        by: "nvidia.com/gpu".into(),
        point: Point::int(Metric::ResourceRequest, 2),
    });
    let mut unborn = set.clone();
    unborn.started = None;
    let rig = Rig::new(patient(), &[value]);
    rig.send(batch(60, vec![set, unborn])).await;
    until("it is done", || rig.metric(&series("sent")) == 1).await;
    assert_eq!(rig.metric(&series("sent_points")), 3);
    let asked = seen.lock().clone();
    assert_eq!(asked.len(), Metric::all().count() + 1);
    let body: Json = serde_json::from_str(&asked.last().unwrap().body).unwrap();
    let told = |name: &str, kind: &str, labels: Json, interval: Json, value: &str| {
        json!({
            "metric": {"type": format!("custom.googleapis.com/kubernetes.io/{name}"), "labels": labels},
            "resource": {"type": "global"},
            "metricKind": kind,
            "valueType": "INT64",
            "points": [{"interval": interval, "value": {"int64Value": value}}],
        })
    };
    let (start, end) = ("1970-01-01T00:00:01.500Z", "1970-01-01T00:01:00.000Z");
    let gpu = json!({"cluster_name": "c", "resource": "nvidia.com/gpu", "type": "cluster"});
    let gpu = told(
        "resource/request",
        "GAUGE",
        gpu,
        json!({"endTime": end}),
        "2",
    );
    let labels = json!({"cluster_name": "c", "type": "cluster"});
    let interval = json!({"startTime": start, "endTime": end});
    let cpu = told("cpu/usage", "CUMULATIVE", labels, interval, "9");
    assert_eq!(body["timeSeries"], json!([cpu, gpu, gpu]));
    rig.stop().await;
}

#[tokio::test]
async fn what_is_not_written_is_counted_and_metrics_can_be_those_of_autoscaling() {
    let (listener, address) = listener().await;
    let _seen = serve(listener, |asked| {
        if asked.line.ends_with("/timeSeries") {
            let summary = json!({"totalPointCount": 4, "successPointCount": 3});
            let error = json!({"error": {"code": 400, "details": [{}, summary]}});
            return Act::Answer(400, error.to_string());
        }
        take(asked, "t")
    });
    let server = format!("gcm:http://{address}?project=p1&token=t");
    let rig = Rig::new(
        patient(),
        &[
            format!("{server}&metrics=all"),
            format!("{server}&metrics=autoscaling"),
        ],
    );
    let mut node = pod("a", "p", &[]);
    node.points.clear();
    node.qualified.clear();
    node.set(Point::float(Metric::CpuNodeUtilization, 0.5));
    rig.send(batch(60, vec![pod("a", "p", &[])])).await;
    rig.send(batch(120, vec![node])).await;
    until("it is done", || rig.metric(&series("sent")) == 2).await;
    assert_eq!(rig.metric(&series("refused_points")), 2);
    assert_eq!(rig.metric(&series("sent_points")), 3);
    let other = "loadline_sink_refused_points_total{sink=\"gcm-2\"}";
    until("one is told", || rig.metric(other) == 1).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_service_account_signs_for_a_token_and_asks_again_when_it_is_refused() {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = key.public_key().as_ref().to_vec();
    let (tokens, at) = listener().await;
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    let _granted = serve(tokens, move |asked| {
        assert_eq!(asked.line, "POST /token");
        let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
        let jwt = asked.body.strip_prefix(grant).unwrap();
        let (text, signature) = jwt.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public);
        key.verify(text.as_bytes(), &signature).unwrap();
        let claims = URL_SAFE_NO_PAD
            .decode(text.split_once('.').unwrap().1)
            .unwrap();
        let claims: Json = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["iss"], "me@p1");
        assert_eq!(claims["aud"], format!("http://{at}/token"));
        let (from, to) = (claims["iat"].as_i64(), claims["exp"].as_i64());
        assert_eq!(to.unwrap() - from.unwrap(), 3600);
        let n = count.fetch_add(1, Ordering::Relaxed);
        let token = json!({"access_token": format!("t{n}"), "expires_in": 3600});
        Act::Answer(200, token.to_string())
    });
    let (listener, address) = listener().await;
    let _seen = serve(listener, |asked| take(asked, "t1"));

    let folder = TempDir::new().unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = key.as_der().unwrap();
    let base64 = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
    let file = json!({
        "client_email": "me@p1", "private_key": pem, "project_id": "p1",
        "token_uri": format!("http://{at}/token"),
    });
    let path = folder.path().join("key.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let value = format!("gcm:http://{address}?credentials={}", path.display());
    let rig = Rig::new(patient(), &[value]);
    for n in 1..=2 {
        rig.send(batch(n * 60, vec![cluster()])).await;
    }
    until("both came", || rig.metric(&series("sent_points")) == 2).await;
    assert_eq!(given.load(Ordering::Relaxed), 2, "the second is kept");
    rig.stop().await;
}

#[tokio::test]
async fn a_machine_is_asked_for_its_token_and_project() {
    let (metadata, at) = listener().await;
    let _asked = serve(metadata, |asked| {
        assert_eq!(asked.header("metadata-flavor"), "Google");
        let below = asked.line.strip_prefix("GET /computeMetadata/v1/").unwrap();
        match below {
            "project/project-id" => Act::Answer(200, "p1".to_owned()),
            "instance/service-accounts/default/token" => {
                let token = json!({"access_token": "m", "expires_in": 600});
                Act::Answer(200, token.to_string())
            }
            other => panic!("{other}"),
        }
    });
    let (listener, address) = listener().await;
    let _seen = serve(listener, |asked| take(asked, "m"));
    let rig = Rig::new(
        patient(),
        &[format!("gcm:http://{address}?metadata=http://{at}")],
    );
    rig.send(batch(60, vec![cluster()])).await;
    until("it came", || rig.metric(&series("sent_points")) == 1).await;
    rig.stop().await;
}
