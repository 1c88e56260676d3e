//! Reading any object as JSON.

use std::time::Duration;

use http::Request;
use serde_json::Value;

use crate::cluster::describe;

/// Reads objects through the API server.
pub(super) struct Reader {
    client: kube::Client,
}

/// What became of a question.
pub(super) type Found = Result<Option<Value>, String>;

const CALL_LIMIT: Duration = Duration::from_secs(15);

impl Reader {
    pub(super) const fn new(client: kube::Client) -> Self {
        Self { client }
    }

    /// The object at a path; `None` when it is not there. Names in the path are those of objects,
    /// which need no escapes.
    pub(super) async fn get(&self, path: &str) -> Found {
        let request = Request::get(path)
            .body(Vec::new())
            .map_err(|error| error.to_string())?;
        match tokio::time::timeout(CALL_LIMIT, self.client.request::<Value>(request)).await {
            Ok(Ok(value)) => Ok(Some(value)),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(None),
            Ok(Err(error)) => Err(describe(&error)),
            Err(_) => Err(format!("no answer within {} s", CALL_LIMIT.as_secs())),
        }
    }
}

/// The list at a pointer.
pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}

/// The text at a pointer; empty when there is none.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}
