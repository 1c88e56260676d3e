//! A sink whose backend is another one than it was.

use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::TcpListener;

use super::receivers::{influxdb, listener, serve};
use super::working::{Rig, patient, spooling, until};
use super::{Plain, batch, cluster};
use crate::domain::{Clock, SystemClock};
use crate::sinks::{Labeller, SinkConfig, Sinks};
use crate::telemetry::Registry;
use crate::telemetry::testing::logged;

/// What is said when sinks with spools are set up, and no more is done with them.
fn told(values: &[String], folder: &TempDir, most: u64) -> Vec<String> {
    let sinks = SinkConfig::read(values, &|_| None).unwrap();
    let labeller: Arc<dyn Labeller> = Arc::new(Plain);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut registry = Registry::default();
    let spooling = Some(spooling(folder.path(), most));
    logged(|| {
        Sinks::new(patient(), sinks, spooling, &labeller, &clock, &mut registry).unwrap();
    })
}

#[tokio::test]
async fn what_waits_goes_to_where_the_backend_moved_and_one_line_says_so() {
    let folder = TempDir::new().unwrap();
    let spool = Some((&folder, 1 << 20));
    let (before, was) = listener().await;
    drop(before);
    let at = |address| [format!("influxdb:http://{address}?pw=s3cret&db=k8s")];
    let rig = Rig::spooling(patient(), &at(was), spool);
    rig.send(batch(60, vec![cluster()])).await;
    let spooled = "loadline_sink_spooled{sink=\"influxdb\"}";
    until("it is on disk", || rig.metric(spooled) == 1).await;
    rig.stop().await;

    let (reserved, is) = listener().await;
    drop(reserved);
    let mut rig = None;
    let lines = logged(|| rig = Some(Rig::spooling(patient(), &at(is), spool)));
    let meant: Vec<_> = lines.iter().filter(|line| line.contains("meant")).collect();
    assert_eq!(meant.len(), 1, "{lines:?}");
    for address in [was, is] {
        let shown = format!("influxdb:http://{address} db=k8s");
        assert!(meant[0].contains(&shown), "{shown} is not in {meant:?}");
    }
    let rig = rig.unwrap();
    let seen = serve(TcpListener::bind(is).await.unwrap(), influxdb("s3cret"));
    until("it came", || rig.metric(spooled) == 0).await;
    assert!(
        seen.lock()
            .iter()
            .any(|asked| asked.body.contains("60000000000"))
    );
    rig.stop().await;
    let note = std::fs::read_to_string(folder.path().join("influxdb/destination")).unwrap();
    assert_eq!(note, format!("numbers influxdb:http://{is} db=k8s\n"));

    let lines = told(&at(is), &folder, 1 << 20);
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn spools_that_may_take_more_than_their_volume_has_are_told_of_at_the_start() {
    let folder = TempDir::new().unwrap();
    let values = ["log".to_owned(), "log".to_owned()];
    assert!(told(&values, &folder, 1 << 20).is_empty());
    let lines = told(&values, &folder, 1 << 62);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("the volume has less room"), "{lines:?}");
}
