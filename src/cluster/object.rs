//! The parts of an API object that nodes, pods and namespaces have in common, borrowed from the
//! JSON they came in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Deref;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::apimachinery::Quantity;
use crate::domain::{Amounts, InvalidName};

/// A JSON string, borrowed unless it holds an escape.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The part of `metadata` that is read; `managedFields`, the bulk of it, is skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) namespace: Text<'a>,
    #[serde(borrow, default)]
    pub(super) uid: Text<'a>,
    #[serde(borrow)]
    pub(super) labels: Option<BTreeMap<Text<'a>, Text<'a>>>,
    /// Raw, because only those of nodes are read.
    #[serde(borrow)]
    pub(super) annotations: Option<&'a RawValue>,
}

/// Why an object was left out of the inventory.
#[derive(Debug, thiserror::Error)]
pub(super) enum Rejected {
    /// It does not have the shape of its kind.
    #[error("not the shape of its kind")]
    Shape(#[from] serde_json::Error),
    /// A name in it could not be one.
    #[error("a name in it is none")]
    Name(#[from] InvalidName),
}

/// A resource list; its quantities raw where one that cannot be read must not cost the whole
/// object.
pub(super) type Quantities<'a> = BTreeMap<Text<'a>, &'a RawValue>;

/// A quantity, which on the wire is a string but which Go reads from a number too.
pub(super) fn quantity(raw: &RawValue) -> Option<Quantity> {
    raw.get().trim_matches('"').parse().ok()
}

/// What a resource list says of the three resources every node has.
pub(super) fn amounts(quantities: &Quantities<'_>) -> Amounts {
    let of = |name| {
        quantities
            .get(&Text::from(name))
            .and_then(|raw| quantity(raw))
    };
    Amounts {
        cpu_millicores: of("cpu").map(Quantity::milli),
        memory: of("memory").map(Quantity::as_bytes),
        ephemeral_storage: of("ephemeral-storage").map(Quantity::as_bytes),
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}
