//! What a request asks for, read from its path, method and query.

use axum::extract::Query as Parsed;
use http::{Method, Uri};

use crate::lab::Question;

/// A request's path, told apart as Kubernetes does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// Discovery, health and the like.
    Path(&'a str),
    /// A resource.
    Resource(Resource<'a>),
}

/// A resource in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource<'a> {
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) resource: &'a str,
    pub(super) name: Option<&'a str>,
}

/// The query of a request, decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl<'a> Route<'a> {
    pub(super) fn parse(path: &'a str) -> Self {
        Self::parse_resource(path).map_or(Self::Path(path), Self::Resource)
    }

    fn parse_resource(path: &'a str) -> Option<Resource<'a>> {
        let mut parts = path.trim_matches('/').split('/');
        let (group, version) = match parts.next()? {
            "api" => ("", parts.next()?),
            "apis" => (parts.next()?, parts.next()?),
            _ => return None,
        };
        let mut resource = parts.next()?;
        let mut name = parts.next();
        let mut namespace = None;
        if resource == "namespaces"
            && let Some(scope) = name
            && let Some(inner) = parts.next()
        {
            namespace = Some(scope);
            resource = inner;
            name = parts.next();
        }
        Some(Resource {
            group,
            version,
            namespace,
            resource,
            name,
        })
    }

    /// The question authorization is asked for this request.
    pub(super) fn question(&self, method: &Method, query: &'a Query) -> Question<'a> {
        match self {
            Self::Path(path) => Question {
                verb: "get",
                path,
                ..Question::default()
            },
            Self::Resource(resource) => Question {
                verb: resource.verb(method, query),
                group: resource.group,
                resource: resource.resource,
                name: resource
                    .name
                    .or_else(|| query.selected_name())
                    .unwrap_or_default(),
                path: "",
            },
        }
    }
}

impl Resource<'_> {
    fn verb(&self, method: &Method, query: &Query) -> &'static str {
        match (method, self.name) {
            (&Method::GET | &Method::HEAD, Some(_)) => "get",
            (&Method::GET | &Method::HEAD, None) if query.is_true("watch") => "watch",
            (&Method::GET | &Method::HEAD, None) => "list",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "update",
            (&Method::PATCH, _) => "patch",
            (&Method::DELETE, _) => "delete",
            _ => "",
        }
    }
}

impl Query {
    pub(super) fn parse(uri: &Uri) -> Self {
        Parsed::try_from_uri(uri).map_or_else(|_| Self::default(), |Parsed(pairs)| Self(pairs))
    }

    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(k, _)| k == key);
        pair.map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.value(key)?.parse().ok()
    }

    pub(super) fn is_true(&self, key: &str) -> bool {
        let pair = self.0.iter().find(|(k, _)| k == key);
        pair.is_some_and(|(_, v)| v != "0" && !v.eq_ignore_ascii_case("false"))
    }

    fn selected_name(&self) -> Option<&str> {
        self.value("fieldSelector")?.strip_prefix("metadata.name=")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(path: &str) -> (String, String, String) {
        let uri: Uri = path.parse().unwrap();
        let query = Query::parse(&uri);
        let route = Route::parse(uri.path());
        let question = route.question(&Method::GET, &query);
        let target = format!("{}/{}{}", question.group, question.resource, question.path);
        (question.verb.to_owned(), target, question.name.to_owned())
    }

    #[test]
    fn paths_become_the_questions_kubernetes_asks() {
        let cases = [
            ("/api/v1/nodes", "list", "/nodes", ""),
            ("/api/v1/nodes/n1", "get", "/nodes", "n1"),
            ("/api/v1/pods?watch=true", "watch", "/pods", ""),
            ("/api/v1/namespaces/a/pods/p", "get", "/pods", "p"),
            ("/api/v1/namespaces/a", "get", "/namespaces", "a"),
            (
                "/api/v1/configmaps?fieldSelector=metadata.name%3Dx",
                "list",
                "/configmaps",
                "x",
            ),
            (
                "/apis/metrics.k8s.io/v1/pods",
                "list",
                "metrics.k8s.io/pods",
                "",
            ),
            (
                "/apis/metrics.k8s.io/v1",
                "get",
                "//apis/metrics.k8s.io/v1",
                "",
            ),
            ("/version", "get", "//version", ""),
        ];
        for (path, verb, target, name) in cases {
            let want = (verb.to_owned(), target.to_owned(), name.to_owned());
            assert_eq!(question(path), want, "{path}");
        }
    }
}
