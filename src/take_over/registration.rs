//! What an APIService says, and the one write that changes where it leads. Nothing here asks
//! anybody.

use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{
    APIService, APIServiceSpec, ServiceReference,
};
use serde_json::{Value, json};

use super::Trouble;
use crate::domain::ObjectName;

/// The version everybody asks.
pub(super) const V1BETA1: &str = "v1beta1.metrics.k8s.io";
/// The version new clients prefer where it is there.
pub(super) const V1: &str = "v1.metrics.k8s.io";
/// Loadline's own group, which leads to Loadline from its installation on.
pub(super) const OWN: &str = "v1alpha1.loadline.io";
/// The annotation that says how the object was before.
pub(super) const PREVIOUS: &str = "loadline.io/previous-spec";

/// Where Loadline is, and who signed its certificate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ours {
    pub(super) service: ServiceReference,
    pub(super) ca_bundle: ByteString,
}

/// The port of a Service where none is named.
const HTTPS: u16 = 443;

impl Ours {
    /// Takes it from an object that leads to `service`.
    pub(super) fn read(
        name: &'static str,
        object: Option<&APIService>,
        service: &ObjectName,
    ) -> Result<Self, Trouble> {
        let missing = |reason: String| Trouble::NotBeside { name, reason };
        let spec = object.and_then(|object| object.spec.as_ref());
        let spec = spec.ok_or_else(|| missing("it is not there".to_owned()))?;
        let to = spec.service.clone().filter(|to| name_of(to) == *service);
        let to = to.ok_or_else(|| {
            let to = destination(spec);
            missing(format!(
                "it leads to {to}, not to {service} (--service-name)"
            ))
        })?;
        let bundle = spec.ca_bundle.clone().filter(|pem| !pem.0.is_empty());
        Ok(Self {
            service: to,
            ca_bundle: bundle.ok_or(Trouble::NoAuthority { name })?,
        })
    }

    /// Tells whether an object leads to Loadline.
    pub(super) fn leads(&self, object: &APIService) -> bool {
        let to = object.spec.as_ref().and_then(|spec| spec.service.as_ref());
        to.is_some_and(|to| name_of(to) == name_of(&self.service))
    }

    /// The same group and version, answered by Loadline, verified.
    pub(super) fn in_place_of(&self, previous: &APIServiceSpec) -> APIServiceSpec {
        APIServiceSpec {
            service: Some(self.service.clone()),
            ca_bundle: Some(self.ca_bundle.clone()),
            insecure_skip_tls_verify: None,
            ..previous.clone()
        }
    }

    /// The newer version, which clients that know both ask first.
    pub(super) fn v1(&self, older: &APIServiceSpec) -> APIService {
        let labels = [("app.kubernetes.io/name".to_owned(), "loadline".to_owned())];
        APIService {
            metadata: ObjectMeta {
                name: Some(V1.to_owned()),
                labels: Some(labels.into()),
                ..ObjectMeta::default()
            },
            spec: Some(APIServiceSpec {
                version: Some("v1".to_owned()),
                version_priority: older.version_priority.saturating_add(10),
                ..self.in_place_of(older)
            }),
            status: None,
        }
    }
}

/// The JSON patch that gives an object another spec, and the note of `previous`, or takes the note
/// away. It is refused when the object has changed since it was read.
pub(super) fn change(
    found: &APIService,
    spec: &APIServiceSpec,
    previous: Option<&APIServiceSpec>,
) -> Value {
    let metadata = &found.metadata;
    let annotations = metadata.annotations.as_ref();
    let pointer = format!("/metadata/annotations/{}", PREVIOUS.replace('/', "~1"));
    let mut patch = vec![json!({
        "op": "test", "path": "/metadata/resourceVersion", "value": metadata.resource_version,
    })];
    match previous {
        Some(previous) => {
            if annotations.is_none() {
                patch.push(json!({ "op": "add", "path": "/metadata/annotations", "value": {} }));
            }
            let note = json!(previous).to_string();
            patch.push(json!({ "op": "add", "path": pointer, "value": note }));
        }
        None if annotations.is_some_and(|all| all.contains_key(PREVIOUS)) => {
            patch.push(json!({ "op": "remove", "path": pointer }));
        }
        None => {}
    }
    patch.push(json!({ "op": "replace", "path": "/spec", "value": spec }));
    Value::Array(patch)
}

/// How the object was before it was changed, if that was noted.
pub(super) fn noted(object: &APIService) -> Option<APIServiceSpec> {
    let annotations = object.metadata.annotations.as_ref()?;
    serde_json::from_str(annotations.get(PREVIOUS)?).ok()
}

/// Where a spec leads, in words.
pub(super) fn destination(spec: &APIServiceSpec) -> String {
    match &spec.service {
        Some(service) => format!("the Service {}", name_of(service)),
        None => "the API server itself".to_owned(),
    }
}

/// The Service a reference names.
pub(super) fn name_of(service: &ServiceReference) -> ObjectName {
    ObjectName {
        namespace: service.namespace.clone().unwrap_or_default(),
        name: service.name.clone().unwrap_or_default(),
    }
}

/// The port a reference names.
pub(super) fn port_of(service: &ServiceReference) -> u16 {
    let port = service.port.and_then(|port| u16::try_from(port).ok());
    port.unwrap_or(HTTPS)
}
