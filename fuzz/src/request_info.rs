//! Paths of requests.

use http::Method;
use loadline::apimachinery::{InvalidRequest, RequestInfo, decode_path_lossily};

/// The lines are a method, a path and a query.
///
/// However a path is escaped it means the same, and a slash more at either end makes no other
/// resource. The parts are those of the path, nothing that writes is read-only, and a head asks
/// what a get asks.
pub(super) fn check(data: &[u8]) {
    let Some(mut lines) = super::lines(data) else {
        return;
    };
    let mut line = || lines.next().unwrap_or_default();
    let (method, path, query) = (line(), line(), line());
    let Ok(method) = method.parse::<Method>() else {
        return;
    };
    let ask = |method: &Method, path: &str| RequestInfo::new(method, path, Some(query));
    let info = match ask(&method, path) {
        Ok(info) => info,
        Err(InvalidRequest::Escape) => return assert!(decode_path_lossily(path).is_err()),
        Err(error @ InvalidRequest::NoResource(_)) => {
            let decoded = decode_path_lossily(path).unwrap_or_else(|error| panic!("{error}"));
            return assert_eq!(ask(&method, &super::escaped(&decoded)), Err(error));
        }
    };
    assert_eq!(decode_path_lossily(path).as_deref(), Ok(info.path.as_str()));
    let escaped = super::escaped(&info.path);
    assert_eq!(ask(&method, &escaped).as_ref(), Ok(&info));
    let around = ask(&method, &format!("/{escaped}/"));
    assert_eq!(around.map(|info| info.resource), Ok(info.resource.clone()));
    let writes = ["create", "update", "patch", "delete", "deletecollection"];
    assert!(!(info.is_read_only() && writes.contains(&info.verb.as_str())));
    assert_eq!(info.is_resource_request(), info.resource.is_some());
    if info.resource.is_some() && method == Method::GET {
        assert_eq!(ask(&Method::HEAD, path).as_ref(), Ok(&info));
    }
    resource(&info, &method);
}

fn resource(info: &RequestInfo, method: &Method) {
    let Some(resource) = &info.resource else {
        return assert_eq!(info.verb, method.as_str().to_ascii_lowercase());
    };
    assert!(matches!(resource.prefix.as_str(), "api" | "apis"));
    assert!(resource.prefix != "api" || resource.group.is_empty());
    assert_eq!(resource.parts.first(), Some(&resource.resource));
    let tail = resource.parts.join("/");
    assert!(info.path.trim_matches('/').ends_with(&tail));
    // A get names its object, or it is a list or a watch.
    assert!(info.verb != "get" || !resource.name.is_empty());
    assert!(info.verb != "delete" || !resource.name.is_empty());
    let selects = matches!(info.verb.as_str(), "list" | "watch" | "deletecollection");
    assert!(selects || resource.field_selector.is_empty() && resource.label_selector.is_empty());
    if resource.parts.get(1) != Some(&resource.name) && !resource.name.is_empty() {
        // The name is from a selector, and goes where a path's name goes.
        assert!(matches!(info.verb.as_str(), "list" | "watch"));
        assert!(!resource.name.contains(['/', '%']) && !matches!(&*resource.name, "." | ".."));
    }
}
