//! Whom a sink believes to be its backend.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::receivers::{Act, Seen, listener, serve_tls};
use super::working::{Rig, quick, spooling, until};
use super::{HTTP_SINKS, Plain, batch, cluster};
use crate::domain::{Clock, SystemClock};
use crate::sinks::{Labeller, SinkConfig, Sinks};
use crate::telemetry::Registry;

/// An authority, and where it stands in a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
        let issuer = Issuer::new(params, key);
        Self { issuer, folder }
    }

    fn file(&self) -> String {
        self.folder
            .path()
            .join("ca.pem")
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// What speaks for a host of this name.
    fn vouch(&self, name: &str) -> TlsAcceptor {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A backend that takes everything, vouched for under this name.
async fn backend(authority: &Authority, name: &str) -> (SocketAddr, Seen) {
    let (listener, address) = listener().await;
    let seen = serve_tls(listener, authority.vouch(name), |asked| {
        let create = "{\"create\":{\"status\":201}}";
        match asked.line.contains("_bulk") {
            true => Act::Answer(200, format!("{{\"items\":[{create}]}}")),
            false => Act::Answer(200, String::new()),
        }
    });
    (address, seen)
}

#[tokio::test]
async fn a_backend_is_believed_if_the_given_authority_vouches_for_it_or_nobody_asks() {
    let authority = Authority::new();
    for sink in HTTP_SINKS {
        for option in [
            format!("cacert={}", authority.file()),
            "insecuressl=true".to_owned(),
        ] {
            let (address, seen) = backend(&authority, "127.0.0.1").await;
            let rig = Rig::new(quick(), &[format!("{sink}:https://{address}?{option}")]);
            rig.send(batch(60, vec![cluster()])).await;
            let sent = format!("loadline_sink_sent_total{{sink=\"{sink}\"}}");
            until("it came", || rig.metric(&sent) == 1).await;
            assert!(!seen.lock().is_empty());
            rig.stop().await;
        }
    }
}

#[tokio::test]
async fn a_backend_of_another_authority_or_name_is_told_nothing() {
    let authority = Authority::new();
    for sink in HTTP_SINKS {
        for (name, option) in [
            ("127.0.0.1", String::new()),
            ("127.0.0.1", "insecuressl=false".to_owned()),
            ("127.0.0.2", format!("cacert={}", authority.file())),
            ("db.example", format!("cacert={}", authority.file())),
        ] {
            let (address, seen) = backend(&authority, name).await;
            let rig = Rig::new(quick(), &[format!("{sink}:https://{address}?{option}")]);
            rig.send(batch(60, vec![cluster()])).await;
            let retried = format!("loadline_sink_retried_total{{sink=\"{sink}\"}}");
            until("it is tried", || rig.metric(&retried) > 0).await;
            assert!(seen.lock().is_empty(), "{sink} {name} {option}");
            rig.stop().await;
        }
    }
}

#[test]
fn a_file_without_an_authority_is_told_at_start_by_the_sink() {
    let authority = Authority::new();
    let empty = authority.folder.path().join("empty.pem");
    std::fs::write(&empty, "none").unwrap();
    for file in [empty, authority.folder.path().join("missing.pem")] {
        for sink in HTTP_SINKS {
            let value = format!("{sink}:https://h?cacert={}", file.display());
            let sinks = SinkConfig::read(&[value], &|_| None).unwrap();
            let labeller: Arc<dyn Labeller> = Arc::new(Plain);
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let mut registry = Registry::default();
            let made = Sinks::new(quick(), sinks, None, &labeller, &clock, &mut registry);
            let error = made.unwrap_err().to_string();
            let told = format!("{sink}: option cacert: ");
            assert!(error.starts_with(&told), "{error}");
        }
    }
}

#[test]
fn whatever_files_of_any_sink_are_wrong_is_told_at_once() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(file("empty"), "").unwrap();
    std::fs::write(file("influxdb"), "no folder").unwrap();
    let (empty, gone) = (file("empty"), file("gone"));
    let values = [
        format!("influxdb:https://h?cacert={gone}"),
        "log".to_owned(),
        format!("elasticsearch:?nodes=https://a&nodes=https://b&cacert={empty}"),
        format!("otlp:https://h?cacert={gone}&token=%C3%BC%01s3cret"),
        format!("gcm:?cacert={gone}&credentials={gone}"),
        format!("gcm:?cacert={gone}&project=p&token=t"),
        #[cfg(feature = "kafka")]
        format!("kafka:?brokers=h:1&cacert={gone}&cert={gone}&key={empty}"),
    ];
    let sinks = SinkConfig::read(&values, &|_| None).unwrap();
    let labeller: Arc<dyn Labeller> = Arc::new(Plain);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut registry = Registry::default();
    let spooling = Some(spooling(folder.path(), 1 << 20));
    let made = Sinks::new(quick(), sinks, spooling, &labeller, &clock, &mut registry);
    let problems = made.unwrap_err();
    let told: Vec<_> = problems
        .0
        .iter()
        .map(|p| (p.sink.as_str(), p.option))
        .collect();
    let expected = [
        ("influxdb", Some("cacert")),
        ("influxdb", None),
        ("elasticsearch", Some("cacert")),
        ("otlp", Some("cacert")),
        ("otlp", Some("token")),
        ("gcm", Some("cacert")),
        ("gcm", Some("credentials")),
        ("gcm-2", Some("cacert")),
        #[cfg(feature = "kafka")]
        ("kafka", Some("cacert")),
        #[cfg(feature = "kafka")]
        ("kafka", Some("cert")),
    ];
    assert_eq!(told, expected);
    let text = problems.to_string();
    assert!(text.contains(&gone) && !text.contains("s3cret"), "{text}");
}
