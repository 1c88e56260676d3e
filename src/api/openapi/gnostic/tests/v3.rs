//! `openapi.v3`, as far as our documents use it.

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
    #[prost(string, repeated, tag = "1")]
    pub(super) tags: Vec<String>,
    #[prost(string, tag = "3")]
    pub(super) description: String,
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
    #[prost(string, tag = "3")]
    pub(super) description: String,
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
        for (name, inner) in [
            ("additionalProperties", &self.additional),
            ("items", &self.items),
        ] {
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

impl PathItem {
    pub(super) fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("get".into(), self.get.as_ref().unwrap().json());
        if !self.parameters.is_empty() {
            let parameters: Vec<Value> = self
                .parameters
                .iter()
                .map(|parameter| parameter.parameter.as_ref().unwrap().json())
                .collect();
            object.insert("parameters".into(), json!(parameters));
        }
        Value::Object(object)
    }
}

impl Parameter {
    fn json(&self) -> Value {
        let mut object = Map::from_iter([
            ("in".to_owned(), json!(self.r#in)),
            ("name".to_owned(), json!(self.name)),
            ("description".to_owned(), json!(self.description)),
            ("schema".to_owned(), self.schema.as_ref().unwrap().json()),
        ]);
        if self.required {
            object.insert("required".into(), true.into());
        }
        Value::Object(object)
    }
}

impl Operation {
    fn json(&self) -> Value {
        let responses: Map<String, Value> = self
            .responses
            .iter()
            .flat_map(|responses| &responses.response_or_reference)
            .map(|named| {
                let response = named.value.as_ref().unwrap().response.as_ref().unwrap();
                let mut object = Map::new();
                text(&mut object, "description", &response.description);
                if let Some(content) = &response.content {
                    let content: Map<String, Value> = content
                        .additional_properties
                        .iter()
                        .map(|named| {
                            let schema = named.value.as_ref().unwrap().schema.as_ref();
                            (
                                named.name.clone(),
                                json!({ "schema": schema.unwrap().json() }),
                            )
                        })
                        .collect();
                    object.insert("content".into(), Value::Object(content));
                }
                (named.name.clone(), Value::Object(object))
            })
            .collect();
        let mut object = Map::from_iter([
            ("tags".to_owned(), json!(self.tags)),
            ("description".to_owned(), json!(self.description)),
            ("operationId".to_owned(), json!(self.operation_id)),
            ("responses".to_owned(), Value::Object(responses)),
        ]);
        extend_with(&self.specification_extension, &mut object);
        Value::Object(object)
    }
}
