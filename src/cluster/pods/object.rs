//! The part of a Pod that is read, borrowed from JSON or protobuf.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::apimachinery::protobuf::{Field, Malformed, Message};
use crate::cluster::object::{Metadata, Quantities, Text, add_quantity, number};

#[derive(Default, Deserialize)]
pub(super) struct Pod<'a> {
    #[serde(borrow)]
    pub(super) metadata: Metadata<'a>,
    #[serde(borrow)]
    pub(super) spec: Option<Spec<'a>>,
    #[serde(borrow)]
    pub(super) status: Option<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec<'a> {
    #[serde(borrow)]
    pub(super) node_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) init_containers: Option<Vec<Container<'a>>>,
    #[serde(borrow)]
    pub(super) containers: Option<Vec<Container<'a>>>,
    #[serde(borrow)]
    pub(super) ephemeral_containers: Option<Vec<Container<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) restart_policy: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) image: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) resources: Option<Resources<'a>>,
}

/// In JSON the fields of an ephemeral container stand beside those all containers have, in protobuf
/// these are a message of their own.
#[derive(Default)]
struct EphemeralContainer<'a>(Container<'a>);

#[derive(Default, Deserialize)]
pub(super) struct Resources<'a> {
    #[serde(borrow)]
    pub(super) requests: Option<Quantities<'a>>,
    #[serde(borrow)]
    pub(super) limits: Option<Quantities<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status<'a> {
    #[serde(borrow, default)]
    pub(super) phase: Text<'a>,
    #[serde(borrow)]
    pub(super) init_container_statuses: Option<Vec<ContainerStatus<'a>>>,
    #[serde(borrow)]
    pub(super) container_statuses: Option<Vec<ContainerStatus<'a>>>,
    #[serde(borrow)]
    pub(super) ephemeral_container_statuses: Option<Vec<ContainerStatus<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerStatus<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    pub(super) state: Option<State>,
    #[serde(default, deserialize_with = "number")]
    pub(super) restart_count: Option<u32>,
}

#[derive(Default, Deserialize)]
pub(super) struct State {
    pub(super) running: Option<IgnoredAny>,
}

impl<'a> Message<'a> for Pod<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.metadata.merge(field.bytes()?),
            2 => self.spec.get_or_insert_default().merge(field.bytes()?),
            3 => self.status.get_or_insert_default().merge(field.bytes()?),
            _ => Ok(()),
        }
    }
}

impl<'a> Message<'a> for Spec<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            2 => push(&mut self.containers, field.message()?),
            10 => self.node_name = Some(field.text()?.into()),
            20 => push(&mut self.init_containers, field.message()?),
            34 => {
                let EphemeralContainer(container) = field.message()?;
                push(&mut self.ephemeral_containers, container);
            }
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Container<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.name = field.text()?.into(),
            2 => self.image = Some(field.text()?.into()),
            8 => {
                let resources = self.resources.get_or_insert_default();
                resources.merge(field.bytes()?)?;
            }
            24 => self.restart_policy = Some(field.text()?.into()),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for EphemeralContainer<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.0.merge(field.bytes()?),
            _ => Ok(()),
        }
    }
}

impl<'a> Message<'a> for Resources<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => add_quantity(&mut self.limits, field),
            2 => add_quantity(&mut self.requests, field),
            _ => Ok(()),
        }
    }
}

impl<'a> Message<'a> for Status<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.phase = field.text()?.into(),
            8 => push(&mut self.container_statuses, field.message()?),
            10 => push(&mut self.init_container_statuses, field.message()?),
            13 => push(&mut self.ephemeral_container_statuses, field.message()?),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for ContainerStatus<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.name = field.text()?.into(),
            2 => self.state.get_or_insert_default().merge(field.bytes()?)?,
            5 => self.restart_count = u32::try_from(field.int32()?).ok(),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for State {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        if field.number == 2 {
            field.bytes()?;
            self.running = Some(IgnoredAny);
        }
        Ok(())
    }
}

fn push<T>(list: &mut Option<Vec<T>>, one: T) {
    list.get_or_insert_default().push(one);
}
