//! Field numbers of gnostic's `openapi.v3` package, for the members our documents have.

use super::{Message, Shape};

const TEXTS: Shape = Shape::Each(&Shape::Text);

/// `openapi.v3.Document`.
pub(in super::super) static DOCUMENT: Message = Message {
    members: &[
        ("openapi", 1, Shape::Text),
        ("info", 2, Shape::Of(&INFO)),
        (
            "paths",
            4,
            Shape::Within(1, &Shape::Named(&Shape::Of(&PATH_ITEM))),
        ),
        ("components", 5, Shape::Of(&COMPONENTS)),
    ],
    extensions: 9,
};

/// `openapi.v3.Reference`.
pub(super) static REFERENCE: Message = Message {
    members: &[("$ref", 1, Shape::Text)],
    extensions: 0,
};

static INFO: Message = Message {
    members: &[
        ("title", 1, Shape::Text),
        ("description", 2, Shape::Text),
        ("version", 6, Shape::Text),
    ],
    extensions: 7,
};

static PATH_ITEM: Message = Message {
    members: &[
        ("get", 4, Shape::Of(&OPERATION)),
        (
            "parameters",
            13,
            Shape::Each(&Shape::OrReference(&PARAMETER)),
        ),
    ],
    extensions: 14,
};

static OPERATION: Message = Message {
    members: &[
        ("tags", 1, TEXTS),
        ("description", 3, Shape::Text),
        ("operationId", 5, Shape::Text),
        // Responses has the codes in its field 2.
        (
            "responses",
            8,
            Shape::Within(2, &Shape::Named(&Shape::OrReference(&RESPONSE))),
        ),
    ],
    extensions: 13,
};

static PARAMETER: Message = Message {
    members: &[
        ("name", 1, Shape::Text),
        ("in", 2, Shape::Text),
        ("description", 3, Shape::Text),
        ("required", 4, Shape::Flag),
        ("schema", 10, Shape::OrReference(&SCHEMA)),
    ],
    extensions: 14,
};

static RESPONSE: Message = Message {
    members: &[
        ("description", 1, Shape::Text),
        (
            "content",
            3,
            Shape::Within(1, &Shape::Named(&Shape::Of(&MEDIA_TYPE))),
        ),
    ],
    extensions: 5,
};

static MEDIA_TYPE: Message = Message {
    members: &[("schema", 1, Shape::OrReference(&SCHEMA))],
    extensions: 5,
};

static COMPONENTS: Message = Message {
    members: &[(
        "schemas",
        1,
        Shape::Within(1, &Shape::Named(&Shape::OrReference(&SCHEMA))),
    )],
    extensions: 10,
};

static SCHEMA: Message = Message {
    members: &[
        ("uniqueItems", 20, Shape::Flag),
        ("required", 23, TEXTS),
        ("type", 25, Shape::Text),
        ("allOf", 26, Shape::Each(&Shape::OrReference(&SCHEMA))),
        ("items", 30, Shape::Within(1, &Shape::OrReference(&SCHEMA))),
        (
            "properties",
            31,
            Shape::Within(1, &Shape::Named(&Shape::OrReference(&SCHEMA))),
        ),
        (
            "additionalProperties",
            32,
            Shape::Within(1, &Shape::OrReference(&SCHEMA)),
        ),
        ("description", 34, Shape::Text),
        ("format", 35, Shape::Text),
    ],
    extensions: 36,
};
