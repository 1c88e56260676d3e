//! Where within a server a sink writes.

use super::receivers::{Act, influxdb, listener, serve};
use super::working::{Rig, quick, until};
use super::{batch, cluster};

#[tokio::test]
async fn a_path_stands_before_all_that_is_asked_for() {
    for (sink, expected) in [
        (
            "influxdb:http://HOST/sub/path?pw=x",
            &["POST /sub/path/query?", "POST /sub/path/write?"][..],
        ),
        (
            "influxdb:http://HOST/sub/?bucket=b&token=t",
            &["POST /sub/api/v2/write?"],
        ),
        ("opentsdb:http://HOST/sub", &["POST /sub/api/put?summary"]),
        (
            "gcm:http://HOST/sub?project=p&token=t",
            &["POST /sub/v3/projects/p/"],
        ),
        (
            "elasticsearch:?nodes=http://HOST/sub/",
            &["PUT /sub/_index_template/", "POST /sub/_bulk?"],
        ),
    ] {
        let (listener, address) = listener().await;
        let seen = serve(listener, |_| Act::Answer(200, "{}".to_owned()));
        let rig = Rig::new(quick(), &[sink.replace("HOST", &address.to_string())]);
        rig.send(batch(60, vec![cluster()])).await;
        until("it is asked", || seen.lock().len() >= expected.len()).await;
        for (asked, expected) in seen.lock().iter().zip(expected) {
            assert!(asked.line.starts_with(expected), "{}", asked.line);
        }
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_database_that_was_there_keeps_its_own_default() {
    let (listener, address) = listener().await;
    let well = influxdb("root");
    let seen = serve(listener, move |asked| {
        let answer = well(asked);
        if !asked.line.contains("CREATE+DATABASE") {
            return answer;
        }
        let error = "retention policy conflicts with an existing policy";
        Act::Answer(200, format!("{{\"results\":[{{\"error\":\"{error}\"}}]}}"))
    });
    let value = format!("influxdb:http://{address}?retention=30d");
    let rig = Rig::new(quick(), &[value]);
    rig.send(batch(60, vec![cluster()])).await;
    let points = "loadline_sink_sent_points_total{sink=\"influxdb\"}";
    until("it came", || rig.metric(points) == 1).await;
    let lines: Vec<String> = seen.lock().iter().map(|asked| asked.line.clone()).collect();
    let made = "POST /query?db=&q=CREATE+RETENTION+POLICY+%22default%22+ON+k8s+DURATION+2592000s\
                +REPLICATION+1";
    assert_eq!(lines[1], made);
    assert!(lines[3].ends_with("&rp=default"), "{lines:?}");
    rig.stop().await;
}
