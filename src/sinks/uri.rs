//! `KEY[:URI]`, the form of Heapster's `--source` and `--sink`.

use std::fmt;

use http::uri::PathAndQuery;

use super::flaw::{Blank, Flaw, Place};
use super::host::is_host;
use super::secret::Secret;
use super::variables::put_in;
use crate::apimachinery::{Query, decode_path};

/// What stands after `--sink=` or `--source=`. `Debug` shows neither the user nor the options: they may hold a
/// password.
#[derive(Default)]
pub struct SinkUri {
    /// What kind of sink it is.
    pub key: String,
    /// What stands before `:`, in lower case.
    pub scheme: Option<String>,
    /// The user and the password before `@`.
    pub user: Option<(String, Secret)>,
    /// The host, an IPv6 address without its brackets; `None` when there is none.
    pub host: Option<String>,
    /// What stands after the host's `:`. `Some(None)` is a colon without a number.
    pub port: Option<Option<u16>>,
    /// The path, `/` in front; empty when there is none.
    pub path: String,
    /// The options behind `?`.
    pub options: Query,
    /// An option among them was passed over: it cannot be read.
    unread: bool,
    /// What is wrong with it.
    pub(super) flaws: Vec<Flaw>,
    /// The variables in it that are empty.
    pub(super) blanks: Vec<Blank>,
}

/// Why a value is no `KEY[:URI]`. Holds nothing of the URI's text, which may be a secret, but for the
/// name of a variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUri {
    /// Nothing stands before the first colon.
    #[error("missing uri key")]
    NoKey,
    /// The options stand behind the key alone.
    #[error("a colon is missing before '?', as in log:?queue=5")]
    NoColon,
    /// A control character, a space or a quote stands where none may.
    #[error("invalid character in URL")]
    Character,
    /// A colon without a scheme before it.
    #[error("missing protocol scheme")]
    NoScheme,
    /// The port is no number from 0 to 65535.
    #[error("invalid port after host")]
    Port,
    /// A bracket without its partner.
    #[error("missing ']' in host")]
    Bracket,
    /// A percent sign without two hexadecimal digits.
    #[error("invalid URL escape")]
    Escape,
    /// The host is neither a name nor an address.
    #[error("the host is neither a name nor an address")]
    Host,
    /// The port is 0.
    #[error("nothing listens on port 0")]
    NoPort,
    /// The path holds what none may.
    #[error("invalid character in the path")]
    Path,
    /// An option that Go passes over.
    #[error(
        "an option cannot be read: a percent sign without two hexadecimal digits, or a semicolon \
         that is not written as %3B"
    )]
    Option,
    /// What stands behind a `#` is no part of an address.
    #[error("'#' is written %23, for what stands behind one is not sent")]
    Fragment,
    /// A variable that is not set, with its name.
    #[error("variable {0} is not set")]
    Unset(String),
    /// A variable, with its name, that holds a line's end or another control character.
    #[error("variable {0} holds a control character, such as the end of a line")]
    Control(String),
    /// `${` that no name and `}` follow.
    #[error("'${{' is not followed by the name of a variable and '}}'")]
    Variable,
}

impl InvalidUri {
    /// Whether it is a variable that is wrong.
    pub(super) const fn is_of_variable(&self) -> bool {
        matches!(self, Self::Unset(_) | Self::Control(_) | Self::Variable)
    }
}

impl SinkUri {
    /// What stands before the URI: the kind of sink.
    #[must_use]
    pub fn key_of(value: &str) -> &str {
        value.split([':', '?']).next().unwrap_or_default()
    }

    /// Reads one value. Variables of the environment stand in the URI as `$NAME` or `${NAME}`;
    /// whatever one holds is taken as it is.
    ///
    /// # Errors
    /// [`InvalidUri`] when Go's `net/url` would refuse it too, no key is there, or a variable is not
    /// set.
    pub fn read(value: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, InvalidUri> {
        Self::filled(value, env).whole()
    }

    /// Reads one value, with all that is wrong with it: also what Go's `net/url` would read, and what
    /// would lead nowhere or leave out an option all the same.
    pub(super) fn gather(value: &str, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut read = Self::filled(value, env);
        read.check();
        if read.flaws.iter().any(Flaw::hides_address) {
            let known = |flaw: &Flaw| flaw.place != Place::Address || flaw.hides_address();
            read.flaws.retain(known);
        }
        read
    }

    /// Reads a URI in which the environment's variables stand already, as one that is an option of
    /// another.
    pub(super) fn of(key: &str, uri: &str) -> Result<Self, InvalidUri> {
        let mut read = Self {
            key: key.to_owned(),
            ..Self::default()
        };
        read.parts(uri);
        read.whole()
    }

    /// The same, if something can be there.
    ///
    /// # Errors
    /// What Go's `net/url` reads, and would lead nowhere or leave out an option all the same.
    pub(super) fn checked(mut self) -> Result<Self, InvalidUri> {
        self.check();
        self.whole()
    }

    /// Reads one value as Go would.
    fn filled(value: &str, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let key = Self::key_of(value);
        let rest = value.get(key.len()..).unwrap_or_default();
        let filled = put_in(rest.strip_prefix(':').unwrap_or(rest), env);
        let mut read = Self {
            key: key.to_owned(),
            flaws: filled.flaws,
            blanks: filled.blanks,
            ..Self::default()
        };
        if key.is_empty() {
            read.flaw(Place::Address, InvalidUri::NoKey);
        } else if rest.starts_with('?') {
            read.flaw(Place::Options, InvalidUri::NoColon);
        }
        read.parts(&filled.uri);
        read
    }

    fn flaw(&mut self, place: Place, error: InvalidUri) {
        self.flaws.push(Flaw::new(place, error));
    }

    fn check(&mut self) {
        if self.host.as_deref().is_some_and(|host| !is_host(host)) {
            self.flaw(Place::Address, InvalidUri::Host);
        }
        if self.port == Some(Some(0)) {
            self.flaw(Place::Address, InvalidUri::NoPort);
        }
        if !self.path.is_empty() && PathAndQuery::try_from(self.path.as_str()).is_err() {
            self.flaw(Place::Address, InvalidUri::Path);
        }
        if self.unread {
            self.flaw(Place::Options, InvalidUri::Option);
        }
    }

    /// The URI, if nothing is wrong with it.
    fn whole(mut self) -> Result<Self, InvalidUri> {
        match self.flaws.is_empty() {
            true => Ok(self),
            false => Err(self.flaws.swap_remove(0).error),
        }
    }

    /// Whether anything stands before the options.
    pub(super) const fn has_address(&self) -> bool {
        let authority = self.user.is_some() || self.host.is_some() || self.port.is_some();
        self.scheme.is_some() || authority || !self.path.is_empty()
    }

    /// `scheme://host[:port]`, when both parts are there; without the user.
    #[must_use]
    pub fn server(&self) -> Option<String> {
        let (scheme, host) = (self.scheme.as_ref()?, self.host.as_ref()?);
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host.clone(),
        };
        Some(match self.port.flatten() {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        })
    }

    /// Reads a URI, and on beyond what is wrong with a part of it.
    fn parts(&mut self, text: &str) {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            self.flaw(Place::Address, InvalidUri::Character);
        }
        if let Some((before, _)) = text.split_once('#') {
            self.flaw(place_behind(before), InvalidUri::Fragment);
        }
        let (rest, query) = match text.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (text, None),
        };
        self.options = Query::parse(query);
        let given = query.unwrap_or_default().split('&');
        let given = given.filter(|pair| !pair.is_empty()).count();
        self.unread = self.options.keys().count() < given;
        if rest.starts_with(':') {
            return self.flaw(Place::Address, InvalidUri::NoScheme);
        }
        let (scheme, rest) = match rest.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, rest.strip_prefix("//").unwrap_or(rest)),
        };
        self.scheme = scheme.map(str::to_ascii_lowercase);
        let (authority, path) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
            Some(parts) => parts,
            None => (rest, ""),
        };
        path.clone_into(&mut self.path);
        if let Err(error) = self.authority(authority) {
            self.flaw(Place::Address, error);
        }
    }

    fn authority(&mut self, authority: &str) -> Result<(), InvalidUri> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if let Some(user) = user {
            let decode = |text: &str| {
                let text = decode_path(text).map_err(|_| InvalidUri::Escape)?;
                Ok(text.into_owned())
            };
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            self.user = Some((decode(name)?, Secret::from(decode(password)?)));
        }
        if host.chars().any(|c| " <>\"`\\^{|}".contains(c)) {
            return Err(InvalidUri::Character);
        }
        let (host, port) = match host.strip_prefix('[') {
            Some(inside) => inside.split_once(']').ok_or(InvalidUri::Bracket)?,
            None => host.split_at(host.find(':').unwrap_or(host.len())),
        };
        // Quotes a shell left over, as manifests of Heapster have them around nothing.
        let host = host.trim_matches('\'');
        self.host = (!host.is_empty()).then(|| host.to_owned());
        self.port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            None => return Err(InvalidUri::Port),
            Some("") => Some(None),
            Some(digits) if !digits.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(InvalidUri::Port);
            }
            Some(digits) => Some(Some(digits.parse().map_err(|_| InvalidUri::Port)?)),
        };
        Ok(())
    }
}

/// The part of a URI that goes on behind `before`.
fn place_behind(before: &str) -> Place {
    let Some((_, query)) = before.split_once('?') else {
        return Place::Address;
    };
    let pair = query.rsplit_once('&').map_or(query, |(_, pair)| pair);
    match pair.split_once('=') {
        Some((option, _)) => Place::Option(option.to_owned()),
        None => Place::Options,
    }
}

impl fmt::Debug for SinkUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkUri")
            .field("key", &self.key)
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> SinkUri {
        SinkUri::read(value, &|_| None).unwrap_or_else(|e| panic!("{value}: {e}"))
    }

    #[test]
    fn a_value_is_a_key_and_perhaps_a_uri() {
        for (value, key, scheme, host, port) in [
            ("log", "log", None, None, None),
            ("log:", "log", None, None, None),
            ("influxdb:''", "influxdb", None, None, None),
            ("k:?db=x", "k", None, None, None),
            (
                "k:HTTP://h:80/p?a=b",
                "k",
                Some("http"),
                Some("h"),
                Some(Some(80)),
            ),
            ("k:tcp://h:", "k", Some("tcp"), Some("h"), Some(None)),
            (
                "k:udp://[::1]:9",
                "k",
                Some("udp"),
                Some("::1"),
                Some(Some(9)),
            ),
            ("k:h:81", "k", None, Some("h"), Some(Some(81))),
        ] {
            let uri = read(value);
            assert_eq!(
                (uri.key.as_str(), uri.scheme.as_deref()),
                (key, scheme),
                "{value}"
            );
            assert_eq!((uri.host.as_deref(), uri.port), (host, port), "{value}");
        }
    }

    #[test]
    fn a_server_is_a_scheme_and_a_host_without_the_user() {
        for (value, server) in [
            ("kubernetes", None),
            ("kubernetes:''", None),
            ("kubernetes:?insecure=true", None),
            ("kubernetes:kubernetes.default", None),
            (
                "kubernetes:https://10.0.0.1:6443/x?a=b",
                Some("https://10.0.0.1:6443"),
            ),
            ("k:HTTP://u:secret@[::1]:80", Some("http://[::1]:80")),
            ("graphite:tcp://host:", Some("tcp://host")),
        ] {
            assert_eq!(read(value).server().as_deref(), server, "{value}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_its_text() {
        for (value, problem) in [
            (":http://x", InvalidUri::NoKey),
            ("k:://x", InvalidUri::NoScheme),
            ("k:http://a b/", InvalidUri::Character),
            ("k:http://a\nb/", InvalidUri::Character),
            ("k:http://h:s3cret/", InvalidUri::Port),
            ("k:http://h:70000", InvalidUri::Port),
            ("k:http://[::1", InvalidUri::Bracket),
            ("k:http://u:%zz@h", InvalidUri::Escape),
            ("k:http://h#s3cret", InvalidUri::Fragment),
        ] {
            assert_eq!(
                SinkUri::read(value, &|_| None).unwrap_err(),
                problem,
                "{value}"
            );
        }
    }

    #[test]
    fn variables_stand_in_the_uri_but_not_in_the_key() {
        let shouting = |name: &str| Some(name.to_uppercase());
        let uri = SinkUri::read("$key:http://$host", &shouting).unwrap();
        assert_eq!(
            (uri.key.as_str(), uri.host.as_deref()),
            ("$key", Some("HOST"))
        );
    }

    #[test]
    fn a_secret_is_read_but_never_shown() {
        let uri = read("k:http://me:s3%63ret@h/?pw=s3cret&token=s3cret");
        let (name, password) = uri.user.as_ref().unwrap();
        assert_eq!((name.as_str(), password.expose()), ("me", "s3cret"));
        assert!(!format!("{uri:?}").contains("s3cret"));
    }
}
