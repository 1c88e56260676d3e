//! The types we serve, described for OpenAPI.

mod coverage;
mod discovery;
mod meta;
mod metrics;

use serde_json::{Map, Value, json};

/// Which OpenAPI a description is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// OpenAPI 2.0, also known as Swagger.
    V2,
    /// OpenAPI 3.0.
    V3,
}

/// One type: an object with fields, or a text with a format of its own.
#[derive(Debug)]
pub(super) struct Type {
    /// Its full name, but for types of a served group only the kind.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) text: &'static str,
    /// What it consists of.
    pub(super) form: Form,
    /// It is a kind of its own, that a client can name by group, version and kind.
    pub(super) kind: bool,
}

/// What a type consists of.
#[derive(Debug)]
pub(super) enum Form {
    /// Named fields.
    Fields(&'static [Field]),
    /// A JSON string, of this format if it is not empty.
    Text(&'static str),
    /// Any JSON object.
    Anything,
}

/// A field of a type.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name in JSON.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) shape: Shape,
    /// What it means.
    pub(super) text: &'static str,
    /// It is always there.
    pub(super) required: bool,
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Shape {
    Text,
    Bool,
    Int32,
    Int64,
    /// A type of `meta/v1` or `api/resource`, by full name.
    Of(&'static str),
    /// A type of the same group and version, by kind.
    Sibling(&'static str),
    List(&'static Self),
    /// A JSON object with values of one shape.
    MapOf(&'static Self),
}

/// A version of a group, as far as its types need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming<'a> {
    pub(super) dialect: Dialect,
    /// What full names of the group's own types begin with, up to the last dot.
    pub(super) package: &'a str,
    pub(super) group: &'a str,
    pub(super) version: &'a str,
}

/// A group's own types; one whose types are not described here has none.
pub(super) fn group_types(group: &str) -> &'static [Type] {
    match group {
        "metrics.k8s.io" => &metrics::TYPES,
        "loadline.io" => &coverage::TYPES,
        _ => &[],
    }
}

/// The types every group shares.
pub(super) fn shared_types() -> impl Iterator<Item = &'static Type> {
    meta::TYPES.iter().chain(&discovery::TYPES)
}

pub(super) const fn field(name: &'static str, shape: Shape, text: &'static str) -> Field {
    Field {
        name,
        shape,
        text,
        required: false,
    }
}

pub(super) const fn required(name: &'static str, shape: Shape, text: &'static str) -> Field {
    Field {
        name,
        shape,
        text,
        required: true,
    }
}

impl Dialect {
    /// A reference to the type of this full name.
    pub(super) fn reference(self, name: &str) -> Value {
        let place = match self {
            Self::V2 => "#/definitions/",
            Self::V3 => "#/components/schemas/",
        };
        json!({ "$ref": format!("{place}{name}") })
    }
}

impl Naming<'_> {
    /// The full name of a type of the group.
    pub(super) fn name(&self, kind: &str) -> String {
        format!("{}.{kind}", self.package)
    }

    /// The type's schema.
    pub(super) fn schema(&self, ty: &Type) -> Value {
        let mut schema = Map::new();
        schema.insert("description".into(), ty.text.into());
        match ty.form {
            Form::Fields(fields) => self.fields(&mut schema, fields),
            Form::Text(format) => {
                schema.insert("type".into(), "string".into());
                if !format.is_empty() {
                    schema.insert("format".into(), format.into());
                }
            }
            Form::Anything => {
                schema.insert("type".into(), "object".into());
            }
        }
        if ty.kind {
            schema.insert(
                "x-kubernetes-group-version-kind".into(),
                json!([self.group_version_kind(ty.name)]),
            );
        }
        Value::Object(schema)
    }

    /// Group, version and kind as Kubernetes' extension spells them.
    pub(super) fn group_version_kind(&self, kind: &str) -> Value {
        json!({ "group": self.group, "kind": kind, "version": self.version })
    }

    fn fields(&self, schema: &mut Map<String, Value>, fields: &[Field]) {
        schema.insert("type".into(), "object".into());
        let properties = fields
            .iter()
            .map(|field| (field.name.to_owned(), self.property(field)))
            .collect();
        schema.insert("properties".into(), Value::Object(properties));
        let required: Vec<&str> = fields
            .iter()
            .filter(|field| field.required)
            .map(|field| field.name)
            .collect();
        if !required.is_empty() {
            schema.insert("required".into(), json!(required));
        }
    }

    fn property(&self, field: &Field) -> Value {
        let mut property = self.shape(&field.shape);
        // OpenAPI 3.0 ignores whatever stands beside a "$ref".
        if self.dialect == Dialect::V3 && property.get("$ref").is_some() {
            property = json!({ "allOf": [property] });
        }
        if let Value::Object(property) = &mut property {
            property.insert("description".into(), field.text.into());
        }
        property
    }

    fn shape(&self, shape: &Shape) -> Value {
        match shape {
            Shape::Text => json!({ "type": "string" }),
            Shape::Bool => json!({ "type": "boolean" }),
            Shape::Int32 => json!({ "type": "integer", "format": "int32" }),
            Shape::Int64 => json!({ "type": "integer", "format": "int64" }),
            Shape::Of(name) => self.dialect.reference(name),
            Shape::Sibling(kind) => self.dialect.reference(&self.name(kind)),
            Shape::List(of) => json!({ "type": "array", "items": self.shape(of) }),
            Shape::MapOf(of) => json!({ "type": "object", "additionalProperties": self.shape(of) }),
        }
    }
}
