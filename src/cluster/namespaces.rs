//! Namespaces: their names and UIDs, nothing else.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use serde::Deserialize;
use tracing::debug;

use super::object::{Metadata, Object, Rejected};
use super::request::Target;
use super::watch::Follower;
use crate::apimachinery::protobuf::{Field, Malformed, Message};
use crate::domain::{Inventory, Namespace};

/// All namespaces.
pub(super) const TARGET: Target = Target {
    resource: "namespaces",
    path: "/api/v1/namespaces",
    field_selector: None,
};

/// Writes namespaces into the inventory.
#[derive(Debug)]
pub(super) struct Namespaces {
    inventory: Arc<Inventory>,
    skipped: Counter,
    listed: Vec<(Namespace, Arc<str>)>,
}

#[derive(Default, Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

impl<'a> Message<'a> for Named<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.metadata.merge(field.bytes()?),
            _ => Ok(()),
        }
    }
}

impl Namespaces {
    pub(super) fn new(inventory: Arc<Inventory>, skipped: Counter) -> Self {
        Self {
            inventory,
            skipped,
            listed: Vec::new(),
        }
    }

    fn read(&self, object: Object<'_>) -> Option<(Namespace, Arc<str>)> {
        record(object)
            .inspect_err(|error| {
                self.skipped.inc();
                let cause = std::error::Error::source(error);
                debug!(%error, cause, "skipped a namespace");
            })
            .ok()
    }
}

impl Follower for Namespaces {
    fn list_begins(&mut self) {
        self.listed.clear();
    }

    fn listed(&mut self, object: Object<'_>) {
        let namespace = self.read(object);
        self.listed.extend(namespace);
    }

    fn list_ends(&mut self) {
        self.inventory
            .replace_namespaces(std::mem::take(&mut self.listed));
    }

    fn applied(&mut self, object: Object<'_>) {
        if let Some((name, uid)) = self.read(object) {
            self.inventory.apply_namespace(name, uid);
        }
    }

    fn deleted(&mut self, object: Object<'_>) {
        if let Some((name, uid)) = self.read(object) {
            self.inventory.remove_namespace(&name, &uid);
        }
    }
}

/// Reads a Namespace.
pub(super) fn record(object: Object<'_>) -> Result<(Namespace, Arc<str>), Rejected> {
    let Named { metadata } = object.read()?;
    Ok((Namespace::new(&*metadata.name)?, (&*metadata.uid).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_its_name_and_uid() {
        let read = |json: &str| record(Object::Json(serde_json::from_str(json).unwrap()));
        let json = r#"{"metadata":{"name":"team-a","uid":"u1","annotations":{"a":"b"}},
            "spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}}"#;
        let (name, uid) = read(json).unwrap();
        assert_eq!((name.as_str(), &*uid), ("team-a", "u1"));
        let nameless = read(r#"{"metadata":{"uid":"u1"}}"#);
        assert!(matches!(nameless, Err(Rejected::Name(_))));
    }
}
