//! Google's access tokens: of a service account whose key is in a file, or of the machine.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::json;

use super::super::config::authority;
use super::super::credentials::Credentials;
use super::super::export::ExportError;
use super::super::http::{Answer, Http, HttpConfig};
use super::super::secret::Secret;
use super::super::setup::{SetupError, both};
use super::super::trust::TlsConfig;
use super::super::uri::SinkUri;
use crate::apimachinery::query_escape;
use crate::domain::Clock;

/// Where tokens come from.
pub(super) enum Source {
    /// One that was given.
    Given(Secret),
    Account(Box<Account>),
    Machine(Box<Http>),
}

/// A service account.
pub(super) struct Account {
    email: String,
    scope: &'static str,
    key: KeyPair,
    token_uri: String,
    path: String,
    http: Http,
    pub(super) project: Option<String>,
}

/// The source, and the token it gave last.
pub(super) struct Tokens {
    pub(super) source: Source,
    clock: Arc<dyn Clock>,
    held: Option<(Secret, Instant)>,
}

/// The file of a service account's key.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    token_uri: String,
    project_id: Option<String>,
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    expires_in: u64,
}

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const FORM: &str = "application/x-www-form-urlencoded";
/// The longest Google lets an assertion live.
const LIFE: i64 = 3600;
/// A token is asked for anew when the old one is this close to its end.
const AHEAD: Duration = Duration::from_secs(60);
const MACHINE: &str = "/computeMetadata/v1/";
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");

impl Account {
    /// Reads the file; the error says nothing of what is in it.
    pub(super) fn read(
        file: &Path,
        scope: &'static str,
        tls: &TlsConfig,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let unusable = |what: &str| SetupError::file(Some("credentials"), file, &what);
        let text = std::fs::read(file).map_err(|error| unusable(&error.to_string()))?;
        let read: KeyFile = serde_json::from_slice(&text)
            .map_err(|_| unusable("it is no key of a service account"))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(read.private_key.as_bytes()).ok();
        let key = key.and_then(|key| KeyPair::from_pkcs8(key.secret_pkcs8_der()).ok());
        let uri = SinkUri::of("token_uri", &read.token_uri);
        let uri = uri.map_err(|_| unusable("its token_uri is none"))?;
        let key = key.ok_or_else(|| unusable("its private_key is no RSA key"));
        let (key, http) = both(key, server(&uri, tls, clock))?;
        Ok(Self {
            email: read.client_email,
            scope,
            key,
            path: uri.path.clone(),
            http,
            token_uri: read.token_uri,
            project: read.project_id,
        })
    }

    /// What the account says of itself, signed.
    fn assertion(&self, now: i64) -> Result<String, ExportError> {
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let head = part(json!({"alg": "RS256", "typ": "JWT"}));
        let claims = part(json!({
            "iss": self.email,
            "scope": self.scope,
            "aud": self.token_uri,
            "iat": now,
            "exp": now + LIFE,
        }));
        let text = format!("{head}.{claims}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        let signed = self
            .key
            .sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature);
        signed.map_err(|_| ExportError::Denied("our key signs nothing".to_owned()))?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    async fn ask(&self, now: i64) -> Result<Answer, ExportError> {
        let assertion = self.assertion(now)?;
        let grant = query_escape(GRANT);
        let body = format!("grant_type={grant}&assertion={assertion}");
        let request = Request::post(&self.path).header(CONTENT_TYPE, FORM);
        self.http.send(request, body.into_bytes()).await
    }
}

/// The server a URI names, TLS by its scheme.
pub(super) fn server(
    uri: &SinkUri,
    tls: &TlsConfig,
    clock: &Arc<dyn Clock>,
) -> Result<Http, SetupError> {
    let secure = uri.scheme.as_deref() == Some("https");
    let config = HttpConfig {
        authority: authority(uri, "localhost", if secure { 443 } else { 80 }),
        base: String::new(),
        secure,
        tls: tls.clone(),
        credentials: Credentials::None,
    };
    Http::new(&config, clock)
}

/// Asks the machine's metadata.
pub(super) async fn of_machine(http: &Http, path: &str) -> Result<String, ExportError> {
    let request =
        Request::get(format!("{MACHINE}{path}")).header(FLAVOR, HeaderValue::from_static("Google"));
    let answer = http.send(request, Vec::new()).await?;
    if answer.status.is_success() {
        Ok(answer.body)
    } else {
        Err(ExportError::Denied(format!("metadata: {}", answer.status)))
    }
}

impl Tokens {
    pub(super) fn new(source: Source, clock: Arc<dyn Clock>) -> Self {
        Self {
            source,
            clock,
            held: None,
        }
    }

    /// A token that is good for a while.
    pub(super) async fn get(&mut self) -> Result<Secret, ExportError> {
        let now = self.clock.monotonic();
        match &self.held {
            Some((token, until)) if *until > now => return Ok(token.clone()),
            Some(_) | None => {}
        }
        let body = match &self.source {
            Source::Given(token) => return Ok(token.clone()),
            Source::Machine(http) => {
                of_machine(http, "instance/service-accounts/default/token").await?
            }
            Source::Account(account) => {
                let answer = account.ask(self.clock.now().as_secs()).await?;
                if !answer.status.is_success() {
                    return Err(ExportError::Denied(answer.shown()));
                }
                answer.body
            }
        };
        let given: Given = serde_json::from_str(&body)
            .map_err(|_| ExportError::Denied("an answer that holds no token".to_owned()))?;
        let life = Duration::from_secs(given.expires_in).saturating_sub(AHEAD);
        let token = Secret::from(given.access_token);
        self.held = now.checked_add(life).map(|until| (token.clone(), until));
        Ok(token)
    }

    /// The token was refused.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_key_that_is_none_is_told_without_its_text() {
        let folder = TempDir::new().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(crate::domain::SystemClock);
        let path = folder.path().join("key.json");
        let key = json!({"client_email": "e", "private_key": "s3cret", "token_uri": "http://h/t"});
        for text in [
            "s3cret".to_owned(),
            "{\"private_key\":\"s3cret\"}".to_owned(),
            key.to_string(),
        ] {
            std::fs::write(&path, text).unwrap();
            let read = Account::read(&path, "scope", &TlsConfig::default(), &clock);
            let problem = read.err().unwrap().to_string();
            assert!(
                problem.contains("option credentials: ")
                    && problem.contains("key.json")
                    && !problem.contains("s3cret"),
                "{problem}"
            );
        }
    }
}
