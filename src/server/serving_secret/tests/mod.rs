//! Replicas of a keeper against one API server, with a clock to turn.

mod api_server;
mod rotation;
mod rounds;

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::super::authority::AuthorityCertificate;
use super::super::certificates::{Certificates, ServingCertificate};
use super::super::{Metrics, TlsPolicy};
use super::{KeeperConfig, KeeperMetrics, SecretKeeper};
use crate::auth::testing::TestClock;
use crate::domain::{Clock, ObjectName};
use crate::lifecycle::{Health, Probe};
use crate::telemetry::Registry;
use api_server::ApiServer;

const SECRET_PATH: &str = "/api/v1/namespaces/kube-system/secrets/loadline-serving";
const V1: &str = "v1.metrics.k8s.io";
const V1BETA1: &str = "v1beta1.metrics.k8s.io";
const SERVER: &str = "loadline.kube-system.svc";
const LIFETIME: Duration = Duration::from_secs(90 * 86_400);

/// A cluster where replicas start.
struct Cluster {
    api: ApiServer,
    clock: Arc<TestClock>,
}

/// One replica.
struct Replica {
    keeper: SecretKeeper,
    certificates: Arc<Certificates>,
    registry: Registry,
}

impl Cluster {
    /// Both APIServices lead to us, and verify nothing.
    fn new() -> Self {
        let api = ApiServer::default();
        api.register(V1, "loadline");
        api.register(V1BETA1, "loadline");
        let clock = TestClock::new();
        Self { api, clock }
    }

    fn replica(&self) -> Replica {
        self.replica_of("loadline")
    }

    fn replica_of(&self, service: &str) -> Replica {
        let namespace = || "kube-system".to_owned();
        let mut registry = Registry::default();
        let own = ServingCertificate::SelfSigned {
            services: vec![service.into()],
            namespace: namespace(),
        };
        let provider = super::super::tls::provider(&TlsPolicy::default());
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let metrics = Metrics::register(&mut registry);
        let certificates =
            Certificates::load(&own, &[], provider, Arc::clone(&clock), metrics).unwrap();
        let certificates = Arc::new(certificates);
        let config = KeeperConfig {
            secret: ObjectName {
                namespace: namespace(),
                name: "loadline-serving".into(),
            },
            service: ObjectName {
                namespace: namespace(),
                name: service.into(),
            },
            lifetime: LIFETIME,
        };
        let keeper = SecretKeeper::over(
            config,
            &self.api.client(),
            Arc::clone(&certificates),
            clock,
            KeeperMetrics::register(&mut registry),
        );
        Replica {
            keeper,
            certificates,
            registry,
        }
    }

    /// The authorities that an APIService trusts.
    fn trusted(&self, name: &str) -> Vec<AuthorityCertificate> {
        AuthorityCertificate::read_all(&self.api.bundle(name)).collect()
    }

    /// Whether an API server that verifies with `bundle` takes what the replica shows.
    fn takes(&self, bundle: &[AuthorityCertificate], replica: &Replica) -> bool {
        let now = u64::try_from(self.clock.now().as_secs()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        let leaf = replica.shown();
        let leaf = webpki::EndEntityCert::try_from(&leaf).unwrap();
        let anchors: Vec<_> = bundle
            .iter()
            .map(|one| webpki::anchor_from_trusted_cert(one.der()).unwrap())
            .collect();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let algorithms = provider.signature_verification_algorithms.all;
        let usage = webpki::KeyUsage::server_auth();
        let name = ServerName::try_from(SERVER).unwrap();
        leaf.verify_for_usage(algorithms, &anchors, &[], now, usage, None, None)
            .is_ok()
            && leaf.verify_is_valid_for_subject_name(&name).is_ok()
    }

    fn is_verified(&self, replica: &Replica) -> bool {
        [V1, V1BETA1].iter().all(|name| {
            let skips = &self.api.apiservice(name)["spec"]["insecureSkipTLSVerify"];
            *skips != true && self.takes(&self.trusted(name), replica)
        })
    }
}

impl Replica {
    fn shown(&self) -> CertificateDer<'static> {
        self.certificates.default_leaf()
    }

    async fn round(&mut self) -> bool {
        let well = self.keeper.round().await;
        let (secret, trust) = (&self.keeper.secret_trouble, &self.keeper.trust_trouble);
        assert_eq!(well, secret.is_none() && trust.is_none());
        println!("round: {secret:?}, {trust:?}");
        well
    }

    fn is_ready(&self) -> bool {
        let health = Health::default();
        health.add(self.keeper.check());
        health.report(Probe::Readyz)[0].result.is_ok()
    }

    /// A value of the replica's own metrics.
    fn metric(&self, name: &str) -> Option<u64> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}
