//! The parts of an API object that nodes, pods and namespaces have in common, borrowed from the
//! bytes they came in.
//!
//! There is one such form of each object. Serde fills it from JSON, [`Message`] from protobuf; how
//! it becomes a record is the same for both.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::apimachinery::Quantity;
use crate::apimachinery::protobuf::{Field, Malformed, Message};
use crate::domain::{Amounts, InvalidName};

/// An object as the API server sent it. Nobody but the API server decides in which form.
#[derive(Clone, Copy, Debug)]
pub enum Object<'a> {
    /// Its JSON.
    Json(&'a RawValue),
    /// Its message, out of the envelope.
    Protobuf(&'a [u8]),
}

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Its JSON has another shape.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Its message has another shape.
    #[error(transparent)]
    Protobuf(#[from] Malformed),
}

/// Why an object was left out of the inventory.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// It does not have the shape of its kind.
    #[error("not the shape of its kind")]
    Shape(#[from] Unreadable),
    /// A name in it could not be one.
    #[error("a name in it is none")]
    Name(#[from] InvalidName),
}

impl<'a> Object<'a> {
    /// Reads what `T` wants of it.
    ///
    /// # Errors
    /// When the object does not have the shape of a `T`.
    pub fn read<T: Deserialize<'a> + Message<'a>>(self) -> Result<T, Unreadable> {
        Ok(match self {
            Self::Json(json) => serde_json::from_str(json.get())?,
            Self::Protobuf(message) => T::read(message)?,
        })
    }

    /// The resource version of any object, also of a bookmark's.
    pub(super) fn version(self) -> Option<String> {
        let Versioned { metadata } = self.read().ok()?;
        let version = metadata.resource_version;
        (!version.is_empty()).then(|| version.to_string())
    }
}

/// A text, borrowed unless it came as JSON with an escape in it.
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
    pub(super) annotations: Annotations<'a>,
}

/// Annotations as they came, because only those of nodes are read.
#[derive(Debug, Default)]
pub(super) enum Annotations<'a> {
    #[default]
    None,
    Json(&'a RawValue),
    /// The entries of the map.
    Protobuf(Vec<Field<'a>>),
}

/// A resource list.
pub(super) type Quantities<'a> = BTreeMap<Text<'a>, Given>;

/// A quantity, or nothing where the text is none: that must not cost the whole object.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given(pub(super) Option<Quantity>);

#[derive(Default, Deserialize)]
struct Versioned<'a> {
    #[serde(borrow)]
    metadata: Version<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version<'a> {
    #[serde(borrow, default)]
    resource_version: Text<'a>,
}

/// Field numbers here and in the other borrowed forms are those of Kubernetes' `generated.proto`.
impl<'a> Message<'a> for Metadata<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.name = field.text()?.into(),
            3 => self.namespace = field.text()?.into(),
            5 => self.uid = field.text()?.into(),
            11 => {
                let (key, value) = field.text_entry()?;
                let labels = self.labels.get_or_insert_default();
                labels.insert(key.into(), value.into());
            }
            12 => self.annotations.add(*field),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Versioned<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.metadata.merge(field.bytes()?),
            _ => Ok(()),
        }
    }
}

impl<'a> Message<'a> for Version<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        if field.number == 6 {
            self.resource_version = field.text()?.into();
        }
        Ok(())
    }
}

impl<'a> Annotations<'a> {
    fn add(&mut self, entry: Field<'a>) {
        if let Self::Protobuf(entries) = self {
            entries.push(entry);
        } else {
            *self = Self::Protobuf(vec![entry]);
        }
    }

    /// Reads them all.
    pub(super) fn read(&self) -> Result<BTreeMap<Text<'a>, Text<'a>>, Unreadable> {
        Ok(match self {
            Self::None => BTreeMap::new(),
            Self::Json(json) => serde_json::from_str(json.get())?,
            Self::Protobuf(entries) => {
                let texts = |(key, value): (&'a str, &'a str)| (key.into(), value.into());
                let entries = entries.iter().map(|entry| entry.text_entry().map(texts));
                entries.collect::<Result<_, _>>()?
            }
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Annotations<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given: Option<&'a RawValue> = Deserialize::deserialize(deserializer)?;
        Ok(given.map_or(Self::None, Self::Json))
    }
}

/// On the wire it is a text, but Go reads it from a number too.
impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: &RawValue = Deserialize::deserialize(deserializer)?;
        Ok(Self(raw.get().trim_matches('"').parse().ok()))
    }
}

impl<'a> Message<'a> for Given {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        if field.number == 1 {
            self.0 = field.text()?.parse().ok();
        }
        Ok(())
    }
}

/// Adds one entry of a resource list in protobuf.
pub(super) fn add_quantity<'a>(
    quantities: &mut Option<Quantities<'a>>,
    entry: &Field<'a>,
) -> Result<(), Malformed> {
    let (name, given) =
        entry.entry(|field, given: &mut Given| field.bytes().and_then(|b| given.merge(b)))?;
    let quantities = quantities.get_or_insert_default();
    quantities.insert(name.into(), given);
    Ok(())
}

/// A number in JSON, or nothing where something else stands: that costs only itself.
pub(super) fn number<'de, D: Deserializer<'de>, T: FromStr>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let raw: &RawValue = Deserialize::deserialize(deserializer)?;
    Ok(raw.get().parse().ok())
}

/// What a resource list says of the three resources every node has.
pub(super) fn amounts(quantities: &Quantities<'_>) -> Amounts {
    let of = |name| quantities.get(&Text::from(name)).and_then(|given| given.0);
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
