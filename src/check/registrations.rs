//! Do the APIServices lead to us, verified?

use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;

use super::{Finding, Preflight, Report, ask};
use crate::domain::ObjectName;
use crate::server::APISERVICES;

/// The numbers depend on this group alone.
const METRICS: &str = ".metrics.k8s.io";

pub(super) async fn check(preflight: &Preflight, report: &mut Report) {
    let api = Api::<APIService>::all(preflight.client.clone());
    let ours = &preflight.service;
    let mut asked = Vec::new();
    for name in APISERVICES {
        asked.push((name, ask(api.get_opt(name)).await));
    }
    let found = || {
        asked
            .iter()
            .filter_map(|(_, found)| found.as_ref().ok()?.as_ref())
    };
    let elsewhere = found().any(|found| leads_to(found).is_some_and(|to| to != *ours));
    for (name, found) in &asked {
        report.add(match found {
            Ok(found) => judge(name, elsewhere, found.as_ref(), ours),
            Err(error) => Finding::warning(
                "apiservice",
                name,
                format!("cannot be read: {error}"),
                "kubectl apply -k apiservice grants get on it",
            ),
        });
    }
}

/// The Service that answers it; none where the API server does itself.
fn leads_to(found: &APIService) -> Option<ObjectName> {
    let service = found.spec.as_ref()?.service.as_ref()?;
    Some(ObjectName {
        namespace: service.namespace.clone().unwrap_or_default(),
        name: service.name.clone().unwrap_or_default(),
    })
}

/// Registering while somebody else serves the numbers costs those who read them an outage: our
/// `caBundle` comes after the Service.
const TAKE_OVER: &str = "loadline take-over leads it here once Loadline has the numbers (docs/migrate-from-metrics-server.md); \
     or name the Service with --service-name";

/// `elsewhere` when one of them leads to another Service than `ours`.
fn judge(name: &str, elsewhere: bool, found: Option<&APIService>, ours: &ObjectName) -> Finding {
    let needed = name.ends_with(METRICS);
    let warning =
        |message: String, remedy: &str| Finding::warning("apiservice", name, message, remedy);
    let Some(spec) = found.and_then(|found| found.spec.as_ref()) else {
        let remedy = if needed && elsewhere {
            TAKE_OVER
        } else {
            "kubectl apply -k apiservice registers it"
        };
        return warning("it is not there (yet)".to_owned(), remedy);
    };
    let Some(to) = found.and_then(leads_to) else {
        return warning(
            "the API server answers it itself, from a CustomResourceDefinition or a built-in group"
                .to_owned(),
            "remove what claims the group",
        );
    };
    if to != *ours {
        return warning(
            format!("it leads to the Service {to}, not to {ours}"),
            TAKE_OVER,
        );
    }
    let verified = spec
        .ca_bundle
        .as_ref()
        .is_some_and(|bundle| !bundle.0.is_empty());
    let unverified = spec.insecure_skip_tls_verify == Some(true);
    let condition = found
        .and_then(|found| found.status.as_ref())
        .and_then(|status| status.conditions.as_ref())
        .and_then(|all| all.iter().find(|one| one.type_ == "Available"));
    let available = condition.is_some_and(|one| one.status == "True");
    if !available {
        let text = |text: Option<&String>| text.cloned().unwrap_or_default();
        let reason = text(condition.and_then(|one| one.reason.as_ref()));
        let message = text(condition.and_then(|one| one.message.as_ref()));
        let message = format!("it is not Available: {reason}: {message}");
        let remedy = remedy(&reason, &message, verified);
        return if needed {
            Finding::failure("apiservice", name, message, remedy)
        } else {
            warning(message, remedy)
        };
    }
    if unverified {
        return warning(
            "it is Available, and the API server does not verify our certificate (insecureSkipTLSVerify)".to_owned(),
            "remove insecureSkipTLSVerify; with --serving-secret Loadline writes caBundle itself",
        );
    }
    let trust = if verified {
        "verified by its caBundle"
    } else {
        "verified by the API server's own authorities"
    };
    Finding::ok("apiservice", name, format!("Available, {trust}"))
}

/// What the aggregator's own reasons and words come from.
fn remedy(reason: &str, message: &str, verified: bool) -> &'static str {
    match reason {
        "ServiceNotFound" => "create the Service: kubectl apply -k deploy/base",
        "ServicePortError" => {
            "the Service has no such port: let spec.service.port be a port of the Service"
        }
        "EndpointsNotFound" | "MissingEndpoints" => {
            "no ready pod stands behind the Service: look at its pods, and at what one says itself: kubectl get --raw \
             '/api/v1/namespaces/NAMESPACE/pods/https:POD:PORT/proxy/readyz?verbose'; do the Service's selector and the \
             pod's labels match?"
        }
        _ if message.contains("x509") && !verified => {
            "the API server knows nobody who vouches for our certificate: let Loadline write caBundle (--serving-secret \
             and the rights of apiservice/rbac.yaml), or set it yourself"
        }
        _ if message.contains("x509") => {
            "caBundle does not vouch for the certificate Loadline shows: see its log for the Secret and certs/README.md"
        }
        _ if message.contains("403") || message.contains("401") => {
            "Loadline does not believe the API server: see the check front-proxy"
        }
        _ => {
            "the API server cannot reach the pod: let the control plane reach pods on Loadline's port (firewall, \
             security group, CNI), or use hostNetwork with a free --secure-port"
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Verdict;
    use super::*;

    fn apiservice(service: &str, skip: bool, available: (&str, &str, &str)) -> APIService {
        let (status, reason, message) = available;
        serde_json::from_value(json!({
            "metadata": { "name": "v1.metrics.k8s.io" },
            "spec": {
                "groupPriorityMinimum": 100, "versionPriority": 100,
                "caBundle": if skip { json!(null) } else { json!("eA==") },
                "insecureSkipTLSVerify": skip,
                "service": { "namespace": "kube-system", "name": service },
            },
            "status": { "conditions": [
                { "type": "Available", "status": status, "reason": reason, "message": message },
            ] },
        }))
        .unwrap()
    }

    #[test]
    fn an_apiservice_is_judged_by_where_it_leads_and_whether_it_gets_there() {
        let ours = ObjectName {
            namespace: "kube-system".into(),
            name: "loadline".into(),
        };
        let good = ("True", "Passed", "all checks passed");
        let x509 = "failing: Get \"https://x\": x509: certificate signed by unknown authority";
        let away = ("False", "FailedDiscoveryCheck", "context deadline exceeded");
        for (found, verdict, says) in [
            (None, Verdict::Warning, "apply -k apiservice"),
            (
                Some(apiservice("metrics-server", false, good)),
                Verdict::Warning,
                "loadline take-over",
            ),
            (
                Some(apiservice("loadline", false, good)),
                Verdict::Ok,
                "caBundle",
            ),
            (
                Some(apiservice("loadline", true, good)),
                Verdict::Warning,
                "insecureSkipTLSVerify",
            ),
            (
                Some(apiservice(
                    "loadline",
                    false,
                    ("False", "FailedDiscoveryCheck", x509),
                )),
                Verdict::Failure,
                "caBundle does not vouch",
            ),
            (
                Some(apiservice(
                    "loadline",
                    false,
                    ("False", "MissingEndpoints", "none"),
                )),
                Verdict::Failure,
                "no ready pod",
            ),
            (
                Some(apiservice("loadline", false, away)),
                Verdict::Failure,
                "hostNetwork",
            ),
        ] {
            let finding = judge("v1.metrics.k8s.io", false, found.as_ref(), &ours);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            let all = format!("{} {}", finding.message, finding.remedy);
            assert!(all.contains(says), "{says}: {finding:?}");
        }
        let own = apiservice("loadline", false, away);
        let finding = judge("v1alpha1.loadline.io", false, Some(&own), &ours);
        assert_eq!(finding.verdict, Verdict::Warning);
        // Who registers v1 while v1beta1 leads to somebody else takes numbers from those who read them.
        let missing = |name| judge(name, true, None, &ours).remedy;
        assert!(missing("v1.metrics.k8s.io").contains("take-over"));
        assert!(missing("v1alpha1.loadline.io").contains("apply -k apiservice"));
    }
}
