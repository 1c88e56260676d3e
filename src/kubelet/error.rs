//! Why a kubelet's numbers could not be had, in words an operator can act on.

use std::time::Duration;
use std::{fmt, io};

use super::DecodeError;
use crate::domain::Timestamp;

/// Why one attempt to read a kubelet failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Node object has no address of a preferred type.
    #[error("node has no address of types {}", types.join(", "))]
    NoAddress {
        /// The preferred types.
        types: Vec<String>,
    },
    /// The chosen address is neither an IP nor a host name.
    #[error("{address:?} is neither an IP address nor a host name")]
    BadAddress {
        /// The address, made printable and cut.
        address: String,
    },
    /// The annotation `metrics.k8s.io/resource-metrics-path` is too long.
    #[error("the annotation metrics.k8s.io/resource-metrics-path is longer than {limit} bytes")]
    BadPath {
        /// The bound.
        limit: usize,
    },
    /// No TCP connection came about.
    #[error("cannot connect to {address}")]
    Connect {
        /// Address and port.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("no TLS session with {address}")]
    Tls {
        /// Address and port.
        address: String,
        /// Why.
        #[source]
        source: TlsError,
    },
    /// The whole attempt took too long.
    #[error("no answer within {after:?}, gave up {phase}")]
    Timeout {
        /// The bound.
        after: Duration,
        /// How far it had come.
        phase: Phase,
    },
    /// 401: the kubelet does not know who we are.
    #[error("the kubelet answered 401 Unauthorized")]
    Unauthorized,
    /// 403: the kubelet knows who we are, and we may not.
    #[error("the kubelet answered 403: {said}")]
    Forbidden {
        /// The begin of the answer's body, made printable.
        said: String,
    },
    /// The API server, which was to ask the kubelet, cannot be asked.
    #[error("the API server cannot be asked for the kubelet's answer: {reason}")]
    ApiServer {
        /// Why not.
        reason: String,
    },
    /// 403 of the API server, which was to ask the kubelet.
    #[error("the API server answered 403: {said}")]
    ProxyForbidden {
        /// The begin of its words, made printable.
        said: String,
    },
    /// Anything else than 200 that came back through the API server.
    #[error("through the API server came {code}: {said}")]
    Proxy {
        /// The status code.
        code: u16,
        /// The begin of the answer's body, made printable.
        said: String,
    },
    /// 404: the kubelet has no such path.
    #[error("the kubelet answered 404 for {path}")]
    NotFound {
        /// The path asked for.
        path: String,
    },
    /// Any other status but 200; redirects are not followed.
    #[error("the kubelet answered {code}: {said}")]
    Status {
        /// The status code.
        code: u16,
        /// The begin of the answer's body, made printable.
        said: String,
    },
    /// The body is larger than the bound.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The answer is no HTTP/1.1 that can be read.
    #[error("the answer is malformed: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// The connection ended or broke before the answer was complete.
    #[error("the connection broke before the answer was complete")]
    Broken {
        /// How.
        #[source]
        source: io::Error,
    },
    /// The answer came and says nothing that may be kept.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Why a TLS handshake failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The certificate does not lead to the CA.
    #[error("the certificate is signed by {issuer:?}, which the configured CA does not vouch for")]
    UnknownIssuer {
        /// The issuer the certificate names.
        issuer: String,
    },
    /// The certificate is for somebody else.
    #[error(
        "the certificate is for {}, neither the node's name nor the dialled address: {}",
        list(presented),
        list(expected)
    )]
    WrongName {
        /// The names in the certificate (DNS and IP), bounded.
        presented: Vec<String>,
        /// The names of which one would have done.
        expected: Vec<String>,
    },
    /// The certificate's time is over.
    #[error("the certificate expired at {}", stamp(*not_after))]
    Expired {
        /// Its end.
        not_after: Timestamp,
    },
    /// The certificate's time has not begun.
    #[error("the certificate is not valid before {}", stamp(*not_before))]
    NotYetValid {
        /// Its begin.
        not_before: Timestamp,
    },
    /// The kubelet showed something else when it was first seen, and the Node object is still the
    /// same.
    #[error("the kubelet shows {now}, and had shown {before} before (ConfigMap {stored_in})")]
    Changed {
        /// What it showed before.
        before: String,
        /// What it shows now.
        now: String,
        /// The ConfigMap that remembers.
        stored_in: String,
    },
    /// It is not known what kubelets have shown before.
    #[error("what kubelets have shown before is not known: {reason}")]
    PinsUnknown {
        /// Why not.
        reason: String,
    },
    /// The kubelet ended the handshake: it does not take our client certificate, or no protocol we
    /// offer.
    #[error("the kubelet ended the handshake: {alert}")]
    Refused {
        /// The alert it sent.
        alert: String,
    },
    /// Anything else.
    #[error("{reason}")]
    Other {
        /// What the TLS library says.
        reason: String,
    },
}

/// How far an attempt had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// While resolving and connecting.
    Connecting,
    /// In the TLS handshake.
    Handshaking,
    /// After sending the request, before the answer was complete.
    Reading,
}

impl Error {
    /// One word of a small fixed set, for a metric's label.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::NoAddress { .. } | Self::BadAddress { .. } | Self::BadPath { .. } => "address",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::Unauthorized => "401",
            Self::Forbidden { .. } | Self::ProxyForbidden { .. } => "403",
            Self::ApiServer { .. } | Self::Proxy { .. } => "proxy",
            Self::NotFound { .. } => "404",
            Self::Status { code, .. } => match *code {
                300..=399 => "3xx",
                400..=499 => "4xx",
                500..=599 => "5xx",
                _ => "status",
            },
            Self::TooLarge { .. } => "too_large",
            Self::Malformed { .. } => "malformed",
            Self::Broken { .. } => "broken",
            Self::Decode(DecodeError::TooManyContainers { .. }) => "too_large",
            Self::Decode(DecodeError::Empty { .. } | DecodeError::NoSummary) => "empty",
            Self::Decode(DecodeError::Malformed | DecodeError::NoExposition) => "malformed",
        }
    }

    /// The whole story in one line: this error and what is behind it.
    #[must_use]
    pub fn story(&self) -> String {
        let mut story = self.to_string();
        let mut behind = std::error::Error::source(self);
        while let Some(error) = behind {
            story.push_str(": ");
            story.push_str(&error.to_string());
            behind = error.source();
        }
        story
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "while connecting",
            Self::Handshaking => "in the TLS handshake",
            Self::Reading => "waiting for the answer",
        })
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => "no name at all".into(),
        names => names.join(", "),
    }
}

fn stamp(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_secs())
        .map_or_else(|_| "an impossible date".into(), |at| at.to_string())
}
