//! The identity a client certificate carries in its subject.

use std::fmt::Write;

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

/// The object identifier of Kubernetes' UID attribute: 1.3.6.1.4.1.57683.2 (since 1.33).
const UID_ATTRIBUTE: &str = "1.3.6.1.4.1.57683.2";

/// What the Kubernetes x509 authenticator reads from a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CertificateSubject {
    /// The last common name; empty when there is none.
    pub(super) common_name: String,
    /// Every organization, in order.
    pub(super) organizations: Vec<String>,
    /// The UID attribute; empty when there is none.
    pub(super) uid: Result<String, SubjectError>,
    /// The SHA-256 of the whole certificate in lower-case hexadecimal.
    pub(super) fingerprint: String,
}

/// A subject that cannot be taken for an identity.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum SubjectError {
    /// The certificate cannot be read.
    #[error("the client's certificate is malformed")]
    Malformed,
    /// There is more than one UID attribute.
    #[error("expected 1 UID, but found multiple")]
    ManyUids,
    /// The UID attribute is empty or no text.
    #[error("unable to parse UID into a string")]
    UnreadableUid,
}

impl CertificateSubject {
    /// Reads the subject of `der`.
    pub(super) fn read(der: &CertificateDer<'_>) -> Result<Self, SubjectError> {
        let (_, cert) = X509Certificate::from_der(der).map_err(|_| SubjectError::Malformed)?;
        let subject = cert.subject();
        Ok(Self {
            common_name: subject
                .iter_common_name()
                .filter_map(|a| a.as_str().ok())
                .last()
                .unwrap_or_default()
                .to_owned(),
            organizations: subject
                .iter_organization()
                .filter_map(|a| a.as_str().ok())
                .map(ToOwned::to_owned)
                .collect(),
            uid: uid(subject),
            fingerprint: fingerprint(der),
        })
    }
}

fn uid(subject: &X509Name<'_>) -> Result<String, SubjectError> {
    let mut found = String::new();
    for attribute in subject.iter_attributes() {
        if attribute.attr_type().to_id_string() != UID_ATTRIBUTE {
            continue;
        }
        if !found.is_empty() {
            return Err(SubjectError::ManyUids);
        }
        match attribute.as_str() {
            Ok(uid) if !uid.is_empty() => uid.clone_into(&mut found),
            Ok(_) | Err(_) => return Err(SubjectError::UnreadableUid),
        }
    }
    Ok(found)
}

fn fingerprint(der: &CertificateDer<'_>) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use x509_parser::asn1_rs::{Any, Class, Header, Length, Oid, Tag};
    use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName};

    use super::*;

    fn uids(values: &[(Tag, &str)]) -> Result<String, SubjectError> {
        let attributes = values.iter().map(|(tag, value)| {
            let oid = Oid::from(&[1, 3, 6, 1, 4, 1, 57683, 2]).unwrap();
            let header = Header::new(Class::Universal, false, *tag, Length::Definite(value.len()));
            let attribute = AttributeTypeAndValue::new(oid, Any::new(header, value.as_bytes()));
            RelativeDistinguishedName::new(vec![attribute])
        });
        uid(&X509Name::new(attributes.collect(), &[]))
    }

    #[test]
    fn a_uid_is_one_text_or_none() {
        let text = Tag::Utf8String;
        for (values, expected) in [
            (&[][..], Ok(String::new())),
            (&[(text, "u1")], Ok("u1".to_owned())),
            (&[(text, "u1"), (text, "u1")], Err(SubjectError::ManyUids)),
            (&[(text, "")], Err(SubjectError::UnreadableUid)),
            (&[(Tag::Integer, "1")], Err(SubjectError::UnreadableUid)),
        ] {
            assert_eq!(uids(values), expected, "{values:?}");
        }
    }
}
