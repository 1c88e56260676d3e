//! The parameters of lists.

use http::Method;
use loadline::apimachinery::{
    FieldRequirement, LabelOperator, LabelRequirement, ListOptions, Query, RequestInfo,
};

const SUPPORTED: [&str; 2] = ["metadata.name", "metadata.namespace"];

/// Every parameter that is read.
const PARAMETERS: [&str; 9] = [
    "labelSelector",
    "fieldSelector",
    "watch",
    "resourceVersion",
    "resourceVersionMatch",
    "continue",
    "limit",
    "timeoutSeconds",
    "sendInitialEvents",
];

/// However a query is written it means the same, and what is answered is what was authorized: the
/// options a list obeys and the request info the authorizer saw agree on verb, name and selectors.
pub(super) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let query = Query::parse(Some(text));
    let options = ListOptions::from_query(&query, &SUPPORTED);
    let mut written = Vec::new();
    for name in PARAMETERS.iter().chain(&["allowWatchBookmarks"]) {
        for value in query.all(name) {
            written.push(format!(
                "{}={}",
                super::escaped(name),
                super::escaped(value)
            ));
        }
    }
    let again = Query::parse(Some(&written.join("&")));
    assert_eq!(ListOptions::from_query(&again, &SUPPORTED), options);
    let path = "/apis/metrics.k8s.io/v1/namespaces/a/pods";
    let info = RequestInfo::new(&Method::GET, path, Some(text));
    let info = info.unwrap_or_else(|error| panic!("{error}"));
    let verb = if query.flag("watch") { "watch" } else { "list" };
    assert_eq!(info.verb, verb);
    let Some(resource) = info.resource else {
        panic!("no resource in {path}");
    };
    let options = match options {
        Ok(options) => options,
        Err(status) => return assert!(matches!(status.code(), 400 | 422)),
    };
    assert_eq!(options.watch, info.verb == "watch");
    let fields: &[FieldRequirement] = options.field_selector.requirements();
    assert_eq!(resource.field_requirements(), fields);
    for field in fields {
        assert!(SUPPORTED.contains(&field.field.as_ref()));
    }
    let told: Vec<LabelRequirement> = options
        .label_selector
        .requirements()
        .iter()
        .filter(|one| {
            !matches!(
                one.operator,
                LabelOperator::GreaterThan(_) | LabelOperator::LessThan(_)
            )
        })
        .cloned()
        .collect();
    assert_eq!(resource.label_requirements(), told);
    let name = options.field_selector.exact("metadata.name");
    let name = name.filter(|name| !name.contains(['/', '%']) && !matches!(*name, "." | ".."));
    assert_eq!(resource.name, name.unwrap_or_default());
}
