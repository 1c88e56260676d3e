//! What tests of authentication, authorization and the server need: authorities, fake reviewers, a
//! clock to turn.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};
use k8s_openapi::api::authorization::v1::{SubjectAccessReviewSpec, SubjectAccessReviewStatus};
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{AccessReviewer, BearerToken, ReviewError, TokenReviewer};
use crate::domain::{Clock, SystemClock, Timestamp};

/// A clock that stands still until it is turned.
#[derive(Debug)]
pub(crate) struct TestClock {
    start: (Timestamp, Instant),
    passed: Mutex<Duration>,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        let start = (SystemClock.now(), SystemClock.monotonic());
        Arc::new(Self {
            start,
            passed: Mutex::default(),
        })
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.passed.lock() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.passed.lock().as_millis()).unwrap();
        Timestamp::from_millis(self.start.0.as_millis() + passed)
    }

    fn monotonic(&self) -> Instant {
        self.start.1 + *self.passed.lock()
    }
}

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pem: String,
    pub(crate) key: KeyPair,
}

/// What a certificate shall say; built up from [`Subject::new`].
#[derive(Clone)]
pub(crate) struct Subject {
    name: DistinguishedName,
    usages: Vec<ExtendedKeyUsagePurpose>,
    lifetime: Duration,
}

impl Subject {
    pub(crate) fn new(common_name: &str) -> Self {
        let mut name = DistinguishedName::new();
        if !common_name.is_empty() {
            name.push(DnType::CommonName, common_name);
        }
        Self {
            name,
            usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
            lifetime: Duration::from_secs(3600),
        }
    }

    /// Adds an attribute by its object identifier. Each identifier once: the generator keeps a map.
    pub(crate) fn attribute(mut self, oid: &[u64], value: &str) -> Self {
        self.name.push(DnType::CustomDnType(oid.to_vec()), value);
        self
    }

    pub(crate) fn organization(mut self, value: &str) -> Self {
        self.name.push(DnType::OrganizationName, value);
        self
    }

    pub(crate) fn usages(mut self, usages: &[ExtendedKeyUsagePurpose]) -> Self {
        self.usages = usages.to_vec();
        self
    }

    pub(crate) fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }
}

impl Authority {
    pub(crate) fn new(common_name: &str) -> Self {
        Self::lasting(common_name, Duration::from_secs(1_000_000))
    }

    pub(crate) fn lasting(common_name: &str, lifetime: Duration) -> Self {
        let mut params = valid_for(CertificateParams::default(), lifetime);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = Subject::new(common_name).name;
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(crate) fn issue(&self, subject: Subject) -> Identity {
        self.issue_for(subject, &[])
    }

    pub(crate) fn issue_for(&self, subject: Subject, names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = subject.name;
        params.extended_key_usages = subject.usages;
        let params = valid_for(params, subject.lifetime);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        Identity {
            chain: vec![cert.der().clone()],
            pem: cert.pem(),
            key,
        }
    }
}

fn valid_for(mut params: CertificateParams, lifetime: Duration) -> CertificateParams {
    let now = u64::try_from(SystemClock.now().as_secs()).unwrap();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(now - 60);
    params.not_after = epoch + Duration::from_secs(now) + lifetime;
    params
}

impl Identity {
    pub(crate) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    pub(crate) fn pem(&self) -> (String, String) {
        (self.pem.clone(), self.key.serialize_pem())
    }
}

/// The ConfigMap's data for these authorities, with the usual header names.
pub(crate) fn config_map(
    client: &Authority,
    proxy: &Authority,
    allowed_names: &str,
) -> BTreeMap<String, String> {
    [
        ("client-ca-file", client.pem()),
        ("requestheader-client-ca-file", proxy.pem()),
        ("requestheader-allowed-names", allowed_names.to_owned()),
        (
            "requestheader-username-headers",
            r#"["X-Remote-User"]"#.to_owned(),
        ),
        (
            "requestheader-uid-headers",
            r#"["X-Remote-Uid"]"#.to_owned(),
        ),
        (
            "requestheader-group-headers",
            r#"["X-Remote-Group"]"#.to_owned(),
        ),
        (
            "requestheader-extra-headers-prefix",
            r#"["X-Remote-Extra-"]"#.to_owned(),
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// Knows some tokens, and counts the questions.
#[derive(Debug, Default)]
pub(crate) struct FakeTokens {
    known: HashMap<String, TokenReviewStatus>,
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) down: AtomicBool,
}

impl FakeTokens {
    pub(crate) fn knowing(tokens: &[(&str, &str)]) -> Arc<Self> {
        let status = |name: &str| TokenReviewStatus {
            authenticated: Some(true),
            user: Some(UserInfo {
                username: Some(name.to_owned()),
                groups: Some(vec!["token-holders".into()]),
                ..UserInfo::default()
            }),
            ..TokenReviewStatus::default()
        };
        let known = tokens.iter().map(|(t, n)| ((*t).to_owned(), status(n)));
        Arc::new(Self {
            known: known.collect(),
            ..Self::default()
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.calls.lock().len()
    }
}

impl TokenReviewer for FakeTokens {
    fn review<'a>(
        &'a self,
        token: &'a BearerToken,
    ) -> BoxFuture<'a, Result<TokenReviewStatus, ReviewError>> {
        async move {
            self.calls.lock().push(token.reveal().to_owned());
            tokio::task::yield_now().await;
            if self.down.load(Ordering::SeqCst) {
                return Err(ReviewError::Timeout);
            }
            let unknown = TokenReviewStatus {
                authenticated: Some(false),
                error: Some("token not found".into()),
                ..TokenReviewStatus::default()
            };
            Ok(self.known.get(token.reveal()).cloned().unwrap_or(unknown))
        }
        .boxed()
    }
}

/// Says what the test wants, and keeps the questions.
pub(crate) struct FakeAccess {
    answer: Mutex<Box<AccessAnswer>>,
    pub(crate) asked: Mutex<Vec<SubjectAccessReviewSpec>>,
}

type AccessAnswer =
    dyn Fn(&SubjectAccessReviewSpec) -> Result<SubjectAccessReviewStatus, ReviewError> + Send;

impl FakeAccess {
    pub(crate) fn new(
        answer: impl Fn(&SubjectAccessReviewSpec) -> Result<SubjectAccessReviewStatus, ReviewError>
        + Send
        + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Mutex::new(Box::new(answer)),
            asked: Mutex::default(),
        })
    }

    pub(crate) fn allowing() -> Arc<Self> {
        Self::new(|_| Ok(allowed(true)))
    }

    pub(crate) fn denying() -> Arc<Self> {
        Self::new(|_| Ok(allowed(false)))
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().len()
    }

    pub(crate) fn last(&self) -> SubjectAccessReviewSpec {
        self.asked
            .lock()
            .last()
            .cloned()
            .expect("something was asked")
    }
}

/// A review's status that only says yes or no.
pub(crate) fn allowed(allowed: bool) -> SubjectAccessReviewStatus {
    SubjectAccessReviewStatus {
        allowed,
        ..SubjectAccessReviewStatus::default()
    }
}

impl std::fmt::Debug for FakeAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeAccess").finish_non_exhaustive()
    }
}

impl AccessReviewer for FakeAccess {
    fn review(
        &self,
        spec: SubjectAccessReviewSpec,
    ) -> BoxFuture<'_, Result<SubjectAccessReviewStatus, ReviewError>> {
        async move {
            let status = (self.answer.lock())(&spec);
            self.asked.lock().push(spec);
            tokio::task::yield_now().await;
            status
        }
        .boxed()
    }
}
