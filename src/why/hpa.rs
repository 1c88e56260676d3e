//! Why an autoscaler does not decide.

use serde_json::Value;

use super::answer::{Answer, Reason};
use super::pod::{self, Share};
use super::reader::{Found, Reader, list, text};
use crate::apimachinery::percent_encode;
use crate::domain::Timestamp;

/// What was found out about a HorizontalPodAutoscaler.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) hpa: Found,
    /// The pods its target selects; `None` when the target is of a kind not known here.
    pub(super) pods: Option<Result<Vec<Value>, String>>,
    /// The names of those that have metrics.
    pub(super) measured: Result<Vec<String>, String>,
    /// What is known of the first few that have none.
    pub(super) missing: Vec<pod::Facts>,
}

/// How many pods are looked at one by one.
const LOOKED_AT: usize = 3;

impl Facts {
    pub(super) async fn read(reader: &Reader, namespace: &str, name: &str) -> Self {
        let path =
            format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/{name}");
        let mut facts = Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            hpa: reader.get(&path).await,
            pods: None,
            measured: Ok(Vec::new()),
            missing: Vec::new(),
        };
        let target = facts.hpa.as_ref().ok().and_then(Option::as_ref);
        let Some(scale) = target.and_then(|hpa| scale_path(namespace, hpa)) else {
            return facts;
        };
        let selector = match reader.get(&scale).await {
            Ok(Some(scale)) => text(&scale, "/status/selector").to_owned(),
            Ok(None) => {
                facts.pods = Some(Err("the target of the autoscaler is not there".to_owned()));
                return facts;
            }
            Err(error) => {
                facts.pods = Some(Err(error));
                return facts;
            }
        };
        let selector = percent_encode(&selector, "");
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}");
        let pods = reader.get(&path).await;
        facts.pods = Some(pods.map(|found| items(found.as_ref()).to_vec()));
        let path = format!(
            "/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods?labelSelector={selector}"
        );
        let measured = reader.get(&path).await;
        facts.measured = measured.map(|found| {
            let items = items(found.as_ref()).iter();
            items
                .map(|item| text(item, "/metadata/name").to_owned())
                .collect()
        });
        for name in facts.unmeasured().into_iter().take(LOOKED_AT) {
            facts
                .missing
                .push(pod::Facts::read(reader, namespace, &name).await);
        }
        facts
    }

    /// The pods that should have a number and have none.
    fn unmeasured(&self) -> Vec<String> {
        let (Some(Ok(pods)), Ok(measured)) = (&self.pods, &self.measured) else {
            return Vec::new();
        };
        let expected = pods.iter().filter(|pod| counts(pod));
        let names = expected.map(|pod| text(pod, "/metadata/name"));
        names
            .filter(|name| !measured.iter().any(|one| one == name))
            .map(str::to_owned)
            .collect()
    }
}

/// The autoscaler leaves out pods that are being deleted or have failed.
fn counts(pod: &Value) -> bool {
    text(pod, "/metadata/deletionTimestamp").is_empty()
        && !matches!(text(pod, "/status/phase"), "Failed" | "Succeeded")
}

fn items(found: Option<&Value>) -> &[Value] {
    found.map_or(&[], |found| list(found, "/items"))
}

/// Where the scale of the target is, for the kinds Kubernetes has.
fn scale_path(namespace: &str, hpa: &Value) -> Option<String> {
    let target = |field: &str| text(hpa, &format!("/spec/scaleTargetRef/{field}"));
    let plural = match target("kind") {
        "Deployment" => "deployments",
        "StatefulSet" => "statefulsets",
        "ReplicaSet" => "replicasets",
        _ => return None,
    };
    let name = target("name");
    Some(format!(
        "/apis/apps/v1/namespaces/{namespace}/{plural}/{name}/scale"
    ))
}

/// The command that shows what Kubernetes knows of the target.
fn describe_target(namespace: &str, hpa: &Value) -> String {
    let target = |field: &str| text(hpa, &format!("/spec/scaleTargetRef/{field}"));
    let (kind, name) = (target("kind").to_lowercase(), target("name"));
    format!("kubectl describe {kind} -n {namespace} {name}")
}

/// Says what keeps the autoscaler from deciding.
pub(super) fn judge(facts: &Facts, now: Timestamp) -> Answer {
    let subject = format!("hpa {}/{}", facts.namespace, facts.name);
    let hpa = match &facts.hpa {
        Ok(Some(hpa)) => hpa,
        other => {
            let reason = match other {
                Err(error) => pod::unreadable("it", error),
                Ok(_) => {
                    let says = "there is no such HorizontalPodAutoscaler";
                    let remedy =
                        format!("look for its name: kubectl get hpa -n {}", facts.namespace);
                    Reason::new(says, remedy)
                }
            };
            return Answer {
                subject,
                ok: false,
                reasons: vec![reason],
            };
        }
    };
    let mut reasons = pods(facts, hpa, now);
    let bad = list(hpa, "/status/conditions").iter().filter(|one| {
        matches!(text(one, "/type"), "AbleToScale" | "ScalingActive")
            && text(one, "/status") == "False"
    });
    reasons.extend(bad.map(|one| {
        let (kind, message) = (text(one, "/type"), text(one, "/message"));
        Reason::new(format!("it says {kind} False: {message}"), "")
    }));
    let ok = reasons.is_empty();
    if ok {
        let limited = list(hpa, "/status/conditions").iter();
        let limited = limited
            .filter(|one| text(one, "/type") == "ScalingLimited" && text(one, "/status") == "True")
            .map(|one| text(one, "/message").to_owned())
            .next();
        let measured = facts.measured.as_ref().map_or(0, Vec::len);
        let note = limited.map_or_else(String::new, |why| format!("; it is limited: {why}"));
        let says = format!("it decides, by the metrics of {measured} pods{note}");
        reasons.push(Reason::new(says, ""));
    }
    Answer {
        subject,
        ok,
        reasons,
    }
}

/// What is wrong with the pods it needs.
fn pods(facts: &Facts, hpa: &Value, now: Timestamp) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let Some(pods) = &facts.pods else {
        return reasons;
    };
    let pods = match pods {
        Ok(pods) => pods,
        Err(error) => {
            let says = format!("its pods cannot be read: {error}");
            return vec![Reason::new(
                says,
                "does spec.scaleTargetRef name something that is there?",
            )];
        }
    };
    if let Err(error) = &facts.measured {
        let says = format!("metrics.k8s.io does not answer: {error}");
        return vec![Reason::new(says, "loadline check")];
    }
    let expected: Vec<&Value> = pods.iter().filter(|pod| counts(pod)).collect();
    if expected.is_empty() {
        let says = "its target has no pods";
        return vec![Reason::new(says, describe_target(&facts.namespace, hpa))];
    }
    let missing = facts.unmeasured();
    if !missing.is_empty() {
        let (n, m) = (missing.len(), expected.len());
        let says = format!("{n} of {m} pods have no metrics: {}", missing.join(", "));
        reasons.push(Reason::new(says, ""));
        for one in &facts.missing {
            let answer = pod::judge(one, now);
            reasons.extend(answer.reasons.into_iter().map(|reason| Reason {
                message: format!("{}: {}", answer.subject, reason.message),
                ..reason
            }));
        }
    }
    let shares = shares(hpa);
    let mut lacking = expected.iter();
    reasons.extend(lacking.find_map(|pod| pod::without_requests(pod, &shares)));
    reasons
}

/// Of what the autoscaler computes a share of the requests.
fn shares(hpa: &Value) -> Vec<Share<'_>> {
    let by_share = |metric: &&Value| metric.pointer("/target/averageUtilization").is_some();
    let metrics = list(hpa, "/spec/metrics").iter();
    let sources = metrics.filter_map(|metric| {
        let source = metric.get("resource");
        source.or_else(|| metric.get("containerResource"))
    });
    let shares = sources.filter(by_share).map(|source| Share {
        resource: text(source, "/name"),
        container: source.get("container").and_then(Value::as_str),
    });
    shares.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_323_045_000);

    fn hpa(active: &str, message: &str) -> Found {
        Ok(Some(json!({
            "spec": {
                "scaleTargetRef": { "kind": "Deployment", "name": "web" },
                "metrics": [ { "resource": { "name": "cpu", "target": { "averageUtilization": 80 } } } ],
            },
            "status": { "conditions": [
                { "type": "ScalingActive", "status": active, "message": message },
            ] },
        })))
    }

    fn web(name: &str, requests: Value) -> Value {
        json!({
            "metadata": { "name": name },
            "spec": { "nodeName": "n1", "containers": [ { "name": "app", "resources": { "requests": requests } } ] },
            "status": { "phase": "Running" },
        })
    }

    fn facts(hpa: Found, pods: Vec<Value>, measured: &[&str]) -> Facts {
        Facts {
            namespace: "a".into(),
            name: "web".into(),
            hpa,
            pods: Some(Ok(pods)),
            measured: Ok(measured.iter().map(|name| (*name).to_owned()).collect()),
            missing: Vec::new(),
        }
    }

    #[test]
    fn an_autoscaler_is_judged_by_its_pods_and_its_own_words() {
        let full = || json!({ "cpu": "1", "memory": "1Gi" });
        let both = || vec![web("p1", full()), web("p2", full())];
        let bare = || vec![web("p1", json!({})), web("p2", full())];
        let failed = "the HPA was unable to compute the replica count";
        for (facts, ok, says) in [
            (facts(Ok(None), Vec::new(), &[]), false, "no such"),
            (
                facts(hpa("True", ""), both(), &["p1", "p2"]),
                true,
                "metrics of 2 pods",
            ),
            (
                facts(hpa("True", ""), both(), &["p1"]),
                false,
                "1 of 2 pods have no metrics: p2",
            ),
            (
                facts(hpa("True", ""), bare(), &["p1", "p2"]),
                false,
                "without a request for cpu (app)",
            ),
            (
                facts(hpa("False", failed), both(), &["p1", "p2"]),
                false,
                failed,
            ),
            (facts(hpa("True", ""), Vec::new(), &[]), false, "no pods"),
        ] {
            let answer = judge(&facts, NOW);
            assert_eq!(answer.ok, ok, "{answer:?}");
            assert!(answer.text().contains(says), "{says}: {answer:?}");
        }
    }

    #[test]
    fn what_to_do_names_what_it_is_to_be_done_with() {
        let without = judge(&facts(Ok(None), Vec::new(), &[]), NOW).text();
        assert!(without.contains("kubectl get hpa -n a\n"), "{without}");
        let idle = judge(&facts(hpa("True", ""), Vec::new(), &[]), NOW).text();
        assert!(
            idle.contains("kubectl describe deployment -n a web\n"),
            "{idle}"
        );
    }

    #[test]
    fn only_requests_that_the_autoscaler_computes_by_are_missed() {
        let of = |source: &str, rest: Value| {
            let mut metric = json!({ "name": "cpu", "target": { "averageUtilization": 80 } });
            for (key, value) in rest.as_object().unwrap() {
                metric[key] = value.clone();
            }
            let mut found = hpa("True", "").unwrap().unwrap();
            found["spec"]["metrics"] = json!([{ source: metric }]);
            Ok(Some(found))
        };
        let by_value = json!({ "target": { "averageValue": "1" } });
        let mut pod = web("p1", json!({ "cpu": "1" }));
        let bare = json!({ "name": "bare" });
        let containers = pod["spec"]["containers"].as_array_mut().unwrap();
        containers.push(bare);
        for (metric, lacking) in [
            (of("resource", json!({})), Some("cpu (bare)")),
            (
                of("resource", json!({ "name": "memory" })),
                Some("memory (app, bare)"),
            ),
            (of("resource", by_value), None),
            (of("containerResource", json!({ "container": "app" })), None),
            (
                of("containerResource", json!({ "container": "bare" })),
                Some("cpu (bare)"),
            ),
        ] {
            let answer = judge(&facts(metric, vec![pod.clone()], &["p1"]), NOW);
            assert_eq!(answer.ok, lacking.is_none(), "{answer:?}");
            if let Some(lacking) = lacking {
                let says = format!("without a request for {lacking}:");
                assert!(answer.text().contains(&says), "{says} {answer:?}");
            }
        }
    }

    #[test]
    fn a_selector_fits_into_a_query() {
        assert_eq!(
            percent_encode("app=web,tier in (a)", ""),
            "app%3Dweb%2Ctier%20in%20%28a%29"
        );
        let found = hpa("True", "").unwrap().unwrap();
        let path = "/apis/apps/v1/namespaces/a/deployments/web/scale";
        assert_eq!(scale_path("a", &found).as_deref(), Some(path));
    }
}
