//! Certificates no library agrees to write: one subject attribute twice.

use anyhow::Result;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::pki::Authority;

/// The object identifier in DER up to its last part.
const UID_PREFIX: [u8; 10] = [6, 9, 0x2b, 6, 1, 4, 1, 0x83, 0xc2, 0x53];
const UID: u8 = 2;
/// The algorithm ecdsa-with-SHA256 in DER.
const ECDSA_SHA256: [u8; 12] = [0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 3;

/// Makes every attribute next to the UID one more UID, and signs the certificate anew.
pub(super) fn double_uid(authority: &Authority, der: &[u8]) -> Result<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der)?;
    let mut signed: Vec<u8> = certificate.tbs_certificate.as_ref().to_vec();
    let mut at = 0;
    while let Some(rest) = signed.get_mut(at..) {
        if rest.starts_with(&UID_PREFIX)
            && let Some(last) = rest.get_mut(UID_PREFIX.len())
        {
            *last = UID;
        }
        at += 1;
    }
    let mut signature = vec![0];
    signature.extend(authority.sign(&signed)?);
    signed.extend(ECDSA_SHA256);
    put(&mut signed, BIT_STRING, &signature);
    let mut whole = Vec::new();
    put(&mut whole, SEQUENCE, &signed);
    Ok(whole)
}

/// Appends a value in DER; longer ones than 65535 bytes there are none here.
fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    let [.., high, low] = content.len().to_be_bytes();
    out.push(tag);
    match (high, low) {
        (0, 0..0x80) => out.push(low),
        (0, _) => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Request;

    #[test]
    fn a_subject_has_two_uids_and_a_good_signature() {
        let authority = Authority::new("ca").unwrap();
        let request = Request::client("carol", &["a"]).uid("u-7").uid("u-8");
        let leaf = authority.issue(&request).unwrap();
        let (rest, certificate) = X509Certificate::from_der(leaf.der()).unwrap();
        assert!(rest.is_empty());
        let uids: Vec<_> = certificate
            .subject()
            .iter_attributes()
            .filter(|a| a.attr_type().to_id_string() == "1.3.6.1.4.1.57683.2")
            .map(|a| a.as_str().unwrap())
            .collect();
        assert_eq!(uids, ["u-7", "u-8"]);
    }
}
