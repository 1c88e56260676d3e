//! Users whom the front proxy, kube-apiserver's aggregator, speaks for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use super::authentication::AuthenticationError;
use super::peer::Peer;
use super::trust::{FrontProxy, Trust};
use super::user::User;
use crate::apimachinery::decode_path_lossily;
use crate::domain::Timestamp;

/// Believes the `X-Remote-*` headers when the connection's certificate is the front proxy's.
///
/// `Ok(None)`, no opinion, when there is no certificate, no front proxy is known, or it named
/// nobody.
pub(super) fn authenticate(
    trust: &Trust,
    headers: &HeaderMap,
    peer: Option<&Peer>,
    now: Timestamp,
) -> Result<Option<User>, AuthenticationError> {
    let (Some(peer), Some(proxy)) = (peer, trust.front_proxy()) else {
        return Ok(None);
    };
    match &peer.judge(trust, now).front_proxy {
        None => return Ok(None),
        Some(Err(error)) => return Err(AuthenticationError::UntrustedCertificate(error.clone())),
        Some(Ok(())) => {}
    }
    check_common_name(proxy, peer)?;
    Ok(remote_user(proxy, headers))
}

fn check_common_name(proxy: &FrontProxy, peer: &Peer) -> Result<(), AuthenticationError> {
    if proxy.headers().allowed_names.is_empty() {
        return Ok(());
    }
    let subject = peer
        .subject()
        .map_err(|error| AuthenticationError::Certificate(error.to_string()))?;
    let name = &subject.common_name;
    if proxy.headers().allowed_names.contains(name) {
        return Ok(());
    }
    Err(AuthenticationError::Certificate(format!(
        "x509: subject with cn={name} is not in the allowed list"
    )))
}

fn remote_user(proxy: &FrontProxy, headers: &HeaderMap) -> Option<User> {
    let names = proxy.headers();
    let first = |list: &[HeaderName]| {
        list.iter()
            .filter_map(|name| headers.get(name))
            .find(|value| !value.is_empty())
            .map_or_else(String::new, text)
    };
    let name = first(&names.username);
    if name.is_empty() {
        return None;
    }
    let groups = names.group.iter();
    Some(User {
        name,
        uid: first(&names.uid),
        groups: groups
            .flat_map(|group| headers.get_all(group))
            .map(text)
            .collect(),
        extra: extra(&names.extra_prefixes, headers),
    })
}

/// Collects `X-Remote-Extra-KEY: value`. The key is what follows the prefix, lower-cased, then
/// percent-decoded; a key that cannot be decoded is kept as it stands.
fn extra(prefixes: &[String], headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut extra = BTreeMap::<String, Vec<String>>::new();
    for prefix in prefixes {
        // Header names arrive in lower case, and so are the prefixes kept.
        for (name, value) in headers {
            if let Some(key) = name.as_str().strip_prefix(prefix) {
                let key = decode_path_lossily(key)
                    .unwrap_or(Cow::Borrowed(key))
                    .into_owned();
                extra.entry(key).or_default().push(text(value));
            }
        }
    }
    extra
}

/// An identity as the API server is asked about it: Go, too, writes U+FFFD into its question where
/// the bytes are no text. Nobody is known by such a name, so nothing is allowed by it.
pub(super) fn text(value: &HeaderValue) -> String {
    let mut text = String::with_capacity(value.len());
    for chunk in value.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}
