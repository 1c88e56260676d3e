//! Content negotiation: which encoding and which form of an object a request accepts.

mod clause;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::header::{ACCEPT, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::query::Query;
use clause::clauses;

/// The encodings Kubernetes objects are served in, in the order they are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// `application/json`, the default.
    Json,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

/// What a clause of `Accept` asks an object to be converted to: its `as`, `g` and `v` parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversion {
    /// `as`: the kind.
    pub kind: String,
    /// `g`: the group.
    pub group: String,
    /// `v`: the version.
    pub version: String,
}

/// The versions of `meta.k8s.io` that Table and PartialObjectMetadata are served in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetaVersion {
    /// `meta.k8s.io/v1`.
    V1,
    /// `meta.k8s.io/v1beta1`.
    V1beta1,
}

/// The form an object is answered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    /// The object itself.
    None,
    /// A `Table`, in JSON or YAML only.
    Table(MetaVersion),
    /// Only the metadata of one object.
    PartialObjectMetadata(MetaVersion),
    /// Only the metadata of the objects of a list.
    PartialObjectMetadataList(MetaVersion),
}

/// The outcome of a negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Negotiated<T = Transform> {
    /// The encoding.
    pub media_type: MediaType,
    /// The form; `()` where only the plain object is served.
    pub transform: T,
    /// JSON is to be indented for a human.
    pub pretty: bool,
}

/// Nothing that was offered is acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAcceptable {
    /// No clause names a media type we serve; the text is that of Kubernetes' router.
    #[error(
        "406: Not Acceptable\n\nAvailable representations: \
         application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )]
    Route,
    /// The same of a route that has JSON alone.
    #[error("406: Not Acceptable\n\nAvailable representations: application/json")]
    JsonRoute,
    /// A media type we serve was named, but with parameters we do not.
    #[error(
        "only the following media types are accepted: \
         application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )]
    Parameters,
    /// The same where a resource has no protobuf, as custom resources have none.
    #[error("only the following media types are accepted: application/json, application/yaml")]
    WithoutProtobuf,
    /// What was negotiated is no form of a stream.
    #[error(
        "only the following media types are accepted: \
         application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
    )]
    Stream,
    /// The same where a resource has no protobuf.
    #[error("only the following media types are accepted: application/json;stream=watch")]
    StreamWithoutProtobuf,
}

impl MediaType {
    /// All of them, in the order they are offered.
    pub const OFFERED: [Self; 3] = [Self::Json, Self::Yaml, Self::Protobuf];

    /// The media type as `Content-Type` names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    const fn sub_type(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Protobuf => "vnd.kubernetes.protobuf",
        }
    }
}

impl MetaVersion {
    /// The version as `apiVersion` names it.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

impl Transform {
    /// The rule of resource endpoints: Table in JSON and YAML, metadata in all encodings.
    #[must_use]
    pub fn of(media_type: MediaType, conversion: Option<&Conversion>) -> Option<Self> {
        let Some(conversion) = conversion else {
            return Some(Self::None);
        };
        let version = match (conversion.group.as_str(), conversion.version.as_str()) {
            ("meta.k8s.io", "v1") => MetaVersion::V1,
            ("meta.k8s.io", "v1beta1") => MetaVersion::V1beta1,
            _ => return None,
        };
        match conversion.kind.as_str() {
            "Table" if media_type != MediaType::Protobuf => Some(Self::Table(version)),
            "PartialObjectMetadata" => Some(Self::PartialObjectMetadata(version)),
            "PartialObjectMetadataList" => Some(Self::PartialObjectMetadataList(version)),
            _ => None,
        }
    }
}

impl Negotiated {
    /// Negotiates the form of an object a resource endpoint serves.
    ///
    /// # Errors
    /// [`NotAcceptable`] when no clause of `Accept` can be served.
    pub fn for_resource(parts: &Parts) -> Result<Self, NotAcceptable> {
        negotiate(parts, Transform::of)
    }
}

impl Negotiated<()> {
    /// Negotiates the encoding of an object that has one form only: a Status, a discovery document.
    ///
    /// # Errors
    /// [`NotAcceptable`] when no clause of `Accept` can be served.
    pub fn for_plain(parts: &Parts) -> Result<Self, NotAcceptable> {
        negotiate(parts, |_, conversion| conversion.is_none().then_some(()))
    }
}

/// Picks the first clause of the first `Accept` line (by quality, then specific before wildcard,
/// then as written) that names something `serves` has, which is asked with the conversion the
/// clause wants, if any.
///
/// No `Accept`, or an empty one, is as good as `application/json`. A clause whose `sv` is not empty
/// or whose `stream` is anything but `watch` is skipped; parameters nobody knows are ignored.
///
/// # Errors
/// [`NotAcceptable`] when no clause can be served.
pub fn negotiate<T>(
    parts: &Parts,
    serves: impl Fn(MediaType, Option<&Conversion>) -> Option<T>,
) -> Result<Negotiated<T>, NotAcceptable> {
    let accept = first_accept(&parts.headers);
    let accept = if accept.is_empty() {
        "application/json"
    } else {
        &accept
    };
    let mut named = false;
    for clause in clauses(accept) {
        for media_type in MediaType::OFFERED {
            if !clause.names(media_type) {
                continue;
            }
            named = true;
            if let Some(transform) = clause
                .conversion(media_type)
                .and_then(|conversion| serves(media_type, conversion.as_ref()))
            {
                return Ok(Negotiated {
                    media_type,
                    transform,
                    pretty: clause.parameter("pretty") == Some("1") || wants_pretty(parts),
                });
            }
        }
    }
    Err(if named {
        NotAcceptable::Parameters
    } else {
        NotAcceptable::Route
    })
}

/// Picks, of subtypes of `application` in the order they are offered, the first that the best clause
/// of the first `Accept` line has: by the rule of `k8s.io/kube-openapi`, where either half of a media
/// range may be a wildcard of its own, and no `Accept`, or an empty one, is as good as `*/*`.
#[must_use]
pub fn choose<T: Copy>(headers: &HeaderMap, offered: &[(&str, T)]) -> Option<T> {
    let accept = first_accept(headers);
    let accept = if accept.is_empty() { "*/*" } else { &accept };
    clauses(accept).iter().find_map(|clause| {
        let found = offered.iter().find(|(sub, _)| clause.covers(sub))?;
        Some(found.1)
    })
}

/// Whether a route that has nothing but JSON answers this `Accept`, by the rule of Kubernetes'
/// router, which reads media ranges to the letter and neither qualities nor other parameters.
#[must_use]
pub fn takes_json(headers: &HeaderMap) -> bool {
    let accept = first_accept(headers);
    let mut ranges = accept.split(',').map(|clause| {
        let range = clause.split_once(';').map_or(clause, |(range, _)| range);
        range.trim()
    });
    accept.is_empty() || ranges.any(|range| matches!(range, "*/*" | "application/json"))
}

fn first_accept(headers: &HeaderMap) -> Cow<'_, str> {
    let accept = headers.get(ACCEPT);
    let accept = accept.map_or(b"".as_slice(), HeaderValue::as_bytes);
    String::from_utf8_lossy(accept)
}

/// Whether a human seems to read: `?pretty=` decides when it is there, else the agent's name.
fn wants_pretty(parts: &Parts) -> bool {
    let query = Query::parse(parts.uri.query());
    if let Some(pretty) = query.first("pretty").filter(|value| !value.is_empty()) {
        // strconv.ParseBool
        return matches!(pretty, "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    let agent = parts.headers.get(USER_AGENT);
    let agent = agent.map_or(b"".as_slice(), HeaderValue::as_bytes);
    ["curl", "Wget", "Mozilla/5.0"]
        .iter()
        .any(|human| agent.starts_with(human.as_bytes()))
}
