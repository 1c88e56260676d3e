//! Why a pod has no number.

use std::time::Duration;

use serde_json::Value;

use super::answer::{Answer, Reason};
use super::reader::{Found, Reader, list, text};
use crate::apimachinery::HumanDuration;
use crate::domain::Timestamp;

/// What was found out about a pod.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) pod: Found,
    /// Its `PodMetrics`.
    pub(super) metrics: Found,
    /// The `NodeCoverage` of its node.
    pub(super) coverage: Found,
}

/// Two samples of the kubelet, which are some ten seconds apart, and the questions for them.
const YOUNG: Duration = Duration::from_secs(40);

impl Facts {
    pub(super) async fn read(reader: &Reader, namespace: &str, name: &str) -> Self {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        let pod = reader.get(&path).await;
        // v1beta1 is what the autoscaler asks for.
        let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/{name}");
        let metrics = reader.get(&path).await;
        let node = pod.as_ref().ok().and_then(Option::as_ref);
        let node = node
            .map_or("", |pod| text(pod, "/spec/nodeName"))
            .to_owned();
        let coverage = if node.is_empty() {
            Ok(None)
        } else {
            let path = format!("/apis/loadline.io/v1alpha1/nodecoverages/{node}");
            reader.get(&path).await
        };
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            pod,
            metrics,
            coverage,
        }
    }

    /// The command that shows what Kubernetes knows of the pod.
    fn describe(&self) -> String {
        format!("kubectl describe pod -n {} {}", self.namespace, self.name)
    }
}

/// Says why the pod has no number, or how old the one it has is.
pub(super) fn judge(facts: &Facts, now: Timestamp) -> Answer {
    let subject = format!("pod {}/{}", facts.namespace, facts.name);
    let missing = |reasons| Answer {
        subject: subject.clone(),
        ok: false,
        reasons,
    };
    let pod = match &facts.pod {
        Ok(Some(pod)) => pod,
        Ok(None) => {
            return missing(vec![Reason::new(
                "there is no such pod",
                format!("look for its name: kubectl get pods -n {}", facts.namespace),
            )]);
        }
        Err(error) => {
            return missing(vec![unreadable("the pod", error)]);
        }
    };
    match &facts.metrics {
        Ok(Some(metrics)) => Answer {
            ok: true,
            reasons: served(facts, metrics, pod, now),
            subject,
        },
        Err(error) => missing(vec![Reason::new(
            format!("metrics.k8s.io does not answer: {error}"),
            "loadline check tells what is wrong with its APIService, or with our rights",
        )]),
        Ok(None) => missing(reasons(facts, pod, now)),
    }
}

/// An object that the API server does not show.
pub(super) fn unreadable(what: &str, error: &str) -> Reason {
    let says = format!("{what} cannot be read: {error}");
    let remedy = if error.starts_with("403") {
        "ask as somebody who may view the namespace, with the --kubeconfig of your kubectl: Loadline's own account may \
         not read workloads one by one"
    } else {
        "loadline check"
    };
    Reason::new(says, remedy)
}

fn served(facts: &Facts, metrics: &Value, pod: &Value, now: Timestamp) -> Vec<Reason> {
    let age = stamp(metrics, "/timestamp").and_then(|at| now.since(at));
    let age = HumanDuration(age.unwrap_or_default());
    let window = text(metrics, "/window");
    let mut notes = vec![Reason::new(
        format!("it has a number, {age} old, measured over {window}"),
        "",
    )];
    let coverage = facts.coverage.as_ref().ok().and_then(Option::as_ref);
    if coverage.is_some_and(|one| text(one, "/status/state") == "Stale") {
        notes.extend(by_node(facts, pod));
    }
    notes.extend(without_requests(pod, &["cpu", "memory"].map(Share::of_all)));
    notes
}

/// What an autoscaler wants to know the share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share<'h> {
    pub(super) resource: &'h str,
    /// The one container it looks at; all of them without a name.
    pub(super) container: Option<&'h str>,
}

impl<'h> Share<'h> {
    pub(super) const fn of_all(resource: &'h str) -> Self {
        Self {
            resource,
            container: None,
        }
    }
}

/// Which containers request nothing of what is asked for, which the autoscaler needs to know what 80% is.
pub(super) fn without_requests(pod: &Value, shares: &[Share<'_>]) -> Option<Reason> {
    let lacks = |share: &Share<'_>| {
        let resource = share.resource;
        let containers = list(pod, "/spec/containers").iter();
        let asked = containers.filter(|container| {
            let name = text(container, "/name");
            share.container.is_none_or(|wanted| wanted == name)
        });
        let lacking = asked.filter(|container| {
            let requested = |kind: &str| {
                let pointer = format!("/resources/{kind}/{resource}");
                container.pointer(&pointer).is_some()
            };
            // A limit is a request, too, when there is no other.
            !requested("requests") && !requested("limits")
        });
        let names: Vec<&str> = lacking.map(|container| text(container, "/name")).collect();
        (!names.is_empty()).then(|| format!("{resource} ({})", names.join(", ")))
    };
    let lacking: Vec<String> = shares.iter().filter_map(lacks).collect();
    (!lacking.is_empty()).then(|| {
        Reason::new(
            format!(
                "containers without a request for {}: an autoscaler with a target in percent of it cannot decide",
                lacking.join(" and ")
            ),
            "set resources.requests in the pod's template, or an averageValue in the autoscaler",
        )
    })
}

/// Why a pod that exists has no number, the most certain reason first.
pub(super) fn reasons(facts: &Facts, pod: &Value, now: Timestamp) -> Vec<Reason> {
    let phase = text(pod, "/status/phase");
    if matches!(phase, "Succeeded" | "Failed") {
        let says =
            format!("the pod is {phase}: a pod that has ended has no numbers and needs none");
        return vec![Reason::new(says, "")];
    }
    if text(pod, "/spec/nodeName").is_empty() {
        let conditions = list(pod, "/status/conditions").iter();
        let mut scheduled = conditions.filter(|one| text(one, "/type") == "PodScheduled");
        let why = scheduled.next().map_or("", |one| text(one, "/message"));
        let says = format!("the pod is not on a node yet: {why}");
        return vec![Reason::new(says, facts.describe())];
    }
    if phase != "Running" {
        return vec![Reason::new(
            format!("the pod is {phase}: numbers are served of running pods"),
            facts.describe(),
        )];
    }
    if let Some(reason) = not_running(facts, pod) {
        return vec![reason];
    }
    if let Some(reason) = by_node(facts, pod) {
        let certain = matches!(facts.coverage, Ok(Some(_)));
        let also = young(pod, now).filter(|_| !certain);
        return std::iter::once(reason).chain(also).collect();
    }
    if let Some(reason) = young(pod, now) {
        return vec![reason];
    }
    let node = text(pod, "/spec/nodeName");
    vec![Reason::new(
        format!(
            "its node {node} is well, and its kubelet names not every running container of the pod: the number of a \
             pod is served when all of them have one"
        ),
        format!(
            "compare with kubectl get --raw /api/v1/nodes/{node}/proxy/metrics/resource, and look at the kubelet's and \
             the container runtime's logs"
        ),
    )]
}

/// Why its node is the reason.
fn by_node(facts: &Facts, pod: &Value) -> Option<Reason> {
    let node = text(pod, "/spec/nodeName");
    let coverage = match &facts.coverage {
        Err(error) => {
            let says = format!("how the node {node} fares cannot be read: {error}");
            let remedy = "kubectl apply -k apiservice registers loadline.io";
            return Some(Reason::new(says, remedy));
        }
        Ok(None) => {
            return Some(Reason::new(
                format!(
                    "Loadline does not know the node {node}, or another server answers metrics.k8s.io"
                ),
                "is loadline.io registered (kubectl get apiservice v1alpha1.loadline.io), does the node exist?",
            ));
        }
        Ok(Some(coverage)) => coverage,
    };
    match text(coverage, "/status/state") {
        state @ ("Failing" | "Stale" | "Excluded") => {
            let message = text(coverage, "/status/message");
            let says = format!("its node {node} is {state}: {message}");
            Some(Reason::new(says, text(coverage, "/status/remedy")))
        }
        "Pending" => {
            let says = format!("its node {node} has no numbers yet");
            Some(Reason::new(says, "wait half a minute"))
        }
        _ => None,
    }
}

/// The container that keeps a running pod from being measured.
fn not_running(facts: &Facts, pod: &Value) -> Option<Reason> {
    let statuses = list(pod, "/status/containerStatuses");
    let running = |status: &&Value| status.pointer("/state/running").is_some();
    if statuses.iter().any(|status| running(&status)) {
        return None;
    }
    let told = statuses.iter().find_map(|status| {
        let name = text(status, "/name");
        let waiting = text(status, "/state/waiting/reason");
        let ended = text(status, "/state/terminated/reason");
        let word = if waiting.is_empty() { ended } else { waiting };
        (!word.is_empty()).then_some((name, word))
    });
    let describe = facts.describe();
    let (told, remedy) = match told {
        Some((container, word)) => {
            let Facts {
                namespace, name, ..
            } = facts;
            (
                format!("{container} is in {word}"),
                format!("kubectl logs -n {namespace} {name} -c {container} --previous, {describe}"),
            )
        }
        None => ("none has started".to_owned(), describe),
    };
    let says = format!("no container of it runs: {told}");
    Some(Reason::new(says, remedy))
}

fn young(pod: &Value, now: Timestamp) -> Option<Reason> {
    let statuses = list(pod, "/status/containerStatuses").iter();
    let newest = statuses
        .filter_map(|status| stamp(status, "/state/running/startedAt"))
        .max()?;
    let age = now.since(newest).unwrap_or_default();
    (age < YOUNG).then(|| {
        Reason::new(
            format!(
                "its newest container is {} old: a rate takes two samples of the kubelet, some 10 s apart",
                HumanDuration(age)
            ),
            "wait half a minute",
        )
    })
}

fn stamp(value: &Value, pointer: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text(value, pointer).parse().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// 2026-01-02T03:04:05Z.
    const NOW: Timestamp = Timestamp::from_millis(1_767_323_045_000);

    fn pod(phase: &str, state: Value) -> Value {
        json!({
            "spec": { "nodeName": "n1", "containers": [
                { "name": "app", "resources": { "requests": { "cpu": "1", "memory": "1" } } },
                { "name": "side", "resources": { "limits": { "memory": "1" } } },
            ] },
            "status": { "phase": phase, "containerStatuses": [ { "name": "app", "state": state } ] },
        })
    }

    fn running(since: &str) -> Value {
        pod("Running", json!({ "running": { "startedAt": since } }))
    }

    fn coverage(state: &str) -> Found {
        let status = json!({ "state": state, "message": "a certificate", "remedy": "sign it" });
        Ok(Some(json!({ "status": status })))
    }

    fn facts(pod: Found, metrics: Found, coverage: Found) -> Facts {
        Facts {
            namespace: "a".into(),
            name: "p".into(),
            pod,
            metrics,
            coverage,
        }
    }

    fn old() -> Value {
        running("2026-01-02T03:00:00Z")
    }

    fn named(facts: &Facts, says: &str, remedy: &str) {
        let answer = judge(facts, NOW);
        assert!(!answer.ok, "{answer:?}");
        let first = &answer.reasons[0];
        assert!(first.message.contains(says), "{says}: {answer:?}");
        assert!(first.remedy.contains(remedy), "{remedy}: {answer:?}");
    }

    #[test]
    fn a_pod_that_does_not_run_is_told_of_with_what_to_do() {
        let unplaced = json!({
            "spec": {},
            "status": { "phase": "Pending", "conditions": [
                { "type": "PodScheduled", "message": "0/3 nodes are available" },
            ] },
        });
        let crashing = pod(
            "Running",
            json!({ "waiting": { "reason": "CrashLoopBackOff" } }),
        );
        let away = || Err("the server is currently unable to handle the request".to_owned());
        for (facts, says, remedy) in [
            (
                facts(Ok(None), Ok(None), Ok(None)),
                "no such pod",
                "get pods -n a",
            ),
            (facts(away(), Ok(None), Ok(None)), "cannot be read", "check"),
            (
                facts(Err("403: pods is forbidden".into()), Ok(None), Ok(None)),
                "cannot be read",
                "--kubeconfig",
            ),
            (
                facts(Ok(Some(old())), away(), coverage("Fresh")),
                "metrics.k8s.io does not answer",
                "APIService",
            ),
            (
                facts(Ok(Some(unplaced)), Ok(None), Ok(None)),
                "0/3 nodes are available",
                "kubectl describe pod -n a p",
            ),
            (
                facts(
                    Ok(Some(pod("Pending", json!({})))),
                    Ok(None),
                    coverage("Fresh"),
                ),
                "the pod is Pending",
                "kubectl describe pod -n a p",
            ),
            (
                facts(Ok(Some(crashing)), Ok(None), coverage("Fresh")),
                "app is in CrashLoopBackOff",
                "kubectl logs -n a p -c app --previous, kubectl describe pod -n a p",
            ),
        ] {
            named(&facts, says, remedy);
        }
    }

    #[test]
    fn a_pod_that_has_ended_needs_no_number_and_nothing_is_to_be_done() {
        for phase in ["Succeeded", "Failed"] {
            let ended = Ok(Some(pod(phase, json!({}))));
            let answer = judge(&facts(ended, Ok(None), coverage("Fresh")), NOW);
            let [reason] = answer.reasons.as_slice() else {
                panic!("{answer:?}");
            };
            let says = format!("the pod is {phase}: a pod that has ended");
            assert!(reason.message.starts_with(&says), "{reason:?}");
            assert_eq!(reason.remedy, "");
        }
    }

    #[test]
    fn a_pod_that_runs_is_told_of_by_its_node_and_its_age() {
        let young = running("2026-01-02T03:04:00Z");
        for (facts, says, remedy) in [
            (
                facts(Ok(Some(old())), Ok(None), coverage("Failing")),
                "n1 is Failing: a certificate",
                "sign it",
            ),
            (
                facts(Ok(Some(old())), Ok(None), coverage("Excluded")),
                "n1 is Excluded",
                "sign it",
            ),
            (
                facts(Ok(Some(old())), Ok(None), coverage("Pending")),
                "no numbers yet",
                "wait",
            ),
            (
                facts(Ok(Some(young)), Ok(None), coverage("Fresh")),
                "5s old",
                "wait",
            ),
            (
                facts(Ok(Some(old())), Ok(None), coverage("Fresh")),
                "not every running container",
                "/api/v1/nodes/n1/proxy/metrics/resource",
            ),
            (
                facts(Ok(Some(old())), Ok(None), Ok(None)),
                "does not know the node n1",
                "loadline.io",
            ),
        ] {
            named(&facts, says, remedy);
        }
    }

    #[test]
    fn a_number_is_told_with_its_age_and_missing_requests() {
        let metrics = json!({ "timestamp": "2026-01-02T03:03:55Z", "window": "15s" });
        let facts = facts(Ok(Some(old())), Ok(Some(metrics)), coverage("Stale"));
        let answer = judge(&facts, NOW);
        assert!(answer.ok);
        let text = answer.text();
        assert!(text.contains("10s old, measured over 15s"), "{text}");
        assert!(text.contains("request for cpu (side):"), "{text}");
        assert!(text.contains("n1 is Stale: a certificate"), "{text}");
    }
}
