//! JSON with the order of its keys, which comparisons of values forget.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The structure of a JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// An object: its keys as they come.
    Object(Vec<(String, Self)>),
    /// An array.
    Array(Vec<Self>),
    /// Anything else.
    Leaf,
}

struct Reading;

impl Shape {
    /// The keys of an object, as they come.
    pub(super) fn keys(&self) -> Vec<&str> {
        match self {
            Self::Object(fields) => fields.iter().map(|(key, _)| key.as_str()).collect(),
            Self::Array(_) | Self::Leaf => Vec::new(),
        }
    }

    /// What is below a key.
    pub(super) fn below(&self, key: &str) -> &Self {
        let Self::Object(fields) = self else {
            return &Self::Leaf;
        };
        let mut fields = fields.iter();
        fields
            .find(|(name, _)| name == key)
            .map_or(&Self::Leaf, |(_, shape)| shape)
    }

    /// The elements of an array.
    pub(super) fn elements(&self) -> &[Self] {
        match self {
            Self::Array(elements) => elements,
            Self::Object(_) | Self::Leaf => &[],
        }
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

impl<'de> Visitor<'de> for Reading {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Shape::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Shape::Array(elements))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order() {
        let text = r#"{"b":{"z":1,"a":[{"y":null,"x":"s"}]},"a":true}"#;
        let shape: Shape = serde_json::from_str(text).unwrap();
        assert_eq!(shape.keys(), ["b", "a"]);
        assert_eq!(shape.below("b").keys(), ["z", "a"]);
        assert_eq!(shape.below("b").below("a").elements()[0].keys(), ["y", "x"]);
        assert!(shape.below("c").elements().is_empty());
    }
}
