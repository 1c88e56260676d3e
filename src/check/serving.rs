//! Can the Secret of the serving certificate be used?

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::{Finding, Preflight, Report, ask};
use crate::domain::{ObjectName, Timestamp};
use crate::server;

pub(super) async fn check(preflight: &Preflight, report: &mut Report) {
    let Some(name) = &preflight.secret else {
        return;
    };
    let api = Api::<Secret>::namespaced(preflight.client.clone(), &name.namespace);
    report.add(match ask(api.get_opt(&name.name)).await {
        Ok(found) => judge(
            name,
            found.as_ref(),
            &preflight.service,
            preflight.clock.now(),
        ),
        Err(error) => Finding::warning(
            "serving-secret",
            &name.to_string(),
            format!("cannot be read: {error}"),
            "kubectl apply -k apiservice grants get on it",
        ),
    });
}

fn judge(
    name: &ObjectName,
    found: Option<&Secret>,
    service: &ObjectName,
    now: Timestamp,
) -> Finding {
    let subject = name.to_string();
    let Some(secret) = found else {
        return Finding::ok(
            "serving-secret",
            &subject,
            "it is not there; Loadline makes it",
        );
    };
    match server::judge_serving_secret(secret, service, now) {
        Ok(says) => Finding::ok("serving-secret", &subject, says),
        Err(flaw) => Finding::failure(
            "serving-secret",
            &subject,
            format!(
                "somebody else keeps it (it has no label app.kubernetes.io/managed-by=loadline), and it cannot be served: {flaw}"
            ),
            "have whoever keeps it renew it for the Service's names, or delete it, and Loadline makes its own; until then \
             no replica that starts becomes ready",
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_secret_of_somebody_else_has_to_be_one_that_can_be_served() {
        let name = |name: &str| ObjectName {
            namespace: "kube-system".into(),
            name: name.into(),
        };
        let judged = |data: serde_json::Value, label: &str| {
            let secret = json!({
                "metadata": { "labels": { "app.kubernetes.io/managed-by": label } },
                "data": data,
            });
            let secret: Secret = serde_json::from_value(secret).unwrap();
            let now = Timestamp::from_millis(0);
            judge(&name("serving"), Some(&secret), &name("loadline"), now)
        };
        let garbage = json!({ "tls.crt": "eA==", "tls.key": "eA==" });
        let foreign = judged(garbage.clone(), "Helm");
        assert_eq!(foreign.verdict, Verdict::Failure);
        assert!(foreign.message.contains("tls.crt"), "{foreign:?}");
        assert_eq!(judged(garbage, "loadline").verdict, Verdict::Ok);
        let absent = judge(
            &name("serving"),
            None,
            &name("loadline"),
            Timestamp::from_millis(0),
        );
        assert_eq!(absent.verdict, Verdict::Ok);
    }
}
