//! The headers of a request that say who asks, for whom, and what of the answer is known already.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};
use k8s_openapi::api::authorization::v1::{SubjectAccessReviewSpec, SubjectAccessReviewStatus};
use loadline::api::metrics::GROUP;
use loadline::api::openapi::OpenApi;
use loadline::apimachinery::{AUDIT_ID, audit_id};
use loadline::auth::{
    ANONYMOUS, AccessReviewer, Authentication, Authorization, BearerToken, Config, LiveTrust,
    Metrics, Peer, ReviewError, TokenReviewer, TrustConfig, User,
};
use loadline::domain::{Clock, Timestamp};
use loadline::lifecycle::{Stop, Tasks};
use loadline::telemetry::Registry;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

const AUTHORITY: &str = include_str!("certificates/front-proxy-ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("certificates/front-proxy-client.pem");
/// What the name of a user by token begins with.
const BY_TOKEN: &str = "token:";

#[derive(Debug)]
struct StoppedClock(Instant);

/// Takes every token, and allows everything.
#[derive(Debug)]
struct Agreeable;

struct Bench {
    runtime: tokio::runtime::Runtime,
    authentication: Authentication,
    authorization: Authorization,
    proxy: Peer,
    openapi: OpenApi,
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_900_000_000_000)
    }

    fn monotonic(&self) -> Instant {
        self.0
    }
}

impl TokenReviewer for Agreeable {
    fn review<'a>(
        &'a self,
        token: &'a BearerToken,
    ) -> BoxFuture<'a, Result<TokenReviewStatus, ReviewError>> {
        let user = UserInfo {
            username: Some(format!("{BY_TOKEN}{}", token.reveal())),
            ..UserInfo::default()
        };
        let status = TokenReviewStatus {
            authenticated: Some(true),
            user: Some(user),
            ..TokenReviewStatus::default()
        };
        async { Ok(status) }.boxed()
    }
}

impl AccessReviewer for Agreeable {
    fn review(
        &self,
        _: SubjectAccessReviewSpec,
    ) -> BoxFuture<'_, Result<SubjectAccessReviewStatus, ReviewError>> {
        let status = SubjectAccessReviewStatus {
            allowed: true,
            ..SubjectAccessReviewStatus::default()
        };
        async { Ok(status) }.boxed()
    }
}

impl Bench {
    fn new() -> Self {
        // The one place that asks the time: nothing here depends on it.
        let clock: Arc<dyn Clock> = Arc::new(StoppedClock(Instant::now()));
        let trust = LiveTrust::new(TrustConfig::default()).unwrap_or_else(|e| panic!("{e}"));
        let lists = [
            ("requestheader-client-ca-file", AUTHORITY),
            ("requestheader-username-headers", r#"["X-Remote-User"]"#),
            ("requestheader-uid-headers", r#"["X-Remote-Uid"]"#),
            ("requestheader-group-headers", r#"["X-Remote-Group"]"#),
            (
                "requestheader-extra-headers-prefix",
                r#"["X-Remote-Extra-"]"#,
            ),
            ("requestheader-allowed-names", r#"["front-proxy-client"]"#),
        ];
        let lists = lists.map(|(key, value)| (key.to_owned(), value.to_owned()));
        trust.apply_config_map(&lists.into());
        let metrics = Metrics::register(&mut Registry::default());
        let (config, tasks) = (Config::default(), Tasks::new(Stop::channel().0));
        let (agreeable, time) = (Arc::new(Agreeable), || Arc::clone(&clock));
        let tokens = Arc::clone(&agreeable) as _;
        let leaf = CertificateDer::from_pem_slice(CERTIFICATE).unwrap_or_else(|e| panic!("{e}"));
        Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap_or_else(|e| panic!("{e}")),
            authentication: Authentication::new(
                &config,
                trust,
                tokens,
                time(),
                tasks.clone(),
                Arc::clone(&metrics),
            ),
            authorization: Authorization::new(&config, agreeable, time(), tasks, metrics),
            proxy: Peer::new(vec![leaf]).unwrap_or_else(|| panic!("no certificate")),
            openapi: OpenApi::new(&[GROUP], "0.0.0", time()),
        }
    }
}

/// Each line is a header, `NAME:VALUE`; what is none is left out.
pub(super) fn check(data: &[u8]) {
    static BENCH: LazyLock<Bench> = LazyLock::new(Bench::new);
    let headers = read(data);
    let bench = &*BENCH;
    bench.runtime.block_on(async {
        proxied(bench, &headers).await;
        alone(bench, &headers).await;
        impersonating(bench, &headers).await;
    });
    stripped(bench, &headers);
    let id = audit_id(&headers);
    match headers.get(AUDIT_ID).filter(|own| !own.is_empty()) {
        Some(own) => assert_eq!(id, own),
        None => assert_eq!(id.len(), 36),
    }
    document(bench, &headers);
}

fn read(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(200) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    headers
}

/// What a header says, with U+FFFD for every byte that is no text.
fn text(value: &HeaderValue) -> String {
    let (mut bytes, mut text) = (value.as_bytes(), String::new());
    loop {
        match std::str::from_utf8(bytes) {
            Ok(rest) => return text + rest,
            Err(error) => {
                let (good, bad) = bytes.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(good));
                text.push('\u{fffd}');
                bytes = bad.get(1..).unwrap_or_default();
            }
        }
    }
}

fn first(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map_or_else(String::new, text)
}

/// Whether a token is shown as browsers do it for a WebSocket.
fn bears_token(headers: &HeaderMap) -> bool {
    let mut offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    offered.any(|line| {
        let line = text(line);
        let mut words = line.split(',').map(str::trim);
        words.any(|word| word.starts_with("base64url.bearer.authorization.k8s.io."))
    })
}

/// The front proxy's word is the user, to the letter.
async fn proxied(bench: &Bench, headers: &HeaderMap) {
    let user = bench
        .authentication
        .authenticate(headers, Some(&bench.proxy));
    let user = user.await.ok();
    let name = first(headers, "x-remote-user");
    if name.is_empty() {
        return assert!(user.is_none_or(|u| u.name == ANONYMOUS || u.name.starts_with(BY_TOKEN)));
    }
    let is_extra = |name: &&HeaderName| name.as_str().starts_with("x-remote-extra-");
    let extra = headers.iter().map(|(name, _)| name).filter(is_extra);
    let groups = headers.get_all("x-remote-group").iter().map(text);
    let (groups, uid) = (groups.collect::<Vec<_>>(), first(headers, "x-remote-uid"));
    let user = user.unwrap_or_else(|| panic!("{name:?} is refused"));
    assert_eq!((&user.name, &user.uid), (&name, &uid));
    assert_eq!(user.groups.get(..groups.len()), Some(&groups[..]));
    assert!(user.groups.len() <= groups.len() + 1);
    let values: usize = user.extra.values().map(Vec::len).sum();
    assert_eq!(values, extra.count());
}

/// Without a certificate nothing counts but a token.
async fn alone(bench: &Bench, headers: &HeaderMap) {
    let user = bench.authentication.authenticate(headers, None).await;
    let (value, offered) = (headers.get(AUTHORIZATION), bears_token(headers));
    let Ok(user) = user else {
        return assert!(offered || value.is_some_and(|value| value.to_str().is_err()));
    };
    let Some(token) = user.name.strip_prefix(BY_TOKEN) else {
        return assert_eq!(user.name, ANONYMOUS);
    };
    assert!(!token.is_empty());
    let value = value.map(text).unwrap_or_default();
    let shown = value.to_ascii_lowercase().trim().starts_with("bearer ") && value.contains(token);
    assert!(shown || offered);
}

/// A claim to be somebody else is met or refused, and never passed over.
async fn impersonating(bench: &Bench, headers: &HeaderMap) {
    let bob = User {
        name: "bob".to_owned(),
        ..User::default()
    };
    let mut left = headers.clone();
    let user = bench
        .authorization
        .impersonate(bob.clone(), &mut left)
        .await;
    let claims = |name: &str| headers.get(name).is_some_and(|value| !value.is_empty());
    let extra = |name: &HeaderName| name.as_str().starts_with("impersonate-extra-");
    let more = claims("impersonate-uid")
        || headers.contains_key("impersonate-group")
        || headers.keys().any(extra);
    match user {
        Ok(user) if user == bob => {
            assert!(!more && (!claims("impersonate-user") || named(&user, headers)));
        }
        Ok(user) => {
            assert!(named(&user, headers));
            let rest = left
                .keys()
                .filter(|name| name.as_str().starts_with("impersonate-"));
            assert_eq!(rest.count(), 0);
        }
        Err(_) => assert!(claims("impersonate-user") || more),
    }
}

fn named(user: &User, headers: &HeaderMap) -> bool {
    first(headers, "impersonate-user") == user.name
}

/// What is taken out is every credential, and nothing else.
fn stripped(bench: &Bench, headers: &HeaderMap) {
    let mut left = headers.clone();
    bench.authentication.strip(&mut left);
    assert!(!bears_token(&left));
    // Of the subprotocols those are left that carry no token.
    for name in headers
        .keys()
        .filter(|name| **name != SEC_WEBSOCKET_PROTOCOL)
    {
        let gone = matches!(
            name.as_str(),
            "authorization" | "x-remote-user" | "x-remote-uid" | "x-remote-group"
        ) || name.as_str().starts_with("x-remote-extra-");
        assert_eq!(left.contains_key(name), !gone, "{name}");
    }
}

/// A document comes whole, in part, packed, or not at all, and each as it says of itself.
fn document(bench: &Bench, headers: &HeaderMap) {
    let ask = |headers: HeaderMap| {
        let mut parts: Parts = Request::get("/openapi/v2")
            .body(())
            .unwrap_or_else(|e| panic!("{e}"))
            .into_parts()
            .0;
        parts.headers = headers;
        bench
            .openapi
            .answer("/openapi/v2", &parts)
            .unwrap_or_else(|| panic!("no answer"))
    };
    let mut plain = HeaderMap::new();
    if let Some(accept) = headers.get("accept") {
        plain.insert("accept", accept.clone());
    }
    let (whole, answer) = (ask(plain), ask(headers.clone()));
    let size = whole.body().len();
    match answer.status().as_u16() {
        200 => {
            let packed = answer.headers().contains_key("content-encoding");
            assert!(packed || answer.body() == whole.body());
            assert!(!packed || headers.contains_key(ACCEPT_ENCODING) && answer.body().len() < size);
        }
        206 => {
            let range = answer
                .headers()
                .get("content-range")
                .and_then(|r| r.to_str().ok());
            let range =
                range.and_then(|r| r.strip_prefix("bytes ")?.strip_suffix(&format!("/{size}")));
            let (from, to) = range
                .and_then(|r| r.split_once('-'))
                .unwrap_or_else(|| panic!("no range"));
            let (from, to): (usize, usize) = (
                from.parse().unwrap_or_else(|e| panic!("{e}")),
                to.parse().unwrap_or_else(|e| panic!("{e}")),
            );
            assert_eq!(whole.body().get(from..=to), Some(&answer.body()[..]));
        }
        304 => assert!(
            answer.body().is_empty()
                && (headers.contains_key("if-none-match")
                    || headers.contains_key("if-modified-since"))
        ),
        406 => assert_eq!(whole.status(), 406),
        412 => {
            assert!(headers.contains_key("if-match") || headers.contains_key("if-unmodified-since"))
        }
        416 => assert!(headers.contains_key("range")),
        code => panic!("{code}"),
    }
}
