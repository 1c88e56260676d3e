//! Do the kubelets answer us, verified, with numbers of now?

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use super::{Finding, Preflight, Report};
use crate::cluster::{Cluster, Connection};
use crate::domain::{Inventory, NodeRecord, ResourceReading, Timestamp};
use crate::kubelet::{
    self, Buffers, Error, Explanation, KubeletClient, Limits, Platform, decode_resource, explain,
};
use crate::lifecycle::Stop;
use crate::telemetry::Registry;

/// The most nodes that are asked.
const SAMPLE: usize = 20;
const AT_A_TIME: usize = 10;
/// How long the list of nodes may take.
const LIST_LIMIT: Duration = Duration::from_secs(20);
/// A kubelet samples every ten to fifteen seconds.
const OLD: Duration = Duration::from_secs(60);
const AHEAD: Duration = Duration::from_secs(5);

/// How kubelets are asked, if what the flags and the kubeconfig name for it can be used.
pub(super) fn client<'p>(
    preflight: &'p Preflight,
    report: &mut Report,
) -> Option<&'p KubeletClient> {
    let reason = match &preflight.kubelet {
        Ok(client) => return Some(client),
        Err(reason) => reason,
    };
    report.add(Finding::failure(
        "kubelets",
        "client",
        format!("no kubelet can be asked: {reason}"),
        "correct the --kubelet-* flag (without it the kubeconfig) that names it, and see that the file is mounted where \
         Loadline runs",
    ));
    None
}

/// Looks which nodes there are to be asked, and asks them with `client` if there is one.
pub(super) async fn check(
    preflight: &Preflight,
    client: Option<&KubeletClient>,
    report: &mut Report,
) {
    let nodes = match nodes(preflight).await {
        Ok(nodes) => nodes,
        Err(reason) => {
            report.add(Finding::failure(
                "kubelets",
                "nodes",
                reason,
                "see the rights to list and watch nodes",
            ));
            return;
        }
    };
    let all = nodes.len();
    let (chosen, left): (Vec<_>, Vec<_>) = nodes
        .into_iter()
        .partition(|node| (preflight.selects)(node));
    if !left.is_empty() {
        let message = format!("--node-selector leaves {} of {all} nodes out", left.len());
        report.add(Finding::ok("kubelets", "nodes", message));
    }
    if chosen.is_empty() {
        report.add(Finding::failure(
            "kubelets",
            "nodes",
            format!("none of {all} nodes is to be asked"),
            "correct --node-selector",
        ));
        return;
    }
    let Some(client) = client else {
        return;
    };
    if chosen.len() > SAMPLE {
        let message = format!("asking {SAMPLE} of {} nodes, spread over all", chosen.len());
        report.add(Finding::ok("kubelets", "nodes", message));
    }
    let sample = sample(chosen, SAMPLE);
    let asked = sample.iter().map(|node| one(preflight, client, node));
    let asked = futures_util::stream::iter(asked).buffered(AT_A_TIME);
    for finding in asked.collect::<Vec<_>>().await {
        report.add(finding);
    }
}

/// The nodes as the server's own watch reads them.
async fn nodes(preflight: &Preflight) -> Result<Vec<Arc<NodeRecord>>, String> {
    let inventory = Arc::new(Inventory::new());
    let (client, clock) = (&preflight.client, &preflight.clock);
    let registry = &mut Registry::default();
    let cluster = Cluster::new(client, Arc::clone(&inventory), clock, registry);
    let (_sender, stop) = Stop::channel();
    let listed = async {
        loop {
            let status = cluster.nodes();
            if status.synced {
                return Ok(());
            }
            if let Connection::Lost { reason, .. } = status.connection {
                return Err(reason.to_string());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = cluster.run(stop) => Err("the watch ended".to_owned()),
        listed = tokio::time::timeout(LIST_LIMIT, listed) => {
            listed.unwrap_or_else(|_| Err(format!("not listed within {} s", LIST_LIMIT.as_secs())))
        }
    }?;
    Ok(inventory.nodes())
}

/// At most `most` of them, as far from each other as can be: neighbours by name are often alike.
fn sample(nodes: Vec<Arc<NodeRecord>>, most: usize) -> Vec<Arc<NodeRecord>> {
    let step = nodes.len().div_ceil(most).max(1);
    nodes.into_iter().step_by(step).collect()
}

async fn one(preflight: &Preflight, client: &KubeletClient, node: &NodeRecord) -> Finding {
    let buffers = Buffers::keeping(0);
    let mut buffer = buffers.lend();
    let got = async {
        let target = client.target(node)?;
        let connection = kubelet::Connection::default();
        client.get(&target, &connection, &mut buffer).await
    };
    let got = got.await;
    let now = preflight.clock.now();
    let reading =
        got.and_then(|body| decode_resource(body, now, Limits::default()).map_err(Error::from));
    judge(node, reading.as_ref(), now)
}

fn judge(node: &NodeRecord, got: Result<&ResourceReading<'_>, &Error>, now: Timestamp) -> Finding {
    let name = node.name.as_str();
    let reading = match got {
        Ok(reading) => reading,
        Err(error) => {
            let Explanation { says, remedy } = explain(error, Platform::of(&node.labels));
            // Nobody expects numbers of it.
            return if node.ready {
                Finding::failure("kubelets", name, says, remedy)
            } else {
                let says = format!("{says}; the node is not Ready");
                Finding::warning("kubelets", name, says, remedy)
            };
        }
    };
    let Some(at) = reading.node.cpu.map(|cpu| cpu.at) else {
        return Finding::warning(
            "kubelets",
            name,
            "it answers, without numbers of the node itself",
            "look at the kubelet's log: cAdvisor or the container runtime gives it no statistics",
        );
    };
    let containers = reading.containers.len();
    if at.since(now).is_some_and(|ahead| ahead > AHEAD) {
        return Finding::warning(
            "kubelets",
            name,
            "its samples are from the future: its clock is ahead of the one here",
            "set the clocks right (NTP)",
        );
    }
    if now.since(at).is_some_and(|age| age > OLD) {
        return Finding::warning(
            "kubelets",
            name,
            "its newest sample is more than a minute old: it has stopped sampling, or its clock is behind",
            "set the clocks right (NTP), and look at the kubelet's log",
        );
    }
    Finding::ok(
        "kubelets",
        name,
        format!("answers with numbers of {containers} containers"),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::client::Body;

    use super::super::Verdict;
    use super::*;
    use crate::domain::{CounterSample, CpuTime, NodeName, ObjectName, SystemClock};

    fn node(name: &str, ready: bool) -> NodeRecord {
        NodeRecord {
            ready,
            ..NodeRecord::new(NodeName::new(name).unwrap())
        }
    }

    /// Of an API server that tells its version, or not even that, and refuses all else.
    fn without_kubelets(reachable: bool) -> Preflight {
        let service = tower::service_fn(move |request: Request<Body>| async move {
            let known = reachable && request.uri().path() == "/version";
            let response = Response::builder().status(if known { 200 } else { 403 });
            Ok::<_, Infallible>(response.body(Body::from(b"{}".to_vec())).unwrap())
        });
        let client = kube::Client::new(service, "default");
        Preflight {
            authentication: Ok(client.clone()),
            authorization: Ok(client.clone()),
            client,
            kubelet: Err("cannot read /none".to_owned()),
            selects: Arc::new(|_| true),
            service: ObjectName {
                namespace: "kube-system".to_owned(),
                name: "loadline".to_owned(),
            },
            secret: None,
            via_api_server: false,
            pins: None,
            lookup: true,
            clock: Arc::new(SystemClock),
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_for_kubelets_is_one_finding_and_all_else_is_tried() {
        for (reachable, tried) in [
            (
                true,
                &[
                    "api-server",
                    "apiservice",
                    "front-proxy",
                    "kubelets",
                    "right",
                ][..],
            ),
            (false, &["api-server", "kubelets"]),
        ] {
            let report = without_kubelets(reachable).run().await;
            let checks: BTreeSet<_> = report.findings().iter().map(|one| one.check).collect();
            assert!(checks.iter().eq(tried), "{report:?}");
            let mut told = report.findings().iter();
            let told = told.find(|one| one.message.contains("cannot read /none"));
            let told = told.unwrap();
            assert_eq!((told.check, told.verdict), ("kubelets", Verdict::Failure));
            assert!(told.remedy.contains("--kubelet-"), "{told:?}");
            assert!(!report.is_ok() && report.json().contains("cannot read /none"));
        }
    }

    #[tokio::test]
    async fn a_kubeconfig_of_reviews_that_cannot_be_read_is_told_with_its_flag_and_all_else_is_tried()
     {
        let unusable = |what: &str| Err(format!("cannot read /{what}"));
        let preflight = Preflight {
            authentication: unusable("tokens"),
            authorization: unusable("access"),
            ..without_kubelets(true)
        };
        let report = preflight.run().await;
        for (right, message, flag) in [
            (
                "create tokenreviews",
                "/tokens",
                "--authentication-kubeconfig",
            ),
            (
                "create subjectaccessreviews",
                "/access",
                "--authorization-kubeconfig",
            ),
        ] {
            let mut told = report.findings().iter();
            let told = told.find(|one| one.subject.starts_with(right)).unwrap();
            assert_eq!((told.check, told.verdict), ("right", Verdict::Failure));
            let says = told.message.contains(message) && told.remedy.contains(flag);
            assert!(says, "{told:?}");
        }
        let others = |one: &&Finding| !one.message.contains("cannot read /");
        let others: BTreeSet<_> = (report.findings().iter().filter(others))
            .map(|one| one.check)
            .collect();
        assert!(
            others.contains("right") && others.contains("apiservice"),
            "{report:?}"
        );
    }

    #[test]
    fn a_kubelet_is_judged_by_its_answer_and_the_stamp_in_it() {
        const NOW: i64 = 1_767_323_045_000;
        let sampled = |seconds: i64| ResourceReading {
            node: crate::domain::NodeReading {
                cpu: Some(CounterSample {
                    value: CpuTime::from_nanos(1),
                    at: Timestamp::from_millis(NOW - seconds * 1000),
                }),
                ..Default::default()
            },
            ..ResourceReading::default()
        };
        let (good, old, ahead) = (sampled(9), sampled(120), sampled(-30));
        let (none, refused) = (ResourceReading::default(), Error::Unauthorized);
        for (ready, got, verdict, says) in [
            (true, Ok(&good), Verdict::Ok, "0 containers"),
            (true, Ok(&old), Verdict::Warning, "old"),
            (true, Ok(&ahead), Verdict::Warning, "future"),
            (true, Ok(&none), Verdict::Warning, "without numbers"),
            (true, Err(&refused), Verdict::Failure, "401"),
            (false, Err(&refused), Verdict::Warning, "not Ready"),
        ] {
            let now = Timestamp::from_millis(NOW);
            let finding = judge(&node("n", ready), got, now);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.message.contains(says), "{finding:?}");
        }
    }

    #[test]
    fn a_sample_is_spread_and_bounded() {
        let nodes = |count: usize| -> Vec<_> {
            let name = |n| format!("n{n:04}");
            (0..count).map(|n| Arc::new(node(&name(n), true))).collect()
        };
        for (count, taken) in [(1, 1), (20, 20), (21, 11), (1000, 20)] {
            let sample = sample(nodes(count), 20);
            assert_eq!(sample.len(), taken, "of {count}");
        }
        let spread = sample(nodes(1000), 20);
        assert_eq!(spread[19].name.as_str(), "n0950");
    }
}
