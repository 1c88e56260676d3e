//! What a request wants to do, as a SubjectAccessReview asks it.

use k8s_openapi::api::authorization::v1::{
    FieldSelectorAttributes, LabelSelectorAttributes, NonResourceAttributes, ResourceAttributes,
    SubjectAccessReviewSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    FieldSelectorRequirement, LabelSelectorRequirement,
};

use super::user::User;
use crate::apimachinery::{
    FieldOperator, FieldRequirement, LabelOperator, LabelRequirement, RequestInfo, ResourceInfo,
};

/// May `user` do what `request` asks for?
pub(super) fn question(user: &User, request: &RequestInfo) -> SubjectAccessReviewSpec {
    let path = || NonResourceAttributes {
        path: Some(request.path.clone()),
        verb: Some(request.verb.clone()),
    };
    let resource = request.resource.as_ref();
    SubjectAccessReviewSpec {
        user: Some(user.name.clone()),
        uid: (!user.uid.is_empty()).then(|| user.uid.clone()),
        groups: (!user.groups.is_empty()).then(|| user.groups.clone()),
        extra: (!user.extra.is_empty()).then(|| user.extra.clone()),
        non_resource_attributes: resource.is_none().then(path),
        resource_attributes: resource.map(|r| resource_attributes(&request.verb, r)),
    }
}

/// How many bytes of the request's choosing the question holds.
pub(super) fn chosen_bytes(request: &RequestInfo) -> usize {
    let resource = request.resource.as_ref().map_or(0, |r| {
        [
            &r.namespace,
            &r.group,
            &r.version,
            &r.resource,
            &r.subresource,
            &r.name,
            &r.field_selector,
            &r.label_selector,
        ]
        .iter()
        .map(|part| part.len())
        .sum()
    });
    request.path.len() + request.verb.len() + resource
}

fn resource_attributes(verb: &str, resource: &ResourceInfo) -> ResourceAttributes {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let fields = resource.field_requirements();
    let labels = resource.label_requirements();
    ResourceAttributes {
        verb: some(verb),
        group: some(&resource.group),
        version: some(&resource.version),
        namespace: some(&resource.namespace),
        resource: some(&resource.resource),
        subresource: some(&resource.subresource),
        name: some(&resource.name),
        field_selector: (!fields.is_empty()).then(|| FieldSelectorAttributes {
            raw_selector: None,
            requirements: Some(fields.iter().map(field_requirement).collect()),
        }),
        label_selector: (!labels.is_empty()).then(|| LabelSelectorAttributes {
            raw_selector: None,
            requirements: Some(labels.iter().filter_map(label_requirement).collect()),
        }),
    }
}

fn field_requirement(requirement: &FieldRequirement) -> FieldSelectorRequirement {
    let operator = match requirement.operator {
        FieldOperator::Equals => "In",
        FieldOperator::NotEquals => "NotIn",
    };
    FieldSelectorRequirement {
        key: requirement.field.to_string(),
        operator: operator.to_owned(),
        values: Some(vec![requirement.value.to_string()]),
    }
}

/// `None` for comparisons of numbers, which a review cannot express: the question is then less
/// restricted.
fn label_requirement(requirement: &LabelRequirement) -> Option<LabelSelectorRequirement> {
    let texts = |values: &[Box<str>]| Some(values.iter().map(ToString::to_string).collect());
    let (operator, values) = match &requirement.operator {
        LabelOperator::In(values) => ("In", texts(values)),
        LabelOperator::NotIn(values) => ("NotIn", texts(values)),
        LabelOperator::Exists => ("Exists", None),
        LabelOperator::DoesNotExist => ("DoesNotExist", None),
        LabelOperator::GreaterThan(_) | LabelOperator::LessThan(_) => return None,
    };
    Some(LabelSelectorRequirement {
        key: requirement.key.to_string(),
        operator: operator.to_owned(),
        values,
    })
}
