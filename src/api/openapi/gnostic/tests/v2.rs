//! `openapi.v2`, as far as our documents use it.

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
    #[prost(string, tag = "3")]
    pub(super) description: String,
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
    #[prost(string, tag = "3")]
    pub(super) description: String,
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

impl PathItem {
    pub(super) fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("get".into(), self.get.as_ref().unwrap().json());
        if !self.parameters.is_empty() {
            let parameters: Vec<Value> = self.parameters.iter().map(ParametersItem::json).collect();
            object.insert("parameters".into(), json!(parameters));
        }
        Value::Object(object)
    }
}

impl ParametersItem {
    fn json(&self) -> Value {
        let parameter = self.parameter.as_ref().unwrap();
        let place = parameter
            .non_body_parameter
            .as_ref()
            .unwrap()
            .place
            .as_ref();
        match place.unwrap() {
            Place::Query(q) => {
                assert!(!q.required);
                json!({ "in": q.r#in, "name": q.name, "description": q.description,
                        "type": q.r#type, "uniqueItems": q.unique_items })
            }
            Place::Path(p) => {
                json!({ "in": p.r#in, "name": p.name, "description": p.description,
                        "type": p.r#type, "uniqueItems": p.unique_items, "required": p.required })
            }
        }
    }
}

impl Operation {
    fn json(&self) -> Value {
        let responses: Map<String, Value> = self
            .responses
            .iter()
            .flat_map(|responses| &responses.response_code)
            .map(|named| {
                let response = named.value.as_ref().unwrap().response.as_ref().unwrap();
                let mut object = Map::new();
                text(&mut object, "description", &response.description);
                if let Some(schema) = &response.schema {
                    object.insert("schema".into(), schema.schema.as_ref().unwrap().json());
                }
                (named.name.clone(), Value::Object(object))
            })
            .collect();
        let mut object = Map::from_iter([
            ("tags".to_owned(), json!(self.tags)),
            ("description".to_owned(), json!(self.description)),
            ("operationId".to_owned(), json!(self.operation_id)),
            ("produces".to_owned(), json!(self.produces)),
            ("consumes".to_owned(), json!(self.consumes)),
            ("schemes".to_owned(), json!(self.schemes)),
            ("responses".to_owned(), Value::Object(responses)),
        ]);
        extend_with(&self.vendor_extension, &mut object);
        Value::Object(object)
    }
}
