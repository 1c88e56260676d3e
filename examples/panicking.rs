//! Loadline's secure port with a handler that panics, which none of Loadline's own is known to do:
//! the conformance suite asks it what a panic costs, and whom.
//!
//! `panicking ADDRESS CERTIFICATE KEY` answers `/fine` and `/panic` to everybody until it is ended.

use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Response;
use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use k8s_openapi::api::authorization::v1::{SubjectAccessReviewSpec, SubjectAccessReviewStatus};
use loadline::apimachinery::{Reply, RequestInfo};
use loadline::auth::{
    self, AccessReviewer, AlwaysAllowPaths, Authentication, Authorization, BearerToken, LiveTrust,
    ReviewError, TokenReviewer, TrustConfig,
};
use loadline::domain::{Clock, SystemClock};
use loadline::lifecycle::{Health, Stop, Tasks};
use loadline::server::{Config, Deps, Metrics, PairFiles, Route, Server, ServingCertificate};
use loadline::telemetry::Registry;

/// Knows nobody and allows nothing.
#[derive(Debug)]
struct Nobody;

impl TokenReviewer for Nobody {
    fn review<'a>(
        &'a self,
        _: &'a BearerToken,
    ) -> BoxFuture<'a, Result<TokenReviewStatus, ReviewError>> {
        async { Ok(TokenReviewStatus::default()) }.boxed()
    }
}

impl AccessReviewer for Nobody {
    fn review(
        &self,
        _: SubjectAccessReviewSpec,
    ) -> BoxFuture<'_, Result<SubjectAccessReviewStatus, ReviewError>> {
        async { Ok(SubjectAccessReviewStatus::default()) }.boxed()
    }
}

#[expect(clippy::panic, reason = "what the program is for")]
fn answer(info: &RequestInfo) -> Option<Reply> {
    match info.path.as_str() {
        "/panic" => panic!("as it was asked to"),
        "/fine" => Some(Reply::Whole(Response::new(Bytes::from_static(b"fine")))),
        _ => None,
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .context("panicking ADDRESS CERTIFICATE KEY")
    };
    let (address, certificate, key) = (next()?.parse()?, next()?, next()?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (sender, stop) = Stop::channel();
    let tasks = Tasks::new(sender);
    let mut registry = Registry::default();
    let measured = auth::Metrics::register(&mut registry);
    let paths = ["/fine", "/panic"];
    let allowed = auth::Config {
        always_allow_paths: AlwaysAllowPaths::new(paths)?,
        ..auth::Config::default()
    };
    let deps = Deps {
        authentication: Arc::new(Authentication::new(
            &allowed,
            LiveTrust::new(TrustConfig::default())?,
            Arc::new(Nobody),
            Arc::clone(&clock),
            tasks.clone(),
            Arc::clone(&measured),
        )),
        authorization: Arc::new(Authorization::new(
            &allowed,
            Arc::new(Nobody),
            Arc::clone(&clock),
            tasks.clone(),
            measured,
        )),
        routes: paths
            .map(|path| Route {
                prefix: path.to_owned(),
                index: vec![path.to_owned()],
                also: None,
                handler: Arc::new(|info, _| answer(info)),
            })
            .into(),
        giver: None,
        health: Health::default(),
        metrics: Metrics::register(&mut registry),
        registry: Arc::new(registry),
        clock,
        tasks,
    };
    let files = PairFiles {
        certificate: certificate.into(),
        key: key.into(),
    };
    let config = Config::new(address, ServingCertificate::Files(files));
    Server::bind(config, deps).await?.run(stop).await;
    Ok(())
}
