//! The part of a Node that is read, borrowed from JSON or protobuf.

use serde::Deserialize;

use crate::apimachinery::protobuf::{Field, Malformed, Message};
use crate::cluster::object::{Metadata, Quantities, Text, add_quantity, number};

#[derive(Default, Deserialize)]
pub(super) struct Node<'a> {
    #[serde(borrow)]
    pub(super) metadata: Metadata<'a>,
    #[serde(borrow)]
    pub(super) status: Option<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status<'a> {
    #[serde(borrow)]
    pub(super) addresses: Option<Vec<Address<'a>>>,
    #[serde(borrow)]
    pub(super) capacity: Option<Quantities<'a>>,
    #[serde(borrow)]
    pub(super) allocatable: Option<Quantities<'a>>,
    #[serde(borrow)]
    pub(super) conditions: Option<Vec<Condition<'a>>>,
    pub(super) daemon_endpoints: Option<DaemonEndpoints>,
}

#[derive(Default, Deserialize)]
pub(super) struct Address<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) address: Text<'a>,
}

#[derive(Default, Deserialize)]
pub(super) struct Condition<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) status: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DaemonEndpoints {
    pub(super) kubelet_endpoint: Option<Endpoint>,
}

/// Its field is upper case in JSON.
#[derive(Default, Deserialize)]
pub(super) struct Endpoint {
    #[serde(rename = "Port", default, deserialize_with = "number")]
    pub(super) port: Option<u16>,
}

impl<'a> Message<'a> for Node<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.metadata.merge(field.bytes()?),
            3 => self.status.get_or_insert_default().merge(field.bytes()?),
            _ => Ok(()),
        }
    }
}

impl<'a> Message<'a> for Status<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => add_quantity(&mut self.capacity, field)?,
            2 => add_quantity(&mut self.allocatable, field)?,
            4 => {
                let conditions = self.conditions.get_or_insert_default();
                conditions.push(field.message()?);
            }
            5 => {
                let addresses = self.addresses.get_or_insert_default();
                addresses.push(field.message()?);
            }
            6 => {
                let endpoints = self.daemon_endpoints.get_or_insert_default();
                endpoints.merge(field.bytes()?)?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Address<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.kind = field.text()?.into(),
            2 => self.address = field.text()?.into(),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Condition<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.kind = field.text()?.into(),
            2 => self.status = field.text()?.into(),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for DaemonEndpoints {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => {
                let endpoint = self.kubelet_endpoint.get_or_insert_default();
                endpoint.merge(field.bytes()?)
            }
            _ => Ok(()),
        }
    }
}

impl<'a> Message<'a> for Endpoint {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        if field.number == 1 {
            self.port = u16::try_from(field.int32()?).ok();
        }
        Ok(())
    }
}
