//! The paths of a version of a group, and what can be asked there.

use serde_json::{Map, Value, json};

use super::definitions::{Dialect, Naming};
use crate::api::Resource;

/// What everything but objects is answered as.
const PLAIN: [&str; 3] = [JSON, YAML, PROTOBUF];
const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// What a watch is served as.
const STREAMS: [&str; 2] = [
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// Where a parameter stands.
#[derive(Clone, Copy)]
enum Place {
    Path,
    Query,
}

/// A parameter: its name, its JSON type, what it does.
type Parameter = (&'static str, &'static str, &'static str);

/// What every list can be asked for. What has no effect here says so.
const LIST_PARAMETERS: [Parameter; 11] = [
    (
        "allowWatchBookmarks",
        "boolean",
        "Asks a watch to say now and then how far it has come.",
    ),
    (
        "continue",
        "string",
        "Without effect: lists are always whole.",
    ),
    (
        "fieldSelector",
        "string",
        "Restricts the list to objects with these fields, as in metadata.name=NAME.",
    ),
    (
        "labelSelector",
        "string",
        "Restricts the list to objects with these labels.",
    ),
    (
        "limit",
        "integer",
        "Without effect: lists are always whole.",
    ),
    (
        "resourceVersion",
        "string",
        "Where a watch goes on, as a list or an event said. Without effect on a list: the newest numbers are listed.",
    ),
    (
        "resourceVersionMatch",
        "string",
        "How resourceVersion is meant.",
    ),
    (
        "sendInitialEvents",
        "boolean",
        "Asks a watch to begin with all objects there are.",
    ),
    (
        "timeoutSeconds",
        "integer",
        "After how many seconds a watch ends. Half an hour to an hour when not given.",
    ),
    (
        "watch",
        "boolean",
        "Asks for a stream of changes instead of a list.",
    ),
    PRETTY,
];

const PRETTY: Parameter = ("pretty", "string", "If true, the answer is indented.");
const NAME: Parameter = ("name", "string", "Name of the object.");
const NAMESPACE: Parameter = ("namespace", "string", "Namespace of the object.");

/// One thing to ask at one path.
struct Operation<'a> {
    id: String,
    text: String,
    /// The full name of the type of a good answer.
    answer: String,
    /// Kubernetes' word for what is done, and the kind it is done to; none for discovery.
    action: Option<(&'static str, &'a str)>,
    tag: String,
    /// The media types it is answered in.
    types: Vec<&'static str>,
}

/// The path that tells the versions of a group.
pub(super) fn group_paths(naming: Naming<'_>) -> Map<String, Value> {
    let title = title(naming.group);
    let operation = Operation {
        id: format!("get{title}APIGroup"),
        text: "tell the versions of the group".to_owned(),
        answer: format!("{META}.APIGroup"),
        action: None,
        tag: title.to_lowercase(),
        types: PLAIN.to_vec(),
    };
    let path = format!("/apis/{}/", naming.group);
    Map::from_iter([(path, item(naming, &operation, &[]))])
}

/// The paths of one version: discovery and its resources.
pub(super) fn version_paths(naming: Naming<'_>, resources: &[Resource]) -> Map<String, Value> {
    let root = format!("/apis/{}/{}/", naming.group, naming.version);
    let discovery = Operation {
        id: format!("get{}APIResources", id_part(naming)),
        text: "tell the resources of this version".to_owned(),
        answer: format!("{META}.APIResourceList"),
        action: None,
        tag: tag(naming),
        types: PLAIN.to_vec(),
    };
    let mut paths = Map::from_iter([(root.clone(), item(naming, &discovery, &[]))]);
    for resource in resources {
        paths.extend(resource_paths(naming, &root, resource));
    }
    paths
}

fn resource_paths(naming: Naming<'_>, root: &str, resource: &Resource) -> Vec<(String, Value)> {
    let Resource {
        kind,
        name: plural,
        list_kind,
        ..
    } = resource;
    let query = LIST_PARAMETERS.map(|parameter| (Place::Query, parameter));
    let pretty = (Place::Query, PRETTY);
    let name = (Place::Path, NAME);
    let namespace = (Place::Path, NAMESPACE);
    let list = |id: &str, where_: &str| Operation {
        id: format!("list{}{id}", id_part(naming)),
        text: format!("list objects of kind {kind}{where_}"),
        answer: naming.name(list_kind),
        action: Some(("list", kind)),
        tag: tag(naming),
        types: types(resource, true),
    };
    let get = |id: &str| Operation {
        id: format!("read{}{id}", id_part(naming)),
        text: format!("read one object of kind {kind}"),
        answer: naming.name(kind),
        action: Some(("get", kind)),
        tag: tag(naming),
        types: types(resource, false),
    };
    if !resource.is_namespaced() {
        return vec![
            (
                format!("{root}{plural}"),
                item(naming, &list(kind, ""), &query),
            ),
            (
                format!("{root}{plural}/{{name}}"),
                item(naming, &get(kind), &[name, pretty]),
            ),
        ];
    }
    let one = format!("Namespaced{kind}");
    let in_namespace: Vec<_> = query.into_iter().chain([namespace]).collect();
    vec![
        (
            format!("{root}{plural}"),
            item(
                naming,
                &list(&format!("{kind}ForAllNamespaces"), " in all namespaces"),
                &query,
            ),
        ),
        (
            format!("{root}namespaces/{{namespace}}/{plural}"),
            item(naming, &list(&one, " in one namespace"), &in_namespace),
        ),
        (
            format!("{root}namespaces/{{namespace}}/{plural}/{{name}}"),
            item(naming, &get(&one), &[name, namespace, pretty]),
        ),
    ]
}

/// What objects of a resource, or lists of them, are answered as.
fn types(resource: &Resource, list: bool) -> Vec<&'static str> {
    let streams = list && resource.verbs.contains(&"watch");
    let all = PLAIN
        .into_iter()
        .chain(STREAMS.into_iter().filter(|_| streams));
    all.filter(|one| resource.protobuf || !one.starts_with(PROTOBUF))
        .collect()
}

/// A path item with its one operation.
fn item(naming: Naming<'_>, operation: &Operation<'_>, parameters: &[(Place, Parameter)]) -> Value {
    let mut item = Map::from_iter([("get".to_owned(), operation.write(naming))]);
    if !parameters.is_empty() {
        let parameters = parameters
            .iter()
            .map(|(place, parameter)| write_parameter(naming.dialect, *place, *parameter))
            .collect();
        item.insert("parameters".into(), Value::Array(parameters));
    }
    Value::Object(item)
}

impl Operation<'_> {
    fn write(&self, naming: Naming<'_>) -> Value {
        let schema = naming.dialect.reference(&self.answer);
        let types = self.types.clone();
        let mut operation = json!({
            "description": self.text,
            "operationId": self.id,
            "tags": [self.tag],
        });
        let (members, ok) = match naming.dialect {
            Dialect::V2 => (
                json!({ "consumes": ["*/*"], "produces": types, "schemes": ["https"] }),
                json!({ "description": "OK", "schema": schema }),
            ),
            Dialect::V3 => {
                let content: Map<String, Value> = types
                    .into_iter()
                    .map(|media_type| (media_type.to_owned(), json!({ "schema": schema })))
                    .collect();
                (
                    json!({}),
                    json!({ "description": "OK", "content": content }),
                )
            }
        };
        extend(&mut operation, members);
        extend(
            &mut operation,
            json!({ "responses": { "200": ok, "401": { "description": "Unauthorized" } } }),
        );
        if let Some((action, kind)) = self.action {
            extend(
                &mut operation,
                json!({
                    "x-kubernetes-action": action,
                    "x-kubernetes-group-version-kind": naming.group_version_kind(kind),
                }),
            );
        }
        operation
    }
}

fn write_parameter(dialect: Dialect, place: Place, (name, ty, text): Parameter) -> Value {
    let mut parameter = json!({ "name": name, "description": text });
    extend(
        &mut parameter,
        match place {
            Place::Path => json!({ "in": "path", "required": true }),
            Place::Query => json!({ "in": "query" }),
        },
    );
    let schema = json!({ "type": ty, "uniqueItems": true });
    extend(
        &mut parameter,
        match dialect {
            Dialect::V2 => schema,
            Dialect::V3 => json!({ "schema": schema }),
        },
    );
    parameter
}

fn extend(object: &mut Value, members: Value) {
    if let (Value::Object(object), Value::Object(members)) = (object, members) {
        object.extend(members);
    }
}

/// The part of an operation's id that names group and version: `MetricsV1beta1`.
fn id_part(naming: Naming<'_>) -> String {
    format!("{}{}", title(naming.group), capitalised(naming.version))
}

fn tag(naming: Naming<'_>) -> String {
    format!("{}_{}", title(naming.group).to_lowercase(), naming.version)
}

/// The first part of a group's name, capitalised: `Metrics`.
fn title(group: &str) -> String {
    capitalised(group.split('.').next().unwrap_or_default())
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect()
}
