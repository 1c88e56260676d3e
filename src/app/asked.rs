//! What people ask the program beside serving: `check`, `why` and `take-over`.

use std::sync::Arc;

use anyhow::Result;

use super::ground::client_for;
use super::settings;
use crate::check::Preflight;
use crate::cluster::{self, Credentials};
use crate::config::{self, KubeletTls, Output, Settings, Subject, SubjectKind};
use crate::domain::{Clock, SystemClock};
use crate::kubelet::KubeletClient;
use crate::take_over::{Say, TakeOver};
use crate::why;

/// What to print, and whether all is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// For standard output.
    pub text: String,
    /// All is well.
    pub ok: bool,
}

/// Tries every precondition of a server with these settings.
///
/// # Errors
/// When there are no credentials for the API server.
pub async fn check(settings: Settings, output: Output) -> Result<Outcome> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (client, credentials) = cluster::connect(settings.api_server.clone()).await?;
    let kubelet = kubelet(&settings, &credentials, &client, &clock).await;
    let (service, secret) = settings::objects(&settings.serving);
    let preflight = Preflight {
        authentication: in_words(client_for(&settings.authentication.kubeconfig, &client).await),
        authorization: in_words(client_for(&settings.authorization.kubeconfig, &client).await),
        client,
        kubelet: in_words(kubelet),
        selects: settings::scrape(&settings).selects,
        service,
        secret,
        via_api_server: settings.kubelet.tls == KubeletTls::ViaApiServer,
        pins: settings::pins(&settings.kubelet.tls),
        lookup: !settings.authentication.skip_lookup,
        clock,
    };
    let report = preflight.run().await;
    Ok(Outcome {
        ok: report.is_ok(),
        text: match output {
            Output::Text => report.text(),
            Output::Json => report.json(),
        },
    })
}

fn in_words<T>(result: Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{error:#}"))
}

async fn kubelet(
    settings: &Settings,
    credentials: &Credentials,
    client: &kube::Client,
    clock: &Arc<dyn Clock>,
) -> Result<KubeletClient> {
    let config = settings::kubelet(settings, credentials, client)?;
    if let Some(pins) = config.pins() {
        pins.load().await;
    }
    Ok(KubeletClient::new(config, Arc::clone(clock)).await?)
}

/// Says why a number is missing.
///
/// # Errors
/// When there are no credentials for the API server.
pub async fn explain(settings: Settings, subject: Subject, output: Output) -> Result<Outcome> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (client, _) = cluster::connect(settings.api_server.clone()).await?;
    let Subject {
        kind,
        namespace,
        name,
    } = subject;
    let subject = match kind {
        SubjectKind::Pod => why::Subject::Pod { namespace, name },
        SubjectKind::Hpa => why::Subject::Hpa { namespace, name },
    };
    let answer = why::why(&client, &subject, &clock).await;
    Ok(Outcome {
        ok: answer.ok,
        text: match output {
            Output::Text => answer.text(),
            Output::Json => answer.json(),
        },
    })
}

/// Leads the metrics API to the Loadline these settings are of, or back. `say` is told how far it
/// is, as it goes.
///
/// # Errors
/// When there are no credentials for the API server, or clients are not led where they should be.
pub async fn take_over(
    settings: Settings,
    options: config::TakeOver,
    say: Say<'_>,
) -> Result<Outcome> {
    let (client, _) = cluster::connect(settings.api_server.clone()).await?;
    let (service, _) = settings::objects(&settings.serving);
    let take_over = TakeOver {
        client,
        identity: settings.api_server,
        service,
        dry_run: options.dry_run,
        patience: options.timeout,
    };
    if options.back {
        take_over.back(say).await?;
    } else {
        take_over.forward(say).await?;
    }
    Ok(Outcome {
        text: String::new(),
        ok: true,
    })
}
