//! Ways to say who we are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderValue;

use super::options::Options;
use super::secret::Secret;
use super::setup::SetupError;
use super::uri::SinkUri;

/// Who we say we are. Prints no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    None,
    Basic(String, Secret),
    /// InfluxDB's scheme.
    Token(Secret),
    /// Elasticsearch's scheme.
    ApiKey(Secret),
    Bearer(Secret),
}

impl Credentials {
    /// The user before the host of an address, which is the value of `option` if that is one. Refuses
    /// half of a pair.
    pub(super) fn of_uri(
        uri: &SinkUri,
        option: Option<&'static str>,
        options: &mut Options<'_>,
    ) -> Option<Self> {
        let (user, password) = uri.user.clone()?;
        if user.is_empty() || password.expose().is_empty() {
            options.refuse_half_user(option);
        }
        Some(Self::Basic(user, password))
    }

    /// The one of several ways to say who we are that was given, each by its option or, for a user
    /// before the host, by none. Refuses a second.
    pub(super) fn only(
        ways: impl IntoIterator<Item = (Option<&'static str>, Option<Self>)>,
        options: &mut Options<'_>,
    ) -> Self {
        let ways = ways.into_iter();
        let mut given = ways.filter_map(|(way, credentials)| Some((way, credentials?)));
        let Some((first, credentials)) = given.next() else {
            return Self::None;
        };
        for (way, _) in given {
            options.refuse(way, beside(first));
        }
        credentials
    }

    /// The option they are given by, none for a user before the host; `None` without any.
    pub(super) const fn way(&self) -> Option<Option<&'static str>> {
        match self {
            Self::None => None,
            Self::Basic(..) => Some(None),
            Self::ApiKey(_) => Some(Some("apiKey")),
            Self::Token(_) | Self::Bearer(_) => Some(Some("token")),
        }
    }

    /// The value of `Authorization`, if there is one.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>, SetupError> {
        let (option, text) = match self {
            Self::None => return Ok(None),
            Self::Basic(user, password) => {
                let pair = format!("{user}:{}", password.expose());
                (None, format!("Basic {}", STANDARD.encode(pair)))
            }
            Self::Token(token) => (Some("token"), format!("Token {}", token.expose())),
            Self::ApiKey(key) => (Some("apiKey"), format!("ApiKey {}", key.expose())),
            Self::Bearer(token) => (Some("token"), format!("Bearer {}", token.expose())),
        };
        let unfit = |_| SetupError::new(option, "holds a character that no header may have");
        let mut value = HeaderValue::try_from(text).map_err(unfit)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// That something was given besides this way to say who we are.
pub(super) fn beside(way: Option<&str>) -> String {
    let way = way.unwrap_or("a user before the host");
    format!("is given besides {way}: give one of them")
}
