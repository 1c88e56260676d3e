//! `KEY[:URI]`, the form of Heapster's `--source` and `--sink`.

use crate::apimachinery::Query;
use crate::sinks::expand;

/// What stands after `--source=` or `--sink=`. `Debug` is not derived: a URI may hold a password.
pub(super) struct KeyedUri {
    /// What kind of source or sink it is.
    pub(super) key: String,
    /// Where it is and how it behaves.
    pub(super) uri: Uri,
}

/// The parts of a URI that sources read.
#[derive(Default)]
pub(super) struct Uri {
    /// `scheme://host[:port]`, when both parts are there; a user in front of the host is left out.
    pub(super) server: Option<String>,
    /// The options behind `?`.
    pub(super) options: Query,
}

impl KeyedUri {
    /// Reads one value. Variables of the environment stand in the URI as `$NAME` or `${NAME}`.
    ///
    /// What is wrong is told without the URI's text, which may hold a secret.
    pub(super) fn read(value: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let (key, uri) = value.split_once(':').unwrap_or((value, ""));
        if key.is_empty() {
            return Err("missing uri key".to_owned());
        }
        let uri = Uri::read(&expand(uri, env)).map_err(|problem| format!("{key}: {problem}"))?;
        let key = key.to_owned();
        Ok(Self { key, uri })
    }
}

impl Uri {
    /// Refuses what Go's `net/url` refuses, in its words.
    fn read(text: &str) -> Result<Self, String> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let (rest, query) = match text.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (text, None),
        };
        let (scheme, rest) = scheme(rest)?;
        let host = rest.strip_prefix("//").map(|rest| {
            let authority = rest.split_once('/').map_or(rest, |(host, _)| host);
            authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host)
        });
        if let Some(host) = host {
            check_host(host)?;
        }
        let server = match (scheme, host) {
            (Some(scheme), Some(host)) if !host.is_empty() => {
                Some(format!("{}://{host}", scheme.to_ascii_lowercase()))
            }
            _ => None,
        };
        let options = Query::parse(query);
        Ok(Self { server, options })
    }
}

/// The scheme in front, if there is one, and the rest.
fn scheme(text: &str) -> Result<(Option<&str>, &str), String> {
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let end = text.bytes().position(|byte| !is_scheme(byte));
    let Some((scheme, rest)) = end.and_then(|end| text.split_at_checked(end)) else {
        return Ok((None, text));
    };
    match rest.strip_prefix(':') {
        Some(_) if scheme.is_empty() => Err("missing protocol scheme".to_owned()),
        Some(rest) if scheme.starts_with(|first: char| first.is_ascii_alphabetic()) => {
            Ok((Some(scheme), rest))
        }
        _ if rest.split('/').next().unwrap_or_default().contains(':') => {
            Err("first path segment in URL cannot contain colon".to_owned())
        }
        _ => Ok((None, text)),
    }
}

fn check_host(host: &str) -> Result<(), String> {
    if let Some(wrong) = host.chars().find(|c| " <>\"`\\^{|}".contains(*c)) {
        return Err(format!(
            "invalid character {:?} in host name",
            wrong.to_string()
        ));
    }
    let port = match host.strip_prefix('[') {
        Some(inside) => inside.split_once(']').ok_or("missing ']' in host")?.1,
        None => host.find(':').and_then(|at| host.get(at..)).unwrap_or(""),
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(())
    } else {
        Err(format!("invalid port {port:?} after host"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "stands for the environment")]
    fn shouting(name: &str) -> Option<String> {
        Some(name.to_uppercase())
    }

    #[test]
    fn a_value_is_a_key_and_perhaps_a_uri() {
        for (value, key, server) in [
            ("kubernetes", "kubernetes", None),
            ("kubernetes:", "kubernetes", None),
            ("kubernetes:''", "kubernetes", None),
            ("kubernetes:?insecure=true", "kubernetes", None),
            (
                "kubernetes:https://10.0.0.1:6443/x?a=b",
                "kubernetes",
                Some("https://10.0.0.1:6443"),
            ),
            ("k:HTTP://u:secret@[::1]:80", "k", Some("http://[::1]:80")),
            ("graphite:tcp://host:", "graphite", Some("tcp://host:")),
            ("k:kubernetes.default", "k", None),
        ] {
            let read = KeyedUri::read(value, &|_| None).unwrap_or_else(|e| panic!("{value}: {e}"));
            assert_eq!(
                (read.key.as_str(), read.uri.server.as_deref()),
                (key, server)
            );
        }
    }

    #[test]
    fn what_go_refuses_is_refused_in_its_words_and_without_the_uri() {
        for (value, problem) in [
            (":http://x", "missing uri key"),
            ("k:://x", "k: missing protocol scheme"),
            ("k:http://a b/", "k: invalid character \" \" in host name"),
            (
                "k:http://h:s3cret/",
                "k: invalid port \":s3cret\" after host",
            ),
            (
                "k:1a:b",
                "k: first path segment in URL cannot contain colon",
            ),
            ("k:a\nb", "k: net/url: invalid control character in URL"),
            ("k:http://[::1", "k: missing ']' in host"),
        ] {
            assert_eq!(KeyedUri::read(value, &|_| None).err().unwrap(), problem);
        }
    }

    #[test]
    fn variables_are_expanded_as_in_go() {
        for (text, expanded) in [
            ("$host:$port", "HOST:PORT"),
            ("a${b}c", "aBc"),
            ("${unset", "unset"),
            ("${}x", "x"),
            ("5$", "5$"),
            ("$/x", "$/x"),
            ("$1x", "1x"),
            ("${a.b}", "a.b}"),
        ] {
            assert_eq!(expand(text, &shouting), expanded, "{text}");
        }
        assert_eq!(expand("x$gone", &|_| None), "x");
    }

    #[test]
    fn the_environment_is_no_part_of_the_key() {
        let read = KeyedUri::read("$key:http://$host", &shouting).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(read.key, "$key");
        assert_eq!(read.uri.server.as_deref(), Some("http://HOST"));
    }
}
