//! The parts of an API object that nodes and pods have in common, borrowed from the JSON they came
//! in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Deref;

use serde::Deserialize;

use crate::domain::InvalidName;

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
    #[serde(borrow, default)]
    pub(super) annotations: Option<Annotations<'a>>,
}

/// The one annotation that matters, of a node.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Annotations<'a> {
    #[serde(rename = "metrics.k8s.io/resource-metrics-path", borrow)]
    pub(super) resource_metrics_path: Option<Text<'a>>,
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
