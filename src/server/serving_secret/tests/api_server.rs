//! Secrets and APIServices as an API server keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use k8s_openapi::ByteString;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::SECRET_PATH;

/// The objects by path, and what is forbidden.
#[derive(Clone, Default)]
pub(super) struct ApiServer(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Value>,
    version: u64,
    /// By method and the path's beginning.
    forbidden: BTreeSet<(Method, String)>,
    /// Every request that changed something, as `PUT path`.
    writes: Vec<String>,
}

const APISERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices/";

impl ApiServer {
    pub(super) fn client(&self) -> kube::Client {
        let this = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let this = this.clone();
            async move {
                // Lets replicas that ask at once get in each other's way.
                tokio::task::yield_now().await;
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let (code, answer) = this.answer(&parts.method, parts.uri.path(), body);
                let answer = Response::builder()
                    .status(code)
                    .body(Body::from(serde_json::to_vec(&answer).unwrap()));
                Ok::<_, Infallible>(answer.unwrap())
            }
        });
        kube::Client::new(service, "default")
    }

    fn answer(&self, method: &Method, path: &str, body: Value) -> (StatusCode, Value) {
        let mut inner = self.0.lock();
        let mut forbidden = inner.forbidden.iter();
        if forbidden.any(|(m, prefix)| m == method && path.starts_with(prefix)) {
            return status(StatusCode::FORBIDDEN, "no RBAC rule matched");
        }
        let name = body["metadata"]["name"].as_str().unwrap_or_default();
        let place = if method == Method::POST {
            format!("{path}/{name}")
        } else {
            path.to_owned()
        };
        let present = inner.objects.get(&place).cloned();
        if method == Method::GET {
            return match present {
                Some(object) => (StatusCode::OK, object),
                None => status(StatusCode::NOT_FOUND, "not found"),
            };
        }
        let next = match (method, present) {
            (&Method::POST, None) => body,
            (&Method::POST, Some(_)) => return status(StatusCode::CONFLICT, "already exists"),
            (_, None) => return status(StatusCode::NOT_FOUND, "not found"),
            (_, Some(present)) => {
                let (old, new) = (&present["metadata"], &body["metadata"]["resourceVersion"]);
                if old["resourceVersion"] != *new {
                    return status(StatusCode::CONFLICT, "the object has been modified");
                }
                if method == Method::PATCH {
                    merged(present, body)
                } else {
                    body
                }
            }
        };
        let spec = &next["spec"];
        if spec["insecureSkipTLSVerify"] == true && spec["caBundle"].is_string() {
            return status(StatusCode::UNPROCESSABLE_ENTITY, "both are not allowed");
        }
        inner.writes.push(format!("{method} {place}"));
        (StatusCode::OK, inner.put(&place, next))
    }

    pub(super) fn register(&self, name: &str, service: &str) {
        let (version, group) = name.split_once('.').unwrap();
        let object = json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": { "name": name },
            "spec": {
                "group": group, "version": version,
                "groupPriorityMinimum": 100, "versionPriority": 100,
                "insecureSkipTLSVerify": true,
                "service": { "name": service, "namespace": "kube-system", "port": 443 },
            },
        });
        self.put(&format!("{APISERVICES}{name}"), object);
    }

    pub(super) fn put(&self, path: &str, object: Value) {
        self.0.lock().put(path, object);
    }

    pub(super) fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut inner = self.0.lock();
        let mut object = inner.objects[path].clone();
        change(&mut object);
        inner.put(path, object);
    }

    pub(super) fn change_apiservice(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.change(&format!("{APISERVICES}{name}"), change);
    }

    pub(super) fn delete(&self, path: &str) {
        self.0.lock().objects.remove(path).unwrap();
    }

    pub(super) fn object(&self, path: &str) -> Option<Value> {
        self.0.lock().objects.get(path).cloned()
    }

    pub(super) fn apiservice(&self, name: &str) -> Value {
        self.object(&format!("{APISERVICES}{name}")).unwrap()
    }

    /// A value of the Secret's data.
    pub(super) fn secret(&self, key: &str) -> Vec<u8> {
        let secret = self.object(SECRET_PATH).unwrap();
        let value: ByteString = serde_json::from_value(secret["data"][key].clone()).unwrap();
        value.0
    }

    /// The PEM in the `caBundle` of an APIService; empty without one.
    pub(super) fn bundle(&self, name: &str) -> Vec<u8> {
        let bundle = self.apiservice(name)["spec"]["caBundle"].clone();
        let bundle: ByteString = serde_json::from_value(bundle).unwrap_or_default();
        bundle.0
    }

    pub(super) fn forbid(&self, method: &Method, prefix: &str) {
        let rule = (method.clone(), prefix.to_owned());
        self.0.lock().forbidden.insert(rule);
    }

    pub(super) fn allow_all(&self) {
        self.0.lock().forbidden.clear();
    }

    /// The writes since this was asked last.
    pub(super) fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().writes)
    }
}

impl Inner {
    fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

fn status(code: StatusCode, message: &str) -> (StatusCode, Value) {
    let reason = match code {
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::CONFLICT => "Conflict",
        _ => "Invalid",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    });
    (code, status)
}

/// RFC 7396.
fn merged(target: Value, patch: Value) -> Value {
    let (Value::Object(mut target), Value::Object(patch)) = (target, patch.clone()) else {
        return patch;
    };
    for (key, value) in patch {
        let old = target.remove(&key).unwrap_or(Value::Null);
        if !value.is_null() {
            target.insert(key, merged(old, value));
        }
    }
    Value::Object(target)
}
