//! Where within a server a sink writes.

use super::receivers::{Act, influxdb, listener, serve};
use super::working::{Rig, quick, until};
use super::{batch, cluster};

#[tokio::test]
async fn a_database_that_was_there_keeps_its_own_default() {
    let (listener, address) = listener().await;
    let well = influxdb("root");
    let seen = serve(listener, move |asked| match well(asked) {
        Act::Answer(200, _) if asked.line.contains("CREATE+DATABASE") => {
            let error = "retention policy conflicts with an existing policy";
            let results = format!("{{\"results\":[{{\"error\":\"{error}\"}}]}}");
            Act::Answer(200, results)
        }
        other => other,
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
