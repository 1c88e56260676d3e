//! What is wrong with a kubelet, in sentences, with the remedy.

mod advice;
mod platform;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::io::ErrorKind;

use super::{DecodeError, Error, Phase, TlsError};
use advice::{Advice, Fault, TABLE};

pub use platform::Platform;

/// A fault in words for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is wrong: which certificate, signed by whom, for which names; what was expected. A
    /// sentence or two.
    pub says: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Explains why a kubelet's numbers could not be had, with the remedy for a node of this platform.
#[must_use]
pub fn explain(error: &Error, platform: Platform) -> Explanation {
    let fault = fault(error);
    Explanation {
        says: says(error, fault),
        remedy: TABLE
            .iter()
            .find(|advice| advice.fault == fault)
            .map_or("", |advice| remedy(advice, platform)),
    }
}

/// The table of all faults as Markdown, for `docs/troubleshooting.md`.
#[must_use]
pub fn faults_reference() -> String {
    let mut text = String::from("| Cause | What is wrong | What to do |\n| --- | --- | --- |\n");
    for advice in &TABLE {
        let causes: Vec<&str> = advice.cause.split(", ").collect();
        let mut cell = advice.remedy.to_owned();
        for (platform, remedy) in advice.on {
            // Writing to a String cannot fail.
            let _ = write!(cell, "<br>**{}:** {remedy}", platform.name());
        }
        let cause = causes.join("`, `");
        let _ = writeln!(text, "| `{cause}` | {} | {cell} |", advice.title);
    }
    text
}

fn remedy(advice: &Advice, platform: Platform) -> &'static str {
    let special = advice.on.iter().find(|(on, _)| *on == platform);
    special.map_or(advice.remedy, |(_, remedy)| remedy)
}

fn fault(error: &Error) -> Fault {
    match error {
        Error::NoAddress { .. } => Fault::NoAddress,
        Error::BadAddress { .. } => Fault::BadAddress,
        Error::BadPath { .. } => Fault::BadPath,
        // The standard library has no kind for it.
        Error::Connect { source, .. }
            if source.to_string().contains("lookup address information") =>
        {
            Fault::NameUnknown
        }
        Error::Connect { source, .. } => connecting(source.kind()),
        Error::Tls { source, .. } => handshake(source),
        Error::Timeout { phase, .. } => match phase {
            Phase::Connecting => Fault::SlowToConnect,
            Phase::Handshaking | Phase::Reading => Fault::SlowToAnswer,
        },
        Error::Unauthorized => Fault::Unauthorized,
        Error::Forbidden { .. } => Fault::Forbidden,
        Error::ProxyForbidden { .. } => Fault::ProxyForbidden,
        Error::ApiServer { .. } | Error::Proxy { .. } => Fault::Proxy,
        Error::NotFound { .. } => Fault::NotFound,
        Error::Status { .. } => Fault::OtherStatus,
        Error::TooLarge { .. } | Error::Decode(DecodeError::TooManyContainers { .. }) => {
            Fault::TooLarge
        }
        Error::Malformed { .. }
        | Error::Decode(
            DecodeError::Malformed | DecodeError::NoExposition | DecodeError::NoSummary,
        ) => Fault::Garbled,
        Error::Broken { .. } => Fault::Broken,
        Error::Decode(DecodeError::Empty { .. }) => Fault::Empty,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds are many and not all of them are ours to know"
)]
const fn connecting(kind: ErrorKind) -> Fault {
    match kind {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Fault::ConnectionRefused,
        ErrorKind::NotFound => Fault::NameUnknown,
        _ => Fault::Unreachable,
    }
}

fn handshake(error: &TlsError) -> Fault {
    match error {
        TlsError::UnknownIssuer { issuer } if issuer.starts_with(OURS) => Fault::Ourselves,
        TlsError::UnknownIssuer { issuer } if is_self_made(issuer) => Fault::SelfSigned,
        TlsError::UnknownIssuer { .. } => Fault::UnknownIssuer,
        TlsError::WrongName { .. } => Fault::WrongName,
        TlsError::Expired { .. } => Fault::Expired,
        TlsError::NotYetValid { .. } => Fault::NotYetValid,
        TlsError::Changed { .. } => Fault::KeyChanged,
        TlsError::PinsUnknown { .. } => Fault::PinsUnknown,
        TlsError::Refused { .. } => Fault::ClientRefused,
        TlsError::Other { .. } => Fault::OtherTls,
    }
}

/// How the authorities begin that Loadline makes for its own serving certificate. Kubelets call
/// theirs much the same, so this is asked first.
const OURS: &str = "CN=loadline-ca@";

/// A kubelet without a certificate makes an authority of its own called `HOST-ca@SECONDS`
/// (client-go's `cert.GenerateSelfSignedCertKey`).
fn is_self_made(issuer: &str) -> bool {
    let begin = issuer.rfind("-ca@").map(|at| at + "-ca@".len());
    let rest = begin.and_then(|at| issuer.get(at..));
    rest.is_some_and(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0
            && rest
                .get(digits..)
                .is_some_and(|rest| !rest.starts_with('.'))
    })
}

/// The error's own words, before them what they mean where that is not the same.
fn says(error: &Error, fault: Fault) -> String {
    let story = error.story();
    let meaning = match fault {
        Fault::Ourselves => {
            "this is Loadline itself: the node's address and port lead to its own secure port"
        }
        Fault::SelfSigned => {
            "the kubelet's serving certificate is one it made itself, which no CA vouches for; expected is one signed by \
             the CA Loadline trusts (--kubelet-certificate-authority, else the cluster's)"
        }
        Fault::UnknownIssuer => {
            "the kubelet's serving certificate is signed by another CA than the one Loadline trusts \
             (--kubelet-certificate-authority, else the cluster's)"
        }
        Fault::WrongName => {
            "the kubelet's serving certificate leads to the right CA, and is for other names than expected"
        }
        Fault::NameUnknown => "the node's host name cannot be resolved from here",
        Fault::ConnectionRefused => {
            "the node answers, and nothing takes connections at this address and port"
        }
        Fault::Unreachable => "there is no way from here to the node",
        Fault::SlowToConnect => "nothing answers at the kubelet's address: packets are dropped",
        Fault::Unauthorized => "the kubelet does not know who Loadline is",
        Fault::Forbidden => {
            "the kubelet knows who Loadline is, and the API server told it that Loadline may not"
        }
        Fault::KeyChanged => {
            "the kubelet is not who it was: nobody vouches for its certificate, and its key is another one than the one \
             pinned when the node was first seen"
        }
        Fault::PinsUnknown => "without the pins of kubelets nobody is believed",
        Fault::ProxyForbidden => {
            "the API server was asked for the kubelet's answer (--kubelet-via-apiserver), and says that Loadline may not"
        }
        Fault::Proxy => {
            "the API server was asked for the kubelet's answer (--kubelet-via-apiserver), and could not get it"
        }
        Fault::ClientRefused => "the kubelet takes neither our certificate nor our protocols",
        Fault::NoAddress
        | Fault::BadAddress
        | Fault::BadPath
        | Fault::Expired
        | Fault::NotYetValid
        | Fault::OtherTls
        | Fault::SlowToAnswer
        | Fault::NotFound
        | Fault::OtherStatus
        | Fault::TooLarge
        | Fault::Garbled
        | Fault::Broken
        | Fault::Empty => return story,
    };
    format!("{meaning} ({story})")
}
