//! The messages below are declared from gnostic's published `OpenAPIv2.proto` and
//! `OpenAPIv3.proto`, apart from the tables under test, and read by prost.

mod v2;
mod v3;

use prost::{Message as _, Oneof};
use serde_json::{Map, Value, json};

use super::super::document;
use super::super::tests::GROUPS;
use super::*;

#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "2")]
    yaml: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NamedAny {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Texts {
    #[prost(string, repeated, tag = "1")]
    value: Vec<String>,
}

fn extend_with(extensions: &[NamedAny], object: &mut Map<String, Value>) {
    for extension in extensions {
        let yaml = &extension.value.as_ref().unwrap().yaml;
        object.insert(
            extension.name.clone(),
            serde_saphyr::from_str(yaml).unwrap(),
        );
    }
}

fn text(object: &mut Map<String, Value>, name: &str, value: &str) {
    if !value.is_empty() {
        object.insert(name.to_owned(), value.into());
    }
}

#[test]
fn every_member_of_the_documents_has_a_field() {
    let v2 = document::v2(&GROUPS, "v1");
    assert_eq!(encode(&V2_DOCUMENT, &v2).1, [""; 0]);
    for (place, v3) in document::v3(&GROUPS, "v1") {
        assert_eq!(encode(&V3_DOCUMENT, &v3).1, [""; 0], "{place}");
    }
}

#[test]
fn the_second_version_reads_back_with_gnostics_numbers() {
    let json = document::v2(&GROUPS, "v1.2.3");
    let (bytes, _) = encode(&V2_DOCUMENT, &json);
    let read = v2::Document::decode(bytes).unwrap();
    assert_eq!(read.swagger, "2.0");
    let info = read.info.unwrap();
    assert_eq!(
        (info.title.as_str(), info.version.as_str()),
        ("Loadline", "v1.2.3")
    );
    assert_eq!(read.definitions.unwrap().json(), json["definitions"]);
    let paths = read.paths.unwrap().path;
    assert_eq!(paths.len(), json["paths"].as_object().unwrap().len());
    for named in paths {
        assert_eq!(
            named.value.unwrap().json(),
            json["paths"][&named.name],
            "{}",
            named.name
        );
    }
}

#[test]
fn the_third_version_reads_back_with_gnostics_numbers() {
    for (place, json) in document::v3(&GROUPS, "v1.2.3") {
        let (bytes, _) = encode(&V3_DOCUMENT, &json);
        let read = v3::Document::decode(bytes).unwrap();
        assert_eq!(read.openapi, "3.0.0");
        let schemas = read.components.unwrap().schemas.unwrap();
        assert_eq!(schemas.json(), json["components"]["schemas"], "{place}");
        for named in read.paths.unwrap().path {
            assert_eq!(
                named.value.unwrap().json(),
                json["paths"][&named.name],
                "{}",
                named.name
            );
        }
    }
}
