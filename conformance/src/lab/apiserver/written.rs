//! Secrets, APIServices, Events, Leases and a ConfigMap: what Loadline itself writes, kept as it came.

use std::collections::BTreeMap;

use http::{Method, Response, StatusCode};
use parking_lot::Mutex;
use serde_json::Value;

use super::route::Resource;
use super::status;
use crate::lab::serve::{Body, answer};

/// The objects by resource and name, each with the version of its last change.
#[derive(Debug, Default)]
pub struct Written(Mutex<Objects>);

#[derive(Debug, Default)]
struct Objects {
    by_name: BTreeMap<(String, String), Value>,
    version: u64,
}

/// The ConfigMap kubelets' keys are kept in.
const PINS: &str = "loadline-kubelet-pins";

impl Written {
    /// Tells whether objects of this resource are kept here.
    pub(super) fn keeps(resource: &Resource<'_>) -> bool {
        let (group, name) = (resource.group, resource.name);
        let resource = resource.resource;
        (group.is_empty() && matches!(resource, "secrets" | "events"))
            || (resource == "configmaps" && name == Some(PINS))
            || (group == "apiregistration.k8s.io" && resource == "apiservices")
            || (group == "coordination.k8s.io" && resource == "leases")
    }

    /// Puts an object there, or another in its place.
    pub fn put(&self, resource: &str, name: &str, object: Value) {
        self.0.lock().put(resource, name, object);
    }

    /// An object, if it is there.
    #[must_use]
    pub fn get(&self, resource: &str, name: &str) -> Option<Value> {
        let key = (resource.to_owned(), name.to_owned());
        self.0.lock().by_name.get(&key).cloned()
    }

    /// All objects of a resource, by name.
    #[must_use]
    pub fn all(&self, resource: &str) -> Vec<Value> {
        let objects = self.0.lock();
        let all = objects.by_name.iter();
        all.filter(|((kind, _), _)| kind == resource)
            .map(|(_, object)| object.clone())
            .collect()
    }

    pub(super) fn answer(
        &self,
        method: &Method,
        resource: &Resource<'_>,
        body: &[u8],
    ) -> Response<Body> {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let named = body["metadata"]["name"].as_str().map(str::to_owned);
        let Some(name) = resource.name.map(str::to_owned).or(named) else {
            return status::bad_request("name is required");
        };
        let name = name.as_str();
        let kind = resource.resource;
        let mut objects = self.0.lock();
        let key = (kind.to_owned(), name.to_owned());
        let present = objects.by_name.get(&key).cloned();
        let next = match (method, present) {
            (&Method::GET, Some(object)) => return json(&object),
            (&Method::POST, None) => body,
            (&Method::POST, Some(_)) => return status::conflict("it already exists"),
            (&Method::PUT | &Method::PATCH, Some(present)) => {
                let asked = &body["metadata"]["resourceVersion"];
                // A patch may do without.
                let any = method == Method::PATCH && asked.is_null() && kind == "configmaps";
                if !any && *asked != present["metadata"]["resourceVersion"] {
                    return status::conflict("the object has been modified");
                }
                if method == Method::PATCH {
                    merged(present, body)
                } else {
                    body
                }
            }
            (&Method::GET | &Method::PUT | &Method::PATCH, None) => {
                return status::no_such_object(kind, name);
            }
            _ => return status::method_not_allowed(),
        };
        let spec = &next["spec"];
        if spec["insecureSkipTLSVerify"] == true && spec["caBundle"].is_string() {
            return status::bad_request("insecureSkipTLSVerify and caBundle exclude each other");
        }
        json(&objects.put(kind, name, next))
    }
}

impl Objects {
    fn put(&mut self, resource: &str, name: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let key = (resource.to_owned(), name.to_owned());
        self.by_name.insert(key, object.clone());
        object
    }
}

fn json(object: &Value) -> Response<Body> {
    answer(StatusCode::OK, "application/json", object.to_string())
}

/// A JSON merge patch (RFC 7396).
fn merged(target: Value, patch: Value) -> Value {
    match (target, patch) {
        (Value::Object(mut target), Value::Object(patch)) => {
            for (key, value) in patch {
                let old = target.remove(&key).unwrap_or(Value::Null);
                if !value.is_null() {
                    target.insert(key, merged(old, value));
                }
            }
            Value::Object(target)
        }
        (_, patch) => patch,
    }
}
