//! Every backend that speaks HTTP: away at first, with another password, slow, killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Request;
use tokio::net::TcpListener;

use super::receivers::{Act, Asked, listener, serve};
use super::working::{Rig, quick, until};
use super::{HTTP_SINKS, Plain, batch, cluster};
use crate::domain::{Clock, SystemClock};
use crate::sinks::SinkConfig;
use crate::sinks::chunks::Progress;
use crate::sinks::column::Column;
use crate::sinks::credentials::Credentials;
use crate::sinks::export::Exporter;
use crate::sinks::filter::Filter;
use crate::sinks::http::{Http, HttpConfig};
use crate::sinks::trust::TlsConfig;

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
    for sink in HTTP_SINKS {
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

#[tokio::test]
async fn who_cannot_be_reached_is_named_by_host_and_port() {
    let (reserved, address) = listener().await;
    drop(reserved);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let http = HTTP_SINKS.map(|sink| format!("{sink}:http://{address}"));
    let others = [
        format!("graphite:tcp://{address}"),
        format!("riemann:tcp://{address}"),
        format!("gcm:?project=p&metadata=http://{address}"),
        #[cfg(feature = "kafka")]
        format!("kafka:?brokers={address}"),
    ];
    for value in http.into_iter().chain(others) {
        let sink = SinkConfig::read(&[&value], &|_| None).unwrap().remove(0);
        let mut exporter = Exporter::new(sink.backend, &clock).unwrap();
        let (batch, filter) = (batch(60, vec![cluster()]), Filter::default());
        let column = Column::new(&batch, &Plain, &filter);
        let sent = exporter.export(column, &mut Progress::default()).await;
        let said = sent.unwrap_err().to_string();
        let named = format!("cannot be reached: {address}: ");
        assert!(said.starts_with(&named), "{value}: {said}");
    }
}

#[tokio::test]
async fn a_refusal_that_repeats_the_password_does_not_show_it() {
    let (listening, address) = listener().await;
    serve(listening, |asked| {
        let said = format!("{} is me:s3cret", asked.authorization);
        Act::Answer(
            if asked.line.contains("/denied") {
                401
            } else {
                500
            },
            said,
        )
    });
    let config = HttpConfig {
        authority: address.to_string(),
        base: String::new(),
        secure: false,
        tls: TlsConfig::default(),
        credentials: Credentials::Basic("me".to_owned(), "s3cret".into()),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let http = Http::new(&config, &clock).unwrap();
    let denied = http.post("/denied", "text/plain", Vec::new()).await;
    let failing = http.fetch(Request::get("/"), Vec::new(), 100).await;
    for said in [denied.unwrap_err(), failing.unwrap_err()] {
        let said = said.to_string();
        assert!(said.contains("Basic *** is me:***"), "{said}");
    }
}
