//! What Kubernetes' own API machinery prescribes on the wire: quantities, times, request info,
//! Status, selectors, content negotiation and the encodings. Pure functions, no I/O.

mod audit_id;
mod duration;
mod human_duration;
pub mod json;
mod list_frame;
mod list_options;
mod meta;
mod negotiate;
mod object;
mod partial_object_metadata;
pub mod plain;
pub mod protobuf;
mod quantity;
mod query;
mod quote;
mod reply;
mod request_info;
mod selector;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod watch_event;
mod websocket;
pub mod yaml;

pub use audit_id::{AUDIT_ID, audit_id};
pub use duration::{GoDuration, InvalidDuration};
pub use human_duration::HumanDuration;
pub use list_frame::ListFrame;
pub use list_options::ListOptions;
pub use meta::{Creation, ListMeta, ObjectMeta};
pub use negotiate::{
    Conversion, MediaType, MetaVersion, Negotiated, NotAcceptable, Transform, choose, negotiate,
    takes_json,
};
pub use object::{Object, encode, respond, response};
pub use partial_object_metadata::{PartialObjectMetadata, PartialObjectMetadataList};
pub use quantity::{CanonicalQuantity, InvalidQuantity, Quantity};
pub use query::{
    InvalidEscape, Query, decode_path, decode_path_lossily, encode_path, percent_encode,
    query_escape,
};
pub use quote::{Quoted, Unquoted};
pub use reply::{Later, Piece, Pieces, Reply, Stream};
pub use request_info::{InvalidRequest, RequestInfo, ResourceInfo};
pub use selector::{
    FieldOperator, FieldRequirement, FieldSelector, InvalidFieldSelector, InvalidLabelSelector,
    LabelOperator, LabelRequirement, LabelSelector,
};
pub use status::{
    ForbiddenRequest, GroupResource, Status, StatusCause, StatusDetails, StatusReason,
};
pub use table::{IncludeObject, Table, TableColumn, TableRow};
pub use time::Rfc3339;
pub use watch_event::{Bookmark, EventType, StreamType, write_event, write_table_event};
pub use websocket::{is_websocket_request, retain_subprotocols, subprotocols};
