//! The model API: the metrics of every entity as they are in the ring.

use bytes::Bytes;
use http::Response;

use super::answer::{self, MetricResult, ResultList};
use super::parameters::{self, Labels, Refusal};
use super::route::{PodList, Route, Subject, Wanted};
use super::{Asked, names};
use crate::domain::{EntityKey, Namespace, NodeName, PodKey, PodName};
use crate::history::{self, Series, Span, Values, View};

/// Answers a route of the model API. What does not exist has no metrics, which is no error, but for
/// what cannot be meant as a name.
pub(super) fn answer(asked: &Asked<'_>, view: &View<'_>, route: Route<'_>) -> Response<Bytes> {
    if let Err(refusal) = conceivable(&route) {
        return answer::refused(&refusal);
    }
    match route {
        Route::Nodes => listed(&view.nodes()),
        Route::Namespaces => listed(&view.namespaces()),
        Route::Pods(namespace) => match Namespace::new(namespace) {
            Ok(namespace) => listed(&view.pods(&namespace)),
            Err(_) => nothing(),
        },
        Route::Containers(namespace, pod) => match names::pod(namespace, pod) {
            Ok(pod) => listed(&view.containers(&pod)),
            Err(_) => nothing(),
        },
        Route::SystemContainers(node) => match NodeName::new(node) {
            Ok(node) => listed(&view.system_containers(&node)),
            Err(_) => nothing(),
        },
        Route::AllKeys => {
            // In the order of the texts they are shown as.
            let mut keys: Vec<_> = view.keys().iter().map(ToString::to_string).collect();
            keys.sort_unstable();
            answer::pretty(&keys)
        }
        Route::Metrics(subject) => match names::entity(&subject) {
            Ok(entity) => answer::pretty(&view.metric_names(&entity)),
            Err(_) => nothing(),
        },
        Route::Series(subject, wanted) => match series(asked, view, &subject, &wanted) {
            Ok(result) => answer::pretty(&result),
            Err(refusal) => answer::refused(&refusal),
        },
        Route::PodList(PodList::Names(namespace, names), wanted) => {
            match pod_list(asked, view, namespace, names, &wanted) {
                Ok(list) => answer::compact(&list),
                Err(refusal) => answer::refused(&refusal),
            }
        }
        // The model API has no such route.
        Route::PodList(PodList::Ids(_), _) => answer::no_route(),
    }
}

/// A list's pods are not looked at: each has its item, and a name that cannot be has an empty one.
fn conceivable(route: &Route<'_>) -> Result<(), Refusal> {
    match *route {
        Route::Nodes | Route::Namespaces | Route::AllKeys => Ok(()),
        Route::Pods(namespace) => names::conceivable(&Subject::Namespace(namespace)),
        Route::Containers(namespace, pod) => names::conceivable(&Subject::Pod(namespace, pod)),
        Route::SystemContainers(node) => names::conceivable(&Subject::Node(node)),
        Route::Metrics(ref subject) => names::conceivable(subject),
        Route::Series(ref subject, ref wanted) => {
            names::conceivable(subject)?;
            names::conceivable_metric(&wanted.metric)
        }
        Route::PodList(ref list, ref wanted) => {
            if let PodList::Names(namespace, _) = *list {
                names::conceivable(&Subject::Namespace(namespace))?;
            }
            names::conceivable_metric(&wanted.metric)
        }
    }
}

/// The series a metric's name and labels mean, aliases of old included; `None` when there can be
/// none.
pub(super) fn series_of(metric: &str, labels: &Labels) -> Option<Series> {
    let metric = match metric {
        "cpu-usage" => "cpu/usage_rate",
        "cpu-limit" => "cpu/limit",
        "memory-limit" => "memory/limit",
        "memory-usage" => "memory/usage",
        "memory-working" => "memory/working_set",
        metric => metric,
    };
    match labels.first_key_value() {
        None => Series::named(metric, None),
        Some((key, value)) if key == "resource_id" && labels.len() == 1 => {
            Series::named(metric, Some(value))
        }
        Some(_) => None,
    }
}

fn series(
    asked: &Asked<'_>,
    view: &View<'_>,
    subject: &Subject<'_>,
    wanted: &Wanted<'_>,
) -> Result<MetricResult, Refusal> {
    let span = parameters::span(&asked.query, asked.now)?;
    let labels = parameters::labels(&asked.query)?;
    let series = series_of(&wanted.metric, &labels);
    let entity = names::entity(subject).ok();
    Ok(points(view, entity, series.as_ref(), span))
}

/// One item for each name, in their order: clients count on it. A name twice has its item twice;
/// Heapster gave the first of them all points of both.
fn pod_list(
    asked: &Asked<'_>,
    view: &View<'_>,
    namespace: &str,
    names: &str,
    wanted: &Wanted<'_>,
) -> Result<ResultList<MetricResult>, Refusal> {
    let span = parameters::span(&asked.query, asked.now)?;
    let names = parameters::pod_list(names)?;
    let labels = parameters::labels(&asked.query)?;
    let series = series_of(&wanted.metric, &labels);
    let namespace = Namespace::new(namespace).ok();
    let mut values = Values::default();
    let items = names.into_iter().map(|name| {
        let name = PodName::new(name).ok();
        let pod = namespace.clone().zip(name);
        let entity = pod.map(|(namespace, name)| EntityKey::Pod(PodKey::new(namespace, name)));
        let item = points(view, entity, series.as_ref(), span);
        values.add(item.len())?;
        Ok(item)
    });
    let items: Result<Vec<MetricResult>, Refusal> = items.collect();
    Ok(ResultList { items: items? })
}

fn points(
    view: &View<'_>,
    entity: Option<EntityKey>,
    series: Option<&Series>,
    span: Span,
) -> MetricResult {
    let points = entity.zip(series).map(|(entity, series)| {
        let subject = history::Subject::Entity(entity);
        view.points(&subject, series, span)
    });
    MetricResult::new(points.unwrap_or_default())
}

/// A list of names, in the order they come.
pub(super) fn listed(names: &[impl std::fmt::Display]) -> Response<Bytes> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    answer::pretty(&names)
}

fn nothing() -> Response<Bytes> {
    let nothing: [&str; 0] = [];
    answer::pretty(&nothing)
}
