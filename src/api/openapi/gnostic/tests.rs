//! The messages below are declared from gnostic's published `OpenAPIv2.proto` and
//! `OpenAPIv3.proto`, apart from the tables under test, and read by prost.

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
        object.insert(extension.name.clone(), serde_saphyr::from_str(yaml).unwrap());
    }
}

fn text(object: &mut Map<String, Value>, name: &str, value: &str) {
    if !value.is_empty() {
        object.insert(name.to_owned(), value.into());
    }
}

mod v2 {
    use super::*;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Document {
        #[prost(string, tag = "1")]
        pub(super) swagger: String,
        #[prost(message, optional, tag = "2")]
        pub(super) info: Option<Info>,
        #[prost(message, optional, tag = "8")]
        pub(super) paths: Option<Paths>,
        #[prost(message, optional, tag = "9")]
        pub(super) definitions: Option<Schemas>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Info {
        #[prost(string, tag = "1")]
        pub(super) title: String,
        #[prost(string, tag = "2")]
        pub(super) version: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Paths {
        #[prost(message, repeated, tag = "2")]
        pub(super) path: Vec<NamedPathItem>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct NamedPathItem {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<PathItem>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct PathItem {
        #[prost(message, optional, tag = "2")]
        pub(super) get: Option<Operation>,
        #[prost(message, repeated, tag = "9")]
        pub(super) parameters: Vec<ParametersItem>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Operation {
        #[prost(string, repeated, tag = "1")]
        pub(super) tags: Vec<String>,
        #[prost(string, tag = "3")]
        pub(super) description: String,
        #[prost(string, tag = "5")]
        pub(super) operation_id: String,
        #[prost(string, repeated, tag = "6")]
        pub(super) produces: Vec<String>,
        #[prost(string, repeated, tag = "7")]
        pub(super) consumes: Vec<String>,
        #[prost(message, optional, tag = "9")]
        pub(super) responses: Option<Responses>,
        #[prost(string, repeated, tag = "10")]
        pub(super) schemes: Vec<String>,
        #[prost(message, repeated, tag = "13")]
        pub(super) vendor_extension: Vec<NamedAny>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Responses {
        #[prost(message, repeated, tag = "1")]
        pub(super) response_code: Vec<NamedResponseValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct NamedResponseValue {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<ResponseValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ResponseValue {
        #[prost(message, optional, tag = "1")]
        pub(super) response: Option<Response>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Response {
        #[prost(string, tag = "1")]
        pub(super) description: String,
        #[prost(message, optional, tag = "2")]
        pub(super) schema: Option<SchemaItem>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct SchemaItem {
        #[prost(message, optional, tag = "1")]
        pub(super) schema: Option<Schema>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ParametersItem {
        #[prost(message, optional, tag = "1")]
        pub(super) parameter: Option<Parameter>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Parameter {
        #[prost(message, optional, tag = "2")]
        pub(super) non_body_parameter: Option<NonBodyParameter>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct NonBodyParameter {
        #[prost(oneof = "Place", tags = "3, 4")]
        pub(super) place: Option<Place>,
    }
    #[derive(Clone, PartialEq, Oneof)]
    pub(super) enum Place {
        #[prost(message, tag = "3")]
        Query(Query),
        #[prost(message, tag = "4")]
        Path(Path),
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Query {
        #[prost(bool, tag = "1")]
        pub(super) required: bool,
        #[prost(string, tag = "2")]
        pub(super) r#in: String,
        #[prost(string, tag = "4")]
        pub(super) name: String,
        #[prost(string, tag = "6")]
        pub(super) r#type: String,
        #[prost(bool, tag = "20")]
        pub(super) unique_items: bool,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Path {
        #[prost(bool, tag = "1")]
        pub(super) required: bool,
        #[prost(string, tag = "2")]
        pub(super) r#in: String,
        #[prost(string, tag = "4")]
        pub(super) name: String,
        #[prost(string, tag = "5")]
        pub(super) r#type: String,
        #[prost(bool, tag = "19")]
        pub(super) unique_items: bool,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Schemas {
        #[prost(message, repeated, tag = "1")]
        pub(super) additional_properties: Vec<NamedSchema>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct NamedSchema {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<Schema>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Schema {
        #[prost(string, tag = "1")]
        pub(super) reference: String,
        #[prost(string, tag = "2")]
        pub(super) format: String,
        #[prost(string, tag = "4")]
        pub(super) description: String,
        #[prost(string, repeated, tag = "19")]
        pub(super) required: Vec<String>,
        #[prost(message, optional, boxed, tag = "21")]
        pub(super) additional: Option<Box<SchemaIn1>>,
        #[prost(message, optional, tag = "22")]
        pub(super) r#type: Option<Texts>,
        #[prost(message, optional, boxed, tag = "23")]
        pub(super) items: Option<Box<SchemaIn1>>,
        #[prost(message, optional, tag = "25")]
        pub(super) properties: Option<Schemas>,
        #[prost(message, repeated, tag = "31")]
        pub(super) vendor_extension: Vec<NamedAny>,
    }
    /// `AdditionalPropertiesItem` and `ItemsItem`, which look alike with one schema.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct SchemaIn1 {
        #[prost(message, optional, boxed, tag = "1")]
        pub(super) schema: Option<Box<Schema>>,
    }

    impl Schema {
        pub(super) fn json(&self) -> Value {
            let mut object = Map::new();
            text(&mut object, "$ref", &self.reference);
            text(&mut object, "format", &self.format);
            text(&mut object, "description", &self.description);
            if !self.required.is_empty() {
                object.insert("required".into(), json!(self.required));
            }
            if let Some(ty) = &self.r#type {
                assert_eq!(ty.value.len(), 1);
                object.insert("type".into(), json!(ty.value[0]));
            }
            for (name, inner) in [("additionalProperties", &self.additional), ("items", &self.items)] {
                if let Some(inner) = inner {
                    object.insert(name.into(), inner.schema.as_ref().unwrap().json());
                }
            }
            if let Some(properties) = &self.properties {
                object.insert("properties".into(), properties.json());
            }
            extend_with(&self.vendor_extension, &mut object);
            Value::Object(object)
        }
    }
    impl Schemas {
        pub(super) fn json(&self) -> Value {
            self.additional_properties
                .iter()
                .map(|named| (named.name.clone(), named.value.as_ref().unwrap().json()))
                .collect()
        }
    }
}

mod v3 {
    use super::*;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Document {
        #[prost(string, tag = "1")]
        pub(super) openapi: String,
        #[prost(message, optional, tag = "4")]
        pub(super) paths: Option<Paths>,
        #[prost(message, optional, tag = "5")]
        pub(super) components: Option<Components>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Components {
        #[prost(message, optional, tag = "1")]
        pub(super) schemas: Option<Schemas>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Paths {
        #[prost(message, repeated, tag = "1")]
        pub(super) path: Vec<NamedPathItem>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct NamedPathItem {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<PathItem>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct PathItem {
        #[prost(message, optional, tag = "4")]
        pub(super) get: Option<Operation>,
        #[prost(message, repeated, tag = "13")]
        pub(super) parameters: Vec<ParameterOrReference>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Operation {
        #[prost(string, tag = "5")]
        pub(super) operation_id: String,
        #[prost(message, optional, tag = "8")]
        pub(super) responses: Option<Responses>,
        #[prost(message, repeated, tag = "13")]
        pub(super) specification_extension: Vec<NamedAny>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ParameterOrReference {
        #[prost(message, optional, tag = "1")]
        pub(super) parameter: Option<Parameter>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Parameter {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) r#in: String,
        #[prost(bool, tag = "4")]
        pub(super) required: bool,
        #[prost(message, optional, tag = "10")]
        pub(super) schema: Option<SchemaOrReference>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Responses {
        #[prost(message, repeated, tag = "2")]
        pub(super) response_or_reference: Vec<NamedResponseOrReference>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct NamedResponseOrReference {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<ResponseOrReference>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ResponseOrReference {
        #[prost(message, optional, tag = "1")]
        pub(super) response: Option<Response>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Response {
        #[prost(string, tag = "1")]
        pub(super) description: String,
        #[prost(message, optional, tag = "3")]
        pub(super) content: Option<MediaTypes>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct MediaTypes {
        #[prost(message, repeated, tag = "1")]
        pub(super) additional_properties: Vec<NamedMediaType>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct NamedMediaType {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<MediaType>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct MediaType {
        #[prost(message, optional, tag = "1")]
        pub(super) schema: Option<SchemaOrReference>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Reference {
        #[prost(string, tag = "1")]
        pub(super) reference: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Schemas {
        #[prost(message, repeated, tag = "1")]
        pub(super) additional_properties: Vec<NamedSchemaOrReference>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct NamedSchemaOrReference {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<SchemaOrReference>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct SchemaOrReference {
        #[prost(oneof = "Either", tags = "1, 2")]
        pub(super) either: Option<Either>,
    }
    #[derive(Clone, PartialEq, Oneof)]
    pub(super) enum Either {
        #[prost(message, tag = "1")]
        Schema(Box<Schema>),
        #[prost(message, tag = "2")]
        Reference(Reference),
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Schema {
        #[prost(bool, tag = "20")]
        pub(super) unique_items: bool,
        #[prost(string, repeated, tag = "23")]
        pub(super) required: Vec<String>,
        #[prost(string, tag = "25")]
        pub(super) r#type: String,
        #[prost(message, repeated, tag = "26")]
        pub(super) all_of: Vec<SchemaOrReference>,
        #[prost(message, optional, tag = "30")]
        pub(super) items: Option<SchemaIn1>,
        #[prost(message, optional, tag = "31")]
        pub(super) properties: Option<Schemas>,
        #[prost(message, optional, tag = "32")]
        pub(super) additional: Option<SchemaIn1>,
        #[prost(string, tag = "34")]
        pub(super) description: String,
        #[prost(string, tag = "35")]
        pub(super) format: String,
        #[prost(message, repeated, tag = "36")]
        pub(super) specification_extension: Vec<NamedAny>,
    }
    /// `AdditionalPropertiesItem` and `ItemsItem`, which look alike with one schema.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct SchemaIn1 {
        #[prost(message, optional, boxed, tag = "1")]
        pub(super) schema: Option<Box<SchemaOrReference>>,
    }

    impl SchemaOrReference {
        pub(super) fn json(&self) -> Value {
            match self.either.as_ref().unwrap() {
                Either::Schema(schema) => schema.json(),
                Either::Reference(reference) => json!({ "$ref": reference.reference }),
            }
        }
    }
    impl Schema {
        fn json(&self) -> Value {
            let mut object = Map::new();
            if self.unique_items {
                object.insert("uniqueItems".into(), true.into());
            }
            text(&mut object, "type", &self.r#type);
            text(&mut object, "format", &self.format);
            text(&mut object, "description", &self.description);
            if !self.required.is_empty() {
                object.insert("required".into(), json!(self.required));
            }
            if !self.all_of.is_empty() {
                let all: Vec<Value> = self.all_of.iter().map(SchemaOrReference::json).collect();
                object.insert("allOf".into(), json!(all));
            }
            for (name, inner) in [("additionalProperties", &self.additional), ("items", &self.items)] {
                if let Some(inner) = inner {
                    object.insert(name.into(), inner.schema.as_ref().unwrap().json());
                }
            }
            if let Some(properties) = &self.properties {
                object.insert("properties".into(), properties.json());
            }
            extend_with(&self.specification_extension, &mut object);
            Value::Object(object)
        }
    }
    impl Schemas {
        pub(super) fn json(&self) -> Value {
            self.additional_properties
                .iter()
                .map(|named| (named.name.clone(), named.value.as_ref().unwrap().json()))
                .collect()
        }
    }
}
