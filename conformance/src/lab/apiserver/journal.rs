//! What the API server was asked, and the faults a test gave it.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Method, Response, StatusCode};
use parking_lot::Mutex;
use serde_json::Value;

use super::status;
use crate::lab::Stamp;
use crate::lab::serve::Body;

/// Requests kept; the oldest half goes when there are more.
const KEPT_REQUESTS: usize = 20_000;

/// How requests to a path go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They answer this status.
    Status(u16),
    /// They never answer.
    Hang,
    /// They answer this much later.
    Slow(Duration),
}

/// One request the API server got.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// When it came.
    pub at: Stamp,
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// Its query, as it was sent.
    pub query: String,
    /// Who asked.
    pub user: String,
    /// What was answered; `None` while it is under way.
    pub status: Option<StatusCode>,
}

/// Everything asked of one API server.
#[derive(Debug, Default)]
pub struct Journal {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    forgotten: usize,
    requests: Vec<RecordedRequest>,
    token_reviews: Vec<Value>,
    access_reviews: Vec<Value>,
    verdicts: BTreeMap<String, Value>,
    faults: BTreeMap<String, Fault>,
}

impl Journal {
    /// From now on requests whose path begins so go wrong.
    pub fn set_fault(&self, path: &str, fault: Fault) {
        self.state.lock().faults.insert(path.to_owned(), fault);
    }

    /// Takes all faults away; requests that hang keep hanging.
    pub fn clear_faults(&self) {
        self.state.lock().faults.clear();
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.lock().requests.clone()
    }

    /// The `spec` of every TokenReview so far.
    #[must_use]
    pub fn token_reviews(&self) -> Vec<Value> {
        self.state.lock().token_reviews.clone()
    }

    /// The `spec` of every SubjectAccessReview so far.
    #[must_use]
    pub fn access_reviews(&self) -> Vec<Value> {
        self.state.lock().access_reviews.clone()
    }

    /// Answers every SubjectAccessReview about this user with this `status`, whatever the grants say.
    pub fn set_verdict(&self, user: &str, status: Value) {
        self.state.lock().verdicts.insert(user.to_owned(), status);
    }

    /// Forgets what was asked; faults and verdicts stay.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        state.forgotten += state.requests.len();
        state.requests.clear();
        state.token_reviews.clear();
        state.access_reviews.clear();
    }

    pub(super) fn begin(&self, method: &Method, path: &str, query: &str, user: String) -> usize {
        let mut state = self.state.lock();
        if state.requests.len() == KEPT_REQUESTS {
            state.requests.drain(..KEPT_REQUESTS / 2);
            state.forgotten += KEPT_REQUESTS / 2;
        }
        state.requests.push(RecordedRequest {
            at: Stamp::now(),
            method: method.clone(),
            path: path.to_owned(),
            query: query.to_owned(),
            user,
            status: None,
        });
        state.forgotten + state.requests.len() - 1
    }

    pub(super) fn end(&self, noted: usize, status: StatusCode) {
        let mut state = self.state.lock();
        let index = noted.checked_sub(state.forgotten);
        if let Some(request) = index.and_then(|i| state.requests.get_mut(i)) {
            request.status = Some(status);
        }
    }

    pub(super) fn note_token_review(&self, spec: Value) {
        self.state.lock().token_reviews.push(spec);
    }

    /// Notes a SubjectAccessReview; answers the verdict set for its user.
    pub(super) fn note_access_review(&self, user: &str, spec: Value) -> Option<Value> {
        let mut state = self.state.lock();
        state.access_reviews.push(spec);
        state.verdicts.get(user).cloned()
    }

    /// Lets a request go wrong, if its path has a fault.
    pub(super) async fn apply_fault(&self, path: &str) -> Option<Response<Body>> {
        let fault = {
            let state = self.state.lock();
            let mut faults = state.faults.iter();
            faults
                .find(|(prefix, _)| path.starts_with(*prefix))?
                .1
                .to_owned()
        };
        match fault {
            Fault::Status(code) => {
                let code = StatusCode::from_u16(code);
                Some(status::faulty(
                    code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                ))
            }
            Fault::Hang => std::future::pending().await,
            Fault::Slow(delay) => {
                tokio::time::sleep(delay).await;
                None
            }
        }
    }
}
