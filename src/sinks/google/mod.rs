//! Google's services over REST: who we are there, and for which project we write.

mod token;

use std::path::PathBuf;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode};

use self::token::{Account, Source, Tokens, of_machine, server};
use super::config::authority;
use super::credentials::{Credentials, beside};
use super::export::ExportError;
use super::http::{Answer, Http, HttpConfig, base, is_secure, speaks_http};
use super::options::Options;
use super::secret::Secret;
use super::setup::{SetupError, both};
use super::trust::TlsConfig;
use super::uri::SinkUri;
use crate::domain::Clock;

/// The options every service of Google's has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    authority: String,
    base: String,
    secure: bool,
    tls: TlsConfig,
    project: Option<String>,
    token: Option<Secret>,
    credentials: Option<PathBuf>,
    metadata: String,
    /// `cluster_name`, a label of everything.
    pub cluster_name: Option<String>,
    /// Requests at once.
    pub concurrency: usize,
}

/// One service, asked as somebody it knows.
pub(super) struct Google {
    http: Http,
    tokens: Tokens,
    project: Option<String>,
}

/// What requests bear for a while.
pub(super) struct Access {
    /// For whom is written.
    pub project: String,
    bearer: HeaderValue,
}

const METADATA: &str = "http://metadata.google.internal";
const JSON: &str = "application/json";

impl Config {
    /// Reads the options; the service is at `host` unless the address says otherwise, and is asked
    /// so many things at once unless `concurrency` does.
    pub(super) fn read(
        uri: &SinkUri,
        (host, concurrency): (&str, usize),
        options: &mut Options<'_>,
    ) -> Self {
        let tls = TlsConfig::read(options);
        let https = is_secure(uri, options);
        let plain = uri.scheme.is_some() && !https;
        let metadata = options.text_or("metadata", METADATA);
        let of_machine = SinkUri::of(&uri.key, &metadata).and_then(SinkUri::checked);
        if !of_machine.as_ref().is_ok_and(is_server) {
            let what = "is no address of a server, as http://metadata.google.internal is";
            options.refuse(Some("metadata"), what);
        }
        options.refuse_user(uri);
        let token = options.secret("token");
        let credentials = options.credential("credentials").map(PathBuf::from);
        if token.is_some() && credentials.is_some() {
            options.refuse(Some("credentials"), beside(Some("token")));
        }
        let project = options.credential("project").map(str::to_owned);
        if project
            .as_deref()
            .is_some_and(|project| !project.chars().all(of_project))
        {
            options.refuse(Some("project"), "is no name of a project");
        } else if token.is_some() && !options.is_given("project") {
            options.refuse(Some("project"), "is needed with token");
        }
        // The key's file says where tokens are to be had, most likely over TLS.
        let elsewhere = of_machine.is_ok_and(|uri| uri.scheme.as_deref() == Some("https"));
        tls.check(!plain || credentials.is_some() || elsewhere, options);
        Self {
            authority: authority(uri, host, if plain { 80 } else { 443 }),
            base: base(uri),
            secure: !plain,
            tls,
            project,
            token,
            credentials,
            metadata,
            cluster_name: options.text("cluster_name").map(str::to_owned),
            concurrency: options.number("concurrency", concurrency, 1..=64),
        }
    }
}

/// Whether it is `http[s]://host[:port]` and no more.
fn is_server(uri: &SinkUri) -> bool {
    let whole = uri.host.is_some() && matches!(uri.path.as_str(), "" | "/");
    speaks_http(uri) && whole && uri.user.is_none() && uri.options.keys().next().is_none()
}

/// What projects' names are made of, those of a domain included.
fn of_project(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.:".contains(c)
}

/// Where tokens come from, and the project if it is known by now.
fn source(
    config: &Config,
    scope: &'static str,
    clock: &Arc<dyn Clock>,
) -> Result<(Source, Option<String>), SetupError> {
    let tls = &config.tls;
    let project = config.project.clone();
    let (source, project) = if let Some(token) = config.token.clone() {
        (Source::Given(token), project)
    } else if let Some(file) = &config.credentials {
        let account = Account::read(file, scope, tls, clock)?;
        let project = project.or_else(|| account.project.clone());
        (Source::Account(Box::new(account)), project)
    } else {
        let uri = SinkUri::of("metadata", &config.metadata).unwrap_or_default();
        let metadata = server(&uri, tls, clock)?;
        return Ok((Source::Machine(Box::new(metadata)), project));
    };
    if project.is_none() {
        return Err(SetupError::new(Some("project"), "is named nowhere"));
    }
    Ok((source, project))
}

impl Google {
    /// Reads the account's file, if there is one; asks nothing over the network. Tokens are for
    /// `scope`.
    pub(super) fn new(
        config: &Config,
        scope: &'static str,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let http = HttpConfig {
            authority: config.authority.clone(),
            base: config.base.clone(),
            secure: config.secure,
            tls: config.tls.clone(),
            credentials: Credentials::None,
        };
        let http = Http::new(&http, clock);
        let (http, (source, project)) = both(http, source(config, scope, clock))?;
        Ok(Self {
            http,
            tokens: Tokens::new(source, Arc::clone(clock)),
            project,
        })
    }

    /// A token that is good for a while, and the project.
    pub(super) async fn access(&mut self) -> Result<Access, ExportError> {
        let token = self.tokens.get().await?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| ExportError::Denied("the token is none".to_owned()))?;
        bearer.set_sensitive(true);
        let project = self.project().await?;
        Ok(Access { project, bearer })
    }

    /// Passes on what became of the requests of one access. A token that was refused is not used
    /// again.
    pub(super) fn learn<T>(&mut self, sent: Result<T, ExportError>) -> Result<T, ExportError> {
        if matches!(sent, Err(ExportError::Denied(_))) {
            self.tokens.forget();
        }
        sent
    }

    /// The project that was named, or the machine's.
    async fn project(&mut self) -> Result<String, ExportError> {
        if let Some(project) = &self.project {
            return Ok(project.clone());
        }
        let Source::Machine(http) = &self.tokens.source else {
            return Err(ExportError::Denied("no project is named".to_owned()));
        };
        let project = of_machine(http, "project/project-id").await?;
        Ok(self.project.insert(project).clone())
    }

    /// Posts JSON.
    pub(super) async fn post(
        &self,
        path: &str,
        access: &Access,
        body: Vec<u8>,
    ) -> Result<Answer, ExportError> {
        let request = Request::post(path)
            .header(CONTENT_TYPE, JSON)
            .header(AUTHORIZATION, &access.bearer);
        let answer = self.http.send(request, body).await?;
        match answer.status {
            StatusCode::FORBIDDEN => Err(ExportError::Denied(answer.shown())),
            StatusCode::NOT_FOUND => Err(ExportError::Gone(answer.shown())),
            _ => Ok(answer),
        }
    }
}
