//! The `caBundle` of an APIService: whether it is right, and what to write.

use k8s_openapi::ByteString;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use serde_json::{Value, json};

use super::super::authority::{AuthorityCertificate, to_pem};
use super::contents::MOST_TRUSTED;
use crate::domain::ObjectName;

/// An APIService that leads to our Service, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registration {
    pub(super) name: String,
    version: Option<String>,
    trusted: Vec<AuthorityCertificate>,
    /// Its `insecureSkipTLSVerify`.
    unverified: bool,
}

/// What a bundle has to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// These and no other.
    Exactly(Vec<AuthorityCertificate>),
    /// These at least: whoever gave us the certificate may look after the bundle too.
    AtLeast(Vec<AuthorityCertificate>),
    /// Nothing is known that could be asked for.
    Anything,
}

impl Registration {
    /// Reads an APIService; `None` when it leads anywhere but to `service`.
    pub(super) fn read(object: &APIService, service: &ObjectName) -> Option<Self> {
        let spec = object.spec.as_ref()?;
        let to = spec.service.as_ref()?;
        let ours = to.name.as_deref() == Some(service.name.as_str())
            && to.namespace.as_deref() == Some(service.namespace.as_str());
        let bundle = spec.ca_bundle.as_ref().map_or(&[][..], |pem| &pem.0);
        ours.then(|| Self {
            name: object.metadata.name.clone().unwrap_or_default(),
            version: object.metadata.resource_version.clone(),
            trusted: AuthorityCertificate::read_all(bundle).collect(),
            unverified: spec.insecure_skip_tls_verify == Some(true),
        })
    }

    /// The authorities in its bundle.
    pub(super) fn trusted(&self) -> &[AuthorityCertificate] {
        &self.trusted
    }

    /// Tells whether nothing needs to be written.
    pub(super) fn is_right(&self, wanted: &Wanted) -> bool {
        let has_all = |wanted: &[AuthorityCertificate]| {
            !self.unverified && wanted.iter().all(|one| self.trusted.contains(one))
        };
        match wanted {
            Wanted::Exactly(wanted) => has_all(wanted) && self.trusted.len() == wanted.len(),
            Wanted::AtLeast(wanted) => has_all(wanted),
            Wanted::Anything => true,
        }
    }

    /// The merge patch that makes it right, and is refused when it has changed since it was seen.
    /// The API server refuses a bundle beside `insecureSkipTLSVerify`, so that goes in one write.
    /// To somebody else's bundle is added, nothing is taken away.
    pub(super) fn patch(&self, wanted: &Wanted) -> Value {
        let mut bundle = wanted.authorities().to_vec();
        if matches!(wanted, Wanted::AtLeast(_)) {
            let others = self.trusted.iter().filter(|one| !bundle.contains(one));
            let others: Vec<_> = others.cloned().collect();
            bundle.extend(others);
            bundle.truncate(MOST_TRUSTED);
        }
        let bundle = to_pem(bundle.iter().map(AuthorityCertificate::der));
        json!({
            "metadata": { "resourceVersion": self.version },
            "spec": {
                "caBundle": ByteString(bundle.into_bytes()),
                "insecureSkipTLSVerify": null,
            },
        })
    }
}

impl Wanted {
    /// Wants one more.
    pub(super) fn add(&mut self, authority: Option<&AuthorityCertificate>) {
        if let Self::Exactly(wanted) | Self::AtLeast(wanted) = self
            && let Some(authority) = authority
            && !wanted.contains(authority)
        {
            wanted.push(authority.clone());
        }
    }

    pub(super) fn authorities(&self) -> &[AuthorityCertificate] {
        match self {
            Self::Exactly(wanted) | Self::AtLeast(wanted) => wanted,
            Self::Anything => &[],
        }
    }
}
