//! The routes of the model API and of the historical one, which has all of the former and more.

/// What a path names; texts as they stand in the path, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route<'p> {
    /// The names of all nodes.
    Nodes,
    /// The names of all namespaces.
    Namespaces,
    /// The names of a namespace's pods.
    Pods(&'p str),
    /// The names of a pod's containers.
    Containers(&'p str, &'p str),
    /// The names of a node's system containers.
    SystemContainers(&'p str),
    /// Every key, for debugging.
    AllKeys,
    /// The names of an entity's metrics.
    Metrics(Subject<'p>),
    /// One metric of an entity.
    Series(Subject<'p>, Wanted<'p>),
    /// One metric of each pod of a list.
    PodList(PodList<'p>, Wanted<'p>),
}

/// Whom a path asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject<'p> {
    /// The cluster.
    Cluster,
    /// A node.
    Node(&'p str),
    /// A system container of a node. Its name may hold slashes.
    SystemContainer(&'p str, String),
    /// A namespace.
    Namespace(&'p str),
    /// A pod of a namespace.
    Pod(&'p str, &'p str),
    /// A container of a pod of a namespace.
    Container(&'p str, &'p str, &'p str),
    /// A pod by its UID.
    PodId(&'p str),
    /// A container of a pod by the pod's UID.
    ContainerOfPodId(&'p str, &'p str),
}

/// The pods a path lists, behind commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PodList<'p> {
    /// Names in a namespace.
    Names(&'p str, &'p str),
    /// UIDs.
    Ids(&'p str),
}

/// What a path wants of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted<'p> {
    /// The metric's name as it was asked for; may hold slashes.
    pub(super) metric: String,
    /// The aggregations, behind commas; else the points themselves.
    pub(super) aggregations: Option<&'p str>,
}

/// Which of the two APIs a path is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// `/api/v1/model`.
    Model,
    /// `/api/v1/historical`.
    Historical,
}

/// Tells whether a node has a system container of this name.
pub(super) type IsKnown<'a> = &'a dyn Fn(&str, &str) -> bool;

impl<'p> Route<'p> {
    /// Reads the segments behind the API's prefix; `None` when no route has that form.
    pub(super) fn find(api: Api, segments: &[&'p str], known: IsKnown<'_>) -> Option<Self> {
        match *segments {
            ["nodes"] => Some(Self::Nodes),
            ["namespaces"] => Some(Self::Namespaces),
            ["debug", "allkeys"] if api == Api::Model => Some(Self::AllKeys),
            ["nodes", node, "freecontainers"] => Some(Self::SystemContainers(node)),
            ["nodes", node, "freecontainers", ref rest @ ..] => {
                system_container(api, node, rest, known)
            }
            ["nodes", node, ref rest @ ..] => of_entity(api, Subject::Node(node), rest),
            ["namespaces", namespace, ref rest @ ..] => in_namespace(api, namespace, rest),
            ["pod-id", id, "containers", name, ref rest @ ..] if api == Api::Historical => {
                values(api, rest)
                    .map(|what| Self::Series(Subject::ContainerOfPodId(id, name), what))
            }
            ["pod-id", id, ref rest @ ..] if api == Api::Historical => {
                values(api, rest).map(|what| Self::Series(Subject::PodId(id), what))
            }
            ["pod-id-list", ids, ref rest @ ..] if api == Api::Historical => {
                values(api, rest).map(|what| Self::PodList(PodList::Ids(ids), what))
            }
            ref rest => of_entity(api, Subject::Cluster, rest),
        }
    }
}

fn in_namespace<'p>(api: Api, namespace: &'p str, rest: &[&'p str]) -> Option<Route<'p>> {
    match *rest {
        ["pods"] => Some(Route::Pods(namespace)),
        ["pods", pod, "containers"] => Some(Route::Containers(namespace, pod)),
        ["pods", pod, "containers", name, ref rest @ ..] => {
            of_entity(api, Subject::Container(namespace, pod, name), rest)
        }
        ["pods", pod, ref rest @ ..] => of_entity(api, Subject::Pod(namespace, pod), rest),
        ["pod-list", names, ref rest @ ..] => {
            let list = PodList::Names(namespace, names);
            values(api, rest).map(|wanted| Route::PodList(list, wanted))
        }
        ref rest => of_entity(api, Subject::Namespace(namespace), rest),
    }
}

/// Finds where the name of a system container ends: it may hold slashes and even a segment
/// `metrics`. The longest name the node has wins; if it has none of them, the name ends as early as
/// it can.
fn system_container<'p>(
    api: Api,
    node: &'p str,
    rest: &[&'p str],
    known: IsKnown<'_>,
) -> Option<Route<'p>> {
    let mut first = None;
    let mut found = None;
    for end in 1..rest.len() {
        let (name, tail) = rest.split_at_checked(end)?;
        let name = name.join("/");
        let is_known = known(node, &name);
        if first.is_some() && !is_known {
            continue;
        }
        let route = of_entity(api, Subject::SystemContainer(node, name), tail);
        if is_known {
            found = route.clone().or(found);
        }
        first = first.or(route);
    }
    found.or(first)
}

fn of_entity<'p>(api: Api, subject: Subject<'p>, rest: &[&'p str]) -> Option<Route<'p>> {
    match *rest {
        ["metrics"] => Some(Route::Metrics(subject)),
        _ => values(api, rest).map(|wanted| Route::Series(subject, wanted)),
    }
}

/// Reads `metrics/{metric}`, or `metrics-aggregated/{aggregations}/{metric}` of the historical API.
/// The metric takes all that is left.
fn values<'p>(api: Api, rest: &[&'p str]) -> Option<Wanted<'p>> {
    let (aggregations, metric) = match *rest {
        ["metrics", ref metric @ ..] => (None, metric),
        ["metrics-aggregated", aggregations, ref metric @ ..] if api == Api::Historical => {
            (Some(aggregations), metric)
        }
        _ => return None,
    };
    (!metric.is_empty()).then(|| Wanted {
        metric: metric.join("/"),
        aggregations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(api: Api, path: &'static str) -> Option<Route<'static>> {
        let segments: Vec<&'static str> = path.split('/').collect();
        let known = |node: &str, name: &str| {
            node == "n" && matches!(name, "kubelet" | "a/b.service" | "a" | "a/metrics/c")
        };
        Route::find(api, &segments, &known)
    }

    fn series(subject: Subject<'static>, metric: &str) -> Option<Route<'static>> {
        let wanted = Wanted {
            metric: metric.to_owned(),
            aggregations: None,
        };
        Some(Route::Series(subject, wanted))
    }

    #[test]
    fn every_route_of_the_model_is_found() {
        for (path, route) in [
            ("nodes", Route::Nodes),
            ("namespaces", Route::Namespaces),
            ("debug/allkeys", Route::AllKeys),
            ("metrics", Route::Metrics(Subject::Cluster)),
            ("nodes/n/metrics", Route::Metrics(Subject::Node("n"))),
            ("nodes/n/freecontainers", Route::SystemContainers("n")),
            (
                "namespaces/a/metrics",
                Route::Metrics(Subject::Namespace("a")),
            ),
            ("namespaces/a/pods", Route::Pods("a")),
            (
                "namespaces/a/pods/p/metrics",
                Route::Metrics(Subject::Pod("a", "p")),
            ),
            (
                "namespaces/a/pods/p/containers",
                Route::Containers("a", "p"),
            ),
            (
                "namespaces/a/pods/p/containers/c/metrics",
                Route::Metrics(Subject::Container("a", "p", "c")),
            ),
        ] {
            assert_eq!(find(Api::Model, path), Some(route), "{path}");
        }
        for (path, subject) in [
            ("metrics/cpu/x", Subject::Cluster),
            ("nodes/n/metrics/cpu/x", Subject::Node("n")),
            ("namespaces/a/metrics/cpu/x", Subject::Namespace("a")),
            ("namespaces/a/pods/p/metrics/cpu/x", Subject::Pod("a", "p")),
            (
                "namespaces/a/pods/p/containers/c/metrics/cpu/x",
                Subject::Container("a", "p", "c"),
            ),
        ] {
            assert_eq!(find(Api::Model, path), series(subject, "cpu/x"), "{path}");
        }
        let list = find(
            Api::Model,
            "namespaces/a/pod-list/p,q/metrics/nvidia.com/gpu/request",
        );
        let wanted = Wanted {
            metric: "nvidia.com/gpu/request".to_owned(),
            aggregations: None,
        };
        assert_eq!(
            list,
            Some(Route::PodList(PodList::Names("a", "p,q"), wanted))
        );
    }

    #[test]
    fn a_keyword_may_be_a_name() {
        let pod = Subject::Pod("metrics", "metrics");
        let path = "namespaces/metrics/pods/metrics/metrics/metrics";
        assert_eq!(find(Api::Model, path), series(pod, "metrics"));
        let node = Subject::Node("freecontainers");
        let path = "nodes/freecontainers/metrics/a";
        assert_eq!(find(Api::Model, path), series(node, "a"));
    }

    #[test]
    fn a_system_container_is_found_by_the_names_the_node_has() {
        let of = |node, name: &str| Subject::SystemContainer(node, name.to_owned());
        for (path, subject, metric) in [
            (
                "n/freecontainers/kubelet/metrics/cpu/x",
                of("n", "kubelet"),
                "cpu/x",
            ),
            (
                "n/freecontainers/a/b.service/metrics/x",
                of("n", "a/b.service"),
                "x",
            ),
            (
                "n/freecontainers/a/metrics/c/metrics/x",
                of("n", "a/metrics/c"),
                "x",
            ),
            (
                "n/freecontainers/a/metrics/d/metrics/x",
                of("n", "a"),
                "d/metrics/x",
            ),
            (
                "n/freecontainers/gone/metrics/x/metrics/y",
                of("n", "gone"),
                "x/metrics/y",
            ),
            (
                "m/freecontainers/a/b.service/metrics/x",
                of("m", "a/b.service"),
                "x",
            ),
        ] {
            let path: &'static str = format!("nodes/{path}").leak();
            assert_eq!(find(Api::Model, path), series(subject, metric), "{path}");
        }
        let names = find(Api::Model, "nodes/n/freecontainers/a/metrics/c/metrics");
        assert_eq!(names, Some(Route::Metrics(of("n", "a/metrics/c"))));
        assert_eq!(find(Api::Model, "nodes/n/freecontainers/a/b.service"), None);
    }

    #[test]
    fn history_knows_aggregations_and_pod_ids() {
        for (path, subject) in [
            ("metrics-aggregated/max,min/cpu/x", Subject::Cluster),
            (
                "nodes/n/metrics-aggregated/max,min/cpu/x",
                Subject::Node("n"),
            ),
            (
                "namespaces/a/metrics-aggregated/max,min/cpu/x",
                Subject::Namespace("a"),
            ),
            (
                "pod-id/u/metrics-aggregated/max,min/cpu/x",
                Subject::PodId("u"),
            ),
            (
                "pod-id/u/containers/c/metrics-aggregated/max,min/cpu/x",
                Subject::ContainerOfPodId("u", "c"),
            ),
            (
                "nodes/n/freecontainers/a/b.service/metrics-aggregated/max,min/cpu/x",
                Subject::SystemContainer("n", "a/b.service".to_owned()),
            ),
        ] {
            let wanted = Wanted {
                metric: "cpu/x".to_owned(),
                aggregations: Some("max,min"),
            };
            let route = Some(Route::Series(subject, wanted));
            assert_eq!(find(Api::Historical, path), route, "{path}");
            assert_eq!(find(Api::Model, path), None, "{path}");
        }
        let raw = find(Api::Historical, "pod-id/u/metrics/cpu/x");
        assert_eq!(raw, series(Subject::PodId("u"), "cpu/x"));
        let list = find(Api::Historical, "pod-id-list/u,v/metrics/x");
        assert!(matches!(list, Some(Route::PodList(PodList::Ids("u,v"), _))));
    }

    #[test]
    fn nothing_else_is_found() {
        for path in [
            "",
            "nope",
            "nodes/n",
            "namespaces/a",
            "namespaces/a/pods/p",
            "namespaces/a/pods/p/containers/c",
            "namespaces/a/pod-list/p",
            "namespaces/a/pod-list/p/metrics",
            "nodes/n/freecontainers/kubelet",
            "pod-id/u/metrics",
            "pod-id-list/u/metrics",
            "metrics-aggregated/max",
            "debug",
            "debug/allkeys/x",
        ] {
            assert_eq!(find(Api::Model, path), None, "{path}");
            assert_eq!(find(Api::Historical, path), None, "{path}");
        }
        assert_eq!(find(Api::Historical, "debug/allkeys"), None);
        assert_eq!(find(Api::Model, "pod-id/u/metrics/x"), None);
    }
}
