//! Every error Loadline knows.

use loadline::apimachinery::{
    ForbiddenRequest, GroupResource, MediaType, NotAcceptable, Object, RequestInfo, ResourceInfo,
    Status, StatusCause, encode,
};
use proptest::collection::btree_map;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::go::{self, Go, hexadecimal, same};
use super::values::{name, value};

/// What goes wrong, and with what.
#[derive(Debug)]
pub(super) struct Mistake {
    group: String,
    resource: String,
    name: String,
    text: String,
    seconds: u32,
    fields: Vec<(String, String)>,
}

impl Mistake {
    /// Every error Loadline knows, as it makes it and as Go makes it.
    pub(super) fn check(&self, judge: &mut Go) -> Result<(), TestCaseError> {
        let (group, resource) = (self.group.as_str(), self.resource.as_str());
        let about = GroupResource { group, resource };
        let text = self.text.as_str();
        for (constructor, status) in [
            ("unauthorized", Status::unauthorized()),
            ("not-found", Status::not_found(about, &self.name)),
            ("no-such-resource", Status::no_such_resource()),
            ("bad-request", Status::bad_request(text)),
            ("method-not-allowed", Status::method_not_allowed()),
            (
                "method-not-supported",
                Status::method_not_supported(about, text),
            ),
            ("timeout", Status::timeout()),
            (
                "too-many-requests",
                Status::too_many_requests(text, self.seconds),
            ),
            ("internal-error", Status::internal_error(text)),
            ("service-unavailable", Status::service_unavailable(text)),
            ("parts", Status::refused(text)),
            ("parts", Status::wrong_form(text)),
            ("parts", Status::not_acceptable(NotAcceptable::Route)),
            ("parts", Status::not_acceptable(NotAcceptable::Parameters)),
            ("invalid", Status::invalid(about, &self.name, self.causes())),
            ("forbidden", self.forbidden()),
        ] {
            self.compare(judge, constructor, &status)?;
        }
        Ok(())
    }

    fn causes(&self) -> Vec<StatusCause> {
        let cause = |(field, detail): &(String, String)| StatusCause {
            reason: "FieldValueForbidden".to_owned(),
            message: format!("Forbidden: {detail}"),
            field: field.clone(),
        };
        self.fields.iter().map(cause).collect()
    }

    fn forbidden(&self) -> Status {
        let info = RequestInfo {
            path: "/x".to_owned(),
            verb: "get".to_owned(),
            resource: Some(ResourceInfo {
                group: self.group.clone(),
                resource: self.resource.clone(),
                name: self.name.clone(),
                ..ResourceInfo::default()
            }),
        };
        Status::forbidden(ForbiddenRequest {
            user: &self.name,
            request: &info,
            reason: &self.text,
        })
    }

    fn compare(
        &self,
        judge: &mut Go,
        constructor: &str,
        status: &Status,
    ) -> Result<(), TestCaseError> {
        let message = status.message();
        let text = match constructor {
            "parts" => message,
            // Go is told who may not do what, and says itself that it is forbidden.
            "forbidden" => message
                .split_once(" is forbidden: ")
                .map_or("", |(_, why)| why),
            _ => &self.text,
        };
        let fields = self.fields.iter();
        let fields: Vec<Value> = fields
            .map(|(field, detail)| json!({ "field": field, "detail": detail }))
            .collect();
        let description = json!({ "kind": "status", "status": {
            "constructor": constructor,
            "group": self.group,
            "resource": self.resource,
            "name": self.name,
            "text": text,
            "seconds": self.seconds,
            "fields": fields,
            "reason": status.reason().as_str(),
            "code": status.code(),
            "details": status.details(),
        }});
        let theirs = judge.encode(&description);
        let of = |media_type, pretty| encode(status, media_type, pretty);
        let ours = [
            ("json", go::text(of(MediaType::Json, false))),
            ("pretty", go::text(of(MediaType::Json, true))),
            ("yaml", go::text(of(MediaType::Yaml, false))),
            ("protobuf", hexadecimal(&of(MediaType::Protobuf, false))),
        ];
        same(
            ours,
            &theirs,
            &format!(" of the {} {constructor}", status.kind()),
        )
    }
}

pub(super) fn mistake() -> impl Strategy<Value = Mistake> {
    let group = prop_oneof![
        Just(String::new()),
        Just("metrics.k8s.io".to_owned()),
        name()
    ];
    // What stands in quotes in a message is not any text: which characters Go can print is a long story.
    let quoted = "[ -~\t\n\u{1}äß日]{0,20}";
    let seconds = prop_oneof![0_u32..100, 0_u32..=i32::MAX.cast_unsigned()];
    // Without a detail Go leaves the colon before it out too; every rule of ours has one.
    let detail = value().prop_map(|text| format!("no {text}"));
    let fields = btree_map("[a-zA-Z]{1,20}", detail, 1..4);
    (group, name(), quoted, value(), seconds, fields).prop_map(
        |(group, resource, name, text, seconds, fields)| Mistake {
            group,
            resource,
            name,
            text,
            seconds,
            fields: fields.into_iter().collect(),
        },
    )
}
