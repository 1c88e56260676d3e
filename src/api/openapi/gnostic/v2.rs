//! Field numbers of gnostic's `openapi.v2` package, for the members our documents have.

use serde_json::Value;

use super::{Message, Shape};

const TEXTS: Shape = Shape::Each(&Shape::Text);

/// `openapi.v2.Document`.
pub(in super::super) static DOCUMENT: Message = Message {
    members: &[
        ("swagger", 1, Shape::Text),
        ("info", 2, Shape::Of(&INFO)),
        // Paths has the paths in its field 2, Definitions the definitions in its field 1.
        (
            "paths",
            8,
            Shape::Within(2, &Shape::Named(&Shape::Of(&PATH_ITEM))),
        ),
        (
            "definitions",
            9,
            Shape::Within(1, &Shape::Named(&Shape::Of(&SCHEMA))),
        ),
    ],
    extensions: 16,
};

static INFO: Message = Message {
    members: &[
        ("title", 1, Shape::Text),
        ("version", 2, Shape::Text),
        ("description", 3, Shape::Text),
    ],
    extensions: 7,
};

static PATH_ITEM: Message = Message {
    members: &[
        ("get", 2, Shape::Of(&OPERATION)),
        ("parameters", 9, Shape::Each(&Shape::Parameter)),
    ],
    extensions: 10,
};

static OPERATION: Message = Message {
    members: &[
        ("tags", 1, TEXTS),
        ("description", 3, Shape::Text),
        ("operationId", 5, Shape::Text),
        ("produces", 6, TEXTS),
        ("consumes", 7, TEXTS),
        // Responses has the codes in its field 1; each is a ResponseValue with a response in its
        // field 1.
        (
            "responses",
            9,
            Shape::Within(1, &Shape::Named(&Shape::Within(1, &Shape::Of(&RESPONSE)))),
        ),
        ("schemes", 10, TEXTS),
    ],
    extensions: 13,
};

static RESPONSE: Message = Message {
    members: &[
        ("description", 1, Shape::Text),
        ("schema", 2, Shape::Within(1, &Shape::Of(&SCHEMA))),
    ],
    extensions: 5,
};

static SCHEMA: Message = Message {
    members: &[
        ("$ref", 1, Shape::Text),
        ("format", 2, Shape::Text),
        ("description", 4, Shape::Text),
        ("required", 19, TEXTS),
        (
            "additionalProperties",
            21,
            Shape::Within(1, &Shape::Of(&SCHEMA)),
        ),
        ("type", 22, Shape::Within(1, &Shape::Text)),
        ("items", 23, Shape::Within(1, &Shape::Of(&SCHEMA))),
        (
            "properties",
            25,
            Shape::Within(1, &Shape::Named(&Shape::Of(&SCHEMA))),
        ),
    ],
    extensions: 31,
};

/// `ParametersItem` holds a parameter in its field 1, which holds one without a body in its field
/// 2, which holds one of the query in its field 3 and one of the path in its field 4.
pub(super) fn parameter(value: &Value) -> &'static Shape {
    match value.get("in").and_then(Value::as_str) {
        Some("path") => &OF_PATH,
        _ => &OF_QUERY,
    }
}

static OF_PATH: Shape = Shape::Within(1, &Shape::Within(2, &Shape::Within(4, &Shape::Of(&PATH))));
static OF_QUERY: Shape = Shape::Within(1, &Shape::Within(2, &Shape::Within(3, &Shape::Of(&QUERY))));

static QUERY: Message = Message {
    members: &[
        ("required", 1, Shape::Flag),
        ("in", 2, Shape::Text),
        ("description", 3, Shape::Text),
        ("name", 4, Shape::Text),
        ("type", 6, Shape::Text),
        ("uniqueItems", 20, Shape::Flag),
    ],
    extensions: 23,
};

static PATH: Message = Message {
    members: &[
        ("required", 1, Shape::Flag),
        ("in", 2, Shape::Text),
        ("description", 3, Shape::Text),
        ("name", 4, Shape::Text),
        ("type", 5, Shape::Text),
        ("uniqueItems", 19, Shape::Flag),
    ],
    extensions: 22,
};
