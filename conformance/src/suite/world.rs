//! A hand on the cluster the server stands in: a lab, and the server's process in it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::in_lab::with_flags;
use super::verdict::{Stop, Verdict, failed, text};
use crate::lab::{Fault, Lab};
use crate::loadline::{Loadline, Start};

/// The path of TokenReviews.
pub(crate) const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
/// The path of SubjectAccessReviews.
pub(crate) const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

const POLL: Duration = Duration::from_millis(200);

/// The cluster, and the server in it.
#[derive(Debug)]
pub struct World<'a> {
    /// The simulated cluster, with what [`super::cluster`] puts there.
    pub lab: &'a Lab,
    /// The server under test.
    pub server: &'a Loadline,
    /// Its program, to start others.
    pub binary: PathBuf,
    /// A server of the same code with a handler that always panics, where there is one.
    pub panicking: Option<PathBuf>,
    /// Flags the others are started with in place of those of every lab.
    pub flags: Vec<(String, String)>,
    /// Its `--metric-resolution`.
    pub resolution: Duration,
}

/// A fault of the API server that ends with this value.
#[derive(Debug)]
pub(crate) struct Faulty<'a>(&'a Lab);

/// A change of `extension-apiserver-authentication` that ends with this value.
#[derive(Debug)]
pub(crate) struct Changed<'a> {
    lab: &'a Lab,
}

impl<'a> World<'a> {
    /// From now on this user may do everything.
    pub(crate) fn allow(&self, user: &str) {
        self.verdict(user, json!({ "allowed": true }));
    }

    /// From now on every question about this user is answered with this `status`.
    pub(crate) fn verdict(&self, user: &str, status: Value) {
        self.lab.api.journal().set_verdict(user, status);
    }

    /// The SubjectAccessReviews about a user so far.
    pub(crate) fn reviews(&self, user: &str) -> Vec<Value> {
        let mut reviews = self.lab.api.journal().access_reviews();
        reviews.retain(|spec| text(spec, "/user") == user);
        reviews
    }

    /// The only SubjectAccessReview about a user.
    pub(crate) fn review(&self, user: &str) -> Result<Value, Stop> {
        let reviews = self.reviews(user);
        match reviews.as_slice() {
            [review] => Ok(review.clone()),
            other => Err(failed(
                format!("one SubjectAccessReview about {user}"),
                format!("{}: {}", other.len(), json!(other)),
            )),
        }
    }

    /// How many TokenReviews of a token there were.
    pub(crate) fn token_reviews(&self, token: &str) -> usize {
        let reviews = self.lab.api.journal().token_reviews();
        let of_token = reviews.iter().filter(|spec| text(spec, "/token") == token);
        of_token.count()
    }

    /// Lets requests to a path of the API server go wrong until the value is dropped.
    pub(crate) fn fault(&self, path: &str, fault: Fault) -> Faulty<'a> {
        self.lab.api.journal().set_fault(path, fault);
        Faulty(self.lab)
    }

    /// Changes the authentication ConfigMap until the value is dropped.
    pub(crate) fn change(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Changed<'a> {
        self.lab.change_authentication(change);
        Changed { lab: self.lab }
    }

    /// Deletes the authentication ConfigMap until the value is dropped.
    pub(crate) fn forget_authentication(&self) -> Changed<'a> {
        let map = self.lab.authentication();
        let (namespace, name) = (&map.meta.namespace, &map.meta.name);
        self.lab.world.delete_config_map(namespace, name);
        Changed { lab: self.lab }
    }

    /// Another server like the one under test, not started yet.
    pub(crate) fn another(&self) -> Result<Start> {
        let start = Start::new(self.lab, &self.binary).context("another server")?;
        Ok(with_flags(start, &self.flags))
    }
}

impl Drop for Faulty<'_> {
    fn drop(&mut self) {
        self.0.api.journal().clear_faults();
    }
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        self.lab.world.put_config_map(self.lab.authentication());
    }
}

/// Tries again until it holds, and fails as the last attempt did.
pub(crate) async fn until<F, R>(seconds: u64, mut attempt: F) -> Verdict
where
    F: FnMut() -> R + Send,
    R: Future<Output = Verdict> + Send,
{
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        match attempt().await {
            Ok(()) => return Ok(()),
            Err(stop @ Stop::Skipped(_)) => return Err(stop),
            Err(stop) if Instant::now() >= end => return Err(stop),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
