use bytes::Bytes;
use http::{Request, Response};

use super::*;
use crate::domain::SystemClock;

fn answer(uri: &str, accept_encoding: &str) -> Option<Response<Bytes>> {
    let views = metrics::tests::nothing();
    let inventory = Arc::new(Inventory::new());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let registry = &mut Registry::default();
    let coverage = coverage::tests::of(Arc::clone(&inventory), Arc::clone(&clock));
    let commits = tokio::sync::watch::channel(0).1;
    let api = Api::new(
        views, commits, inventory, coverage, clock, "v0.1.0", registry,
    );
    let request = Request::builder()
        .uri(uri)
        .header("accept-encoding", accept_encoding);
    let parts = request.body(()).unwrap().into_parts().0;
    let info = RequestInfo::new(&parts.method, parts.uri.path(), parts.uri.query()).unwrap();
    match api.respond(&info, &parts)? {
        Reply::Whole(response) => Some(response),
        other @ (Reply::Stream(_) | Reply::Later(_)) => panic!("{other:?}"),
    }
}

#[test]
fn each_path_is_answered_by_the_part_it_belongs_to() {
    for (uri, start) in [
        ("/apis", r#"{"kind":"APIGroupList""#),
        ("/%61pis", r#"{"kind":"APIGroupList""#),
        ("/apis%2f", r#"{"kind":"APIGroupList""#),
        ("/apis/metrics.k8s.io", r#"{"kind":"APIGroup""#),
        ("/apis%2Fmetrics.k8s.io", r#"{"kind":"APIGroup""#),
        ("/apis/metrics.k8s.io%2fv1", r#"{"kind":"APIResourceList""#),
        ("/apis/metrics.k8s.io/v1", r#"{"kind":"APIResourceList""#),
        (
            "/apis/metrics.k8s.io/v1beta1/",
            r#"{"kind":"APIResourceList""#,
        ),
        (
            "/apis/metrics.k8s.io/v1/nodes",
            r#"{"kind":"NodeMetricsList""#,
        ),
        (
            "/apis/metrics.k8s.io/v1beta1/pods",
            r#"{"kind":"PodMetricsList""#,
        ),
        ("/apis/loadline.io/v1alpha1", r#"{"kind":"APIResourceList""#),
        (
            "/apis/loadline.io/v1alpha1/nodecoverages",
            r#"{"kind":"NodeCoverageList""#,
        ),
        ("/apis/metrics.k8s.io/v1/foo", r#"{"kind":"Status""#),
        ("/apis/metrics.k8s.io/v9/nodes", r#"{"kind":"Status""#),
        ("/apis/loadline.io/v9", r#"{"kind":"Status""#),
        ("/openapi/v3", r#"{"paths":{"apis/loadline.io"#),
        ("/openapi/v2", "{"),
        ("/openapi%2Fv2", "{"),
        ("/%6fpenapi/v3/apis/metrics.k8s.io/v1", r#"{"components""#),
    ] {
        let response = answer(uri, "").unwrap();
        let body = String::from_utf8(response.into_body().to_vec()).unwrap();
        assert!(body.starts_with(start), "{uri}: {body}");
    }
}

#[test]
fn other_paths_are_left_to_the_server() {
    for uri in [
        "/",
        "/api",
        "/metrics",
        "/apis/other",
        "/apis/%2f",
        "/openapi",
    ] {
        assert!(answer(uri, "").is_none(), "{uri}");
    }
}

#[test]
fn every_path_of_the_index_is_answered() {
    let paths = Api::paths();
    assert!(paths.is_sorted());
    for path in paths {
        assert_eq!(answer(&path, "gzip").unwrap().status(), 200, "{path}");
    }
}
