//! Asking a server by its Service, past the API server.

use std::net::IpAddr;
use std::time::Duration;

use http::{Request, Uri};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{
    APIServiceSpec, ServiceReference,
};
use kube::Api;
use tokio::time::timeout;

use super::registration::{Ours, name_of, port_of};
use super::{Say, TakeOver, Trouble};
use crate::cluster::{self, Elsewhere, Identity, describe};

const CALL_LIMIT: Duration = Duration::from_secs(15);

impl TakeOver {
    /// A client of Loadline itself, verified as the API server verifies it.
    pub(super) async fn loadline(&self, ours: &Ours) -> Result<kube::Client, Trouble> {
        let out_of_reach = |reason: String| Trouble::OutOfReach {
            service: self.service.to_string(),
            reason,
        };
        let elsewhere = self.elsewhere(&ours.service, ours.ca_bundle.0.clone());
        let elsewhere = elsewhere.await.map_err(out_of_reach)?;
        let client = cluster::connect_elsewhere(self.identity.clone(), elsewhere)
            .await
            .map_err(|error| out_of_reach(error.to_string()))?;
        readyz(&client).await.map_err(out_of_reach)?;
        Ok(client)
    }

    /// Makes sure that the server a spec leads to says it is ready. It is told nothing of us: it
    /// may not even be verified.
    pub(super) async fn predecessor(
        &self,
        spec: &APIServiceSpec,
        say: Say<'_>,
    ) -> Result<(), Trouble> {
        let Some(service) = &spec.service else {
            return Ok(());
        };
        let name = name_of(service).to_string();
        let pem = spec.ca_bundle.clone().map_or_else(Vec::new, |pem| pem.0);
        let elsewhere = match self.elsewhere(service, pem).await {
            Ok(elsewhere) => elsewhere,
            Err(reason) => {
                say(&format!(
                    "{name} is not asked first whether it is ready: {reason}"
                ));
                return Ok(());
            }
        };
        let nobody = cluster::Config {
            identity: Identity::Nobody,
            insecure_skip_tls_verify: spec.insecure_skip_tls_verify == Some(true),
            ..cluster::Config::default()
        };
        let asked = async {
            let client = cluster::connect_elsewhere(nobody, elsewhere)
                .await
                .map_err(|error| error.to_string())?;
            readyz(&client).await
        };
        let nobody_there = |reason| Trouble::NobodyThere {
            service: name.clone(),
            reason,
        };
        asked.await.map_err(nobody_there)
    }

    async fn elsewhere(
        &self,
        service: &ServiceReference,
        ca_pem: Vec<u8>,
    ) -> Result<Elsewhere, String> {
        let name = name_of(service);
        let api: Api<Service> = Api::namespaced(self.client.clone(), &name.namespace);
        let object = timeout(CALL_LIMIT, api.get(&name.name)).await;
        let object = object
            .map_err(|_| format!("no answer within {} s", CALL_LIMIT.as_secs()))?
            .map_err(|error| format!("the Service {name}: {}", describe(&error)))?;
        let host = host(&object).ok_or_else(|| format!("the Service {name} has no address"))?;
        let url = format!("https://{host}:{}", port_of(service));
        Ok(Elsewhere {
            url: url
                .parse::<Uri>()
                .map_err(|error| format!("{url}: {error}"))?,
            server_name: format!("{}.{}.svc", name.name, name.namespace),
            ca_pem,
        })
    }
}

/// Where a Service is reached, as a URL writes it.
pub(super) fn host(service: &Service) -> Option<String> {
    let spec = service.spec.as_ref()?;
    if let Some(name) = &spec.external_name {
        return Some(name.clone());
    }
    let address: IpAddr = spec.cluster_ip.as_ref()?.parse().ok()?;
    Some(match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    })
}

/// Anybody may ask that.
async fn readyz(client: &kube::Client) -> Result<(), String> {
    let request = Request::get("/readyz").body(Vec::new());
    let request = request.map_err(|error| error.to_string())?;
    match timeout(CALL_LIMIT, client.request_text(request)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("/readyz: {}", describe(&error))),
        Err(_) => Err(format!(
            "/readyz: no answer within {} s",
            CALL_LIMIT.as_secs()
        )),
    }
}
