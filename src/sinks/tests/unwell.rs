//! Every backend that speaks HTTP: away at first, with another password, slow, killed.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;

use super::receivers::{Act, Asked, listener, serve};
use super::working::{Rig, quick, until};
use super::{batch, cluster};

const SINKS: [&str; 6] = [
    "elasticsearch",
    "influxdb",
    "opentsdb",
    "otlp",
    "prometheus",
    "webhook",
];

/// Takes one point, as each of them does.
fn take(asked: &Asked) -> Act {
    match asked.line.contains("_bulk") {
        true => Act::Answer(
            200,
            "{\"items\":[{\"create\":{\"status\":201}}]}".to_owned(),
        ),
        false => Act::Answer(200, String::new()),
    }
}

#[tokio::test]
async fn nothing_is_lost_nor_refused_whatever_ails_a_backend() {
    for sink in SINKS {
        let (reserved, address) = listener().await;
        drop(reserved);
        let rig = Rig::new(quick(), &[format!("{sink}:http://me:pw@{address}")]);
        rig.send(batch(60, vec![cluster()])).await;
        let series = |what: &str| format!("loadline_sink_{what}_total{{sink=\"{sink}\"}}");
        until("it is away", || rig.metric(&series("retried")) > 1).await;
        let tries = AtomicUsize::new(0);
        let before = rig.metric(&series("retried"));
        let seen = serve(TcpListener::bind(address).await.unwrap(), move |asked| {
            assert_eq!(asked.authorization, "Basic bWU6cHc=");
            match tries.fetch_add(1, Ordering::Relaxed) {
                0 => Act::Answer(401, String::new()),
                1 => Act::Hang,
                2 => Act::HangUp,
                3 => Act::Answer(429, String::new()),
                4 => Act::Answer(500, String::new()),
                _ => take(asked),
            }
        });
        until("it came", || rig.metric(&series("sent_points")) == 1).await;
        assert_eq!(rig.metric(&series("refused_points")), 0, "{sink}");
        assert!(rig.metric(&series("retried")) >= before + 5, "{sink}");
        assert!(seen.lock().len() > 5, "{sink}");
        rig.stop().await;
    }
}
