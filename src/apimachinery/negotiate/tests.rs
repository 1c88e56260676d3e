use http::Request;

use super::*;

fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn accept(value: &str) -> Result<(MediaType, Transform), NotAcceptable> {
    Negotiated::for_resource(&parts("/", &[("accept", value)]))
        .map(|negotiated| (negotiated.media_type, negotiated.transform))
}

#[test]
fn the_first_servable_clause_wins() {
    use MediaType::{Json, Protobuf, Yaml};
    for (header, expected) in [
        ("", Json),
        ("application/json", Json),
        ("*/*", Json),
        ("*", Json),
        ("*;q=0.5", Json),
        ("application/*", Json),
        ("application/yaml", Yaml),
        ("application/vnd.kubernetes.protobuf, */*", Protobuf),
        ("*/*, application/yaml", Yaml),
        ("application/*, application/yaml", Yaml),
        ("application/cbor,application/json", Json),
        ("text/html,application/json;q=0.1", Json),
        ("application/json;q=0.5,application/yaml", Yaml),
        ("application/json;q=0", Json),
        ("application/yaml ; q=0.9 , application/json;q=0.95", Json),
        (
            "application/json;profile=nopeer;charset=utf-8;export=1",
            Json,
        ),
        ("application/json;stream=watch", Json),
        ("application/json;stream=x,application/yaml", Yaml),
        ("application/json;sv=v1,application/yaml", Yaml),
        ("application/json;g=meta.k8s.io,application/yaml", Yaml),
    ] {
        assert_eq!(accept(header), Ok((expected, Transform::None)), "{header}");
    }
}

#[test]
fn transforms_are_found_in_the_encodings_that_have_them() {
    use MetaVersion::{V1, V1beta1};
    let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;\
                   g=meta.k8s.io,application/json";
    for (header, media_type, transform) in [
        (kubectl, MediaType::Json, Transform::Table(V1)),
        (
            "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
            MediaType::Json,
            Transform::Table(V1beta1),
        ),
        (
            "application/json;as=Table;v=v9;g=meta.k8s.io,application/json",
            MediaType::Json,
            Transform::None,
        ),
        (
            "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,\
             application/json;as=Table;v=v1;g=meta.k8s.io",
            MediaType::Json,
            Transform::Table(V1),
        ),
        (
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            MediaType::Protobuf,
            Transform::PartialObjectMetadataList(V1),
        ),
        (
            "application/yaml;as=PartialObjectMetadata;g=meta.k8s.io;v=v1beta1",
            MediaType::Yaml,
            Transform::PartialObjectMetadata(V1beta1),
        ),
    ] {
        assert_eq!(accept(header), Ok((media_type, transform)), "{header}");
    }
}

#[test]
fn what_fits_nothing_is_told_what_is_served() {
    for (header, error) in [
        ("text/html", NotAcceptable::Route),
        ("application/cbor", NotAcceptable::Route),
        (
            "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io",
            NotAcceptable::Parameters,
        ),
        (
            "application/json;as=Other;v=v1;g=meta.k8s.io",
            NotAcceptable::Parameters,
        ),
    ] {
        assert_eq!(accept(header), Err(error), "{header}");
    }
    let plain = parts(
        "/",
        &[("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")],
    );
    assert_eq!(
        Negotiated::for_plain(&plain),
        Err(NotAcceptable::Parameters)
    );
}

#[test]
fn only_the_first_accept_line_counts() {
    let two = parts(
        "/",
        &[
            ("accept", "application/yaml"),
            ("accept", "application/json"),
        ],
    );
    let negotiated = Negotiated::for_resource(&two).unwrap();
    assert_eq!(negotiated.media_type, MediaType::Yaml);
}

#[test]
fn humans_get_indented_json_unless_they_decline() {
    for (uri, agent, accept, pretty) in [
        ("/", "curl/8", "", true),
        ("/", "Wget/1", "", true),
        ("/", "Mozilla/5.0 (X11)", "", true),
        ("/", "kubectl/v1.32", "", false),
        ("/?pretty=false", "curl/8", "", false),
        ("/?pretty=true", "Go", "", true),
        ("/?pretty=1", "Go", "", true),
        ("/?pretty=maybe", "curl/8", "", false),
        ("/?pretty=", "curl/8", "", true),
        ("/", "Go", "application/json;pretty=1", true),
    ] {
        let parts = parts(uri, &[("user-agent", agent), ("accept", accept)]);
        let negotiated = Negotiated::for_resource(&parts).unwrap();
        assert_eq!(negotiated.pretty, pretty, "{uri} {agent} {accept}");
    }
}

#[test]
fn documents_are_chosen_by_the_halves_of_a_media_range() {
    for (accept, chosen) in [
        (None, Some(1)),
        (Some(""), Some(1)),
        (Some("*"), Some(1)),
        (Some("*/*"), Some(1)),
        (Some("*/json"), Some(1)),
        (Some("*/x+protobuf"), Some(2)),
        (Some("application/*"), Some(1)),
        (Some("*/*, application/x+protobuf"), Some(2)),
        (Some("application/x+protobuf;q=0.1, */*"), Some(1)),
        (Some("text/*"), None),
        (Some("application/yaml"), None),
        (Some(","), None),
    ] {
        let headers: Vec<_> = accept
            .map(|accept| ("accept", accept))
            .into_iter()
            .collect();
        let headers = parts("/", &headers).headers;
        let offered = [("json", 1), ("x+protobuf", 2)];
        assert_eq!(choose(&headers, &offered), chosen, "{accept:?}");
    }
}

#[test]
fn a_route_of_json_alone_reads_media_ranges_to_the_letter() {
    for (accept, taken) in [
        ("", true),
        ("*/*", true),
        ("text/html, */* ; q=0", true),
        ("application/json;as=Table", true),
        ("application/yaml;pretty=1", false),
        ("application/*", false),
        ("*", false),
        ("text/html", false),
    ] {
        let headers = parts("/", &[("accept", accept)]).headers;
        assert_eq!(takes_json(&headers), taken, "{accept}");
    }
    assert!(takes_json(&HeaderMap::new()));
}
