//! The answer to a list, passed on object by object.
//!
//! A list in protobuf is never whole in memory: each object is read as soon as its bytes are there.
//! So the whole cluster can be asked for in one request, which the API server answers out of its
//! cache, packed as one stream; pages would each be a request more for it.

use bytes::{Buf, Bytes, BytesMut};
use http::Response;
use kube::client::Body;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::body::{Encoding, Pieces};
use super::object::{Object, Text};
use super::request::{LARGEST_LIST, LARGEST_OBJECT, LARGEST_PAGE, WatchError, garbled};
use super::watch::Follower;
use crate::apimachinery::protobuf::{Field, MAGIC, Malformed, Message, header};

/// What a list, or a page of one, says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ListEnd {
    /// Where the next page starts; `None` on the last one.
    pub(super) next: Option<String>,
    /// The list's resource version, to watch from.
    pub(super) version: Option<String>,
}

/// Passes the objects of a list on to `follower`.
pub(super) async fn read_list(
    response: Response<Body>,
    follower: &mut dyn Follower,
) -> Result<ListEnd, WatchError> {
    match Encoding::of(response.headers()) {
        Encoding::Json => {
            let mut pieces = Pieces::of(response, LARGEST_PAGE);
            let mut page = BytesMut::new();
            while let Some(piece) = pieces.next().await? {
                page.extend_from_slice(&piece);
            }
            read_page(&page, follower)
        }
        Encoding::Protobuf => {
            let mut pieces = Pieces::of(response, LARGEST_LIST);
            let mut list = ProtobufList::default();
            while let Some(piece) = pieces.next().await? {
                list.push(&piece);
                while let Some(object) = list.next()? {
                    follower.listed(Object::Protobuf(&object));
                }
            }
            list.end()
        }
    }
}

#[derive(Deserialize)]
struct JsonList<'a> {
    #[serde(borrow, default)]
    metadata: ListMeta<'a>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta<'a> {
    #[serde(borrow, default)]
    resource_version: Text<'a>,
    #[serde(rename = "continue", borrow, default)]
    next: Text<'a>,
}

impl<'a> Message<'a> for ListMeta<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            2 => self.resource_version = field.text()?.into(),
            3 => self.next = field.text()?.into(),
            _ => {}
        }
        Ok(())
    }
}

impl From<ListMeta<'_>> for ListEnd {
    fn from(metadata: ListMeta<'_>) -> Self {
        let given = |text: Text<'_>| (!text.is_empty()).then(|| text.to_string());
        Self {
            next: given(metadata.next),
            version: given(metadata.resource_version),
        }
    }
}

fn read_page(page: &[u8], follower: &mut dyn Follower) -> Result<ListEnd, WatchError> {
    let JsonList { metadata, items } = serde_json::from_slice(page).map_err(garbled)?;
    for object in items.into_iter().flatten() {
        follower.listed(Object::Json(object));
    }
    Ok(metadata.into())
}

/// Cuts a list in protobuf into its objects while it arrives.
#[derive(Debug, Default)]
struct ProtobufList {
    buffer: BytesMut,
    place: Place,
    end: ListEnd,
}

/// What the buffer begins with.
#[derive(Clone, Copy, Debug, Default)]
enum Place {
    /// The magic.
    #[default]
    Start,
    /// A field of the envelope.
    Envelope,
    /// A field of the list, of which so many bytes have not been cut yet.
    List(usize),
}

impl ProtobufList {
    /// Adds the next piece. Call only after [`Self::next`] gave `None`.
    fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next object; `None` when more pieces are needed.
    fn next(&mut self) -> Result<Option<Bytes>, WatchError> {
        loop {
            match self.place {
                Place::Start => {
                    let Some(begin) = self.buffer.get(..MAGIC.len()) else {
                        return Ok(None);
                    };
                    if begin != MAGIC {
                        return Err(not_a_list("it does not begin as protobuf"));
                    }
                    self.buffer.advance(MAGIC.len());
                    self.place = Place::Envelope;
                }
                Place::List(0) => self.place = Place::Envelope,
                Place::Envelope | Place::List(_) => {
                    let Some((number, content)) = self.field()? else {
                        return Ok(None);
                    };
                    match (self.place, number) {
                        (Place::List(_), 1) => {
                            self.end = ListMeta::read(&content).map_err(garbled)?.into();
                        }
                        (Place::List(_), 2) => return Ok(Some(content)),
                        (Place::Start | Place::Envelope | Place::List(_), _) => {}
                    }
                }
            }
        }
    }

    /// Cuts the next field; of the one that holds the list only what stands before it.
    fn field(&mut self) -> Result<Option<(u32, Bytes)>, WatchError> {
        let Some(header) = header(&self.buffer).map_err(garbled)? else {
            return Ok(None);
        };
        let of_list = match self.place {
            Place::List(left) => Some(left),
            Place::Start | Place::Envelope => None,
        };
        if of_list.is_none() && header.number == 2 && header.delimited {
            self.buffer.advance(header.head);
            self.place = Place::List(header.content);
            return Ok(Some((0, Bytes::new())));
        }
        if header.content > LARGEST_OBJECT {
            return Err(WatchError::TooLarge {
                limit: LARGEST_OBJECT,
            });
        }
        let size = header.head + header.content;
        if let Some(left) = of_list {
            let left = left.checked_sub(size);
            let left = left.ok_or_else(|| not_a_list("an object reaches beyond its end"))?;
            if self.buffer.len() < size {
                return Ok(None);
            }
            self.place = Place::List(left);
        } else if self.buffer.len() < size {
            return Ok(None);
        }
        let mut field = self.buffer.split_to(size);
        field.advance(header.head);
        let number = if header.delimited { header.number } else { 0 };
        Ok(Some((number, field.freeze())))
    }

    /// What the list said of itself, once all of it was there.
    fn end(self) -> Result<ListEnd, WatchError> {
        let whole = match self.place {
            Place::Envelope | Place::List(0) => self.buffer.is_empty(),
            Place::Start | Place::List(_) => false,
        };
        match self.end.version {
            Some(_) if whole => Ok(self.end),
            Some(_) | None => Err(not_a_list("it ends early or has no resource version")),
        }
    }
}

fn not_a_list(reason: &str) -> WatchError {
    WatchError::Garbled {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_pb::api::core::v1 as core;
    use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
    use k8s_pb::apimachinery::pkg::runtime::Unknown;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn list(names: &[String], next: &str) -> Vec<u8> {
        let named = |name: &String| core::Namespace {
            metadata: Some(meta::ObjectMeta {
                name: Some(name.clone()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let list = core::NamespaceList {
            metadata: Some(meta::ListMeta {
                resource_version: Some("812".into()),
                r#continue: Some(next.into()),
                ..Default::default()
            }),
            items: names.iter().map(named).collect(),
        };
        let unknown = Unknown {
            raw: Some(list.encode_to_vec()),
            content_type: Some(String::new()),
            ..Default::default()
        };
        [MAGIC.as_slice(), &unknown.encode_to_vec()].concat()
    }

    fn cut(pieces: &[&[u8]]) -> Result<(Vec<String>, ListEnd), WatchError> {
        let (mut list, mut names) = (ProtobufList::default(), Vec::new());
        for piece in pieces {
            list.push(piece);
            while let Some(object) = list.next()? {
                let namespace = core::Namespace::decode(object).unwrap();
                names.push(namespace.metadata.unwrap().name.unwrap());
            }
        }
        Ok((names, list.end()?))
    }

    #[test]
    fn a_list_without_objects_has_its_version_all_the_same() {
        let (names, end) = cut(&[&list(&[], "")]).unwrap();
        assert!(names.is_empty());
        assert_eq!((end.version.as_deref(), end.next), (Some("812"), None));
    }

    #[test]
    fn a_list_that_ends_early_is_none() {
        let bytes = list(&["a".into(), "b".into()], "");
        // What follows the list in its envelope may be missing.
        let until = bytes.len() - 2;
        for len in 0..until {
            assert!(cut(&[&bytes[..len]]).is_err(), "{len} of {until}");
        }
        assert!(cut(&[&bytes[..until]]).is_ok());
    }

    #[test]
    fn an_object_that_cannot_be_is_refused_before_it_is_there() {
        let huge = b"k8s\0\x12\xff\xff\xff\xff\x0f\x12\xff\xff\xff\x7f";
        let limit = LARGEST_OBJECT;
        assert_eq!(cut(&[huge]), Err(WatchError::TooLarge { limit }));
        for bytes in [b"k8s\0\x12\x03\x12\x02a".as_slice(), b"{}    ", b"k8s\0\0"] {
            assert!(matches!(cut(&[bytes]), Err(WatchError::Garbled { .. })));
        }
    }

    proptest! {
        #[test]
        fn the_objects_do_not_depend_on_the_cuts(
            names in prop::collection::vec("[a-z]{1,300}", 0..6),
            next in "[a-z]{0,9}",
            size in 1_usize..400,
        ) {
            let bytes = list(&names, &next);
            let pieces: Vec<_> = bytes.chunks(size).collect();
            let (read, end) = cut(&pieces).unwrap();
            prop_assert_eq!(read, names);
            prop_assert_eq!(end.next, Some(next).filter(|next| !next.is_empty()));
        }
    }
}
