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
    FieldOperator, FieldRequirement, LabelOperator, LabelRequirement, Quoted, RequestInfo,
    ResourceInfo,
};

/// What somebody wants to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Question(Target);

#[derive(Clone, Debug, PartialEq)]
enum Target {
    Resource(Box<ResourceAttributes>),
    Path(NonResourceAttributes),
}

/// The most bytes of the caller's choosing in a question whose answer is remembered.
const SMALL: usize = 10_000;

impl Question {
    /// May they do what this request asks for?
    #[must_use]
    pub fn of(request: &RequestInfo) -> Self {
        match &request.resource {
            Some(resource) => Self::resource(resource_attributes(&request.verb, resource)),
            None => Self::path_access(&request.path, &request.verb),
        }
    }

    /// May they do this to a resource?
    pub(super) fn resource(attributes: ResourceAttributes) -> Self {
        Self(Target::Resource(Box::new(attributes)))
    }

    /// May they ask for a path that is no resource, with this verb, the method in lower case?
    #[must_use]
    pub fn path_access(path: &str, verb: &str) -> Self {
        Self(Target::Path(NonResourceAttributes {
            path: Some(path.to_owned()),
            verb: Some(verb.to_owned()),
        }))
    }

    /// The path, when the question is about one.
    pub(super) fn path(&self) -> Option<&str> {
        match &self.0 {
            Target::Path(path) => path.path.as_deref(),
            Target::Resource(_) => None,
        }
    }

    /// The question on behalf of `user`.
    pub(super) fn spec(&self, user: &User) -> SubjectAccessReviewSpec {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let (resource, path) = match &self.0 {
            Target::Resource(resource) => (Some((**resource).clone()), None),
            Target::Path(path) => (None, Some(path.clone())),
        };
        SubjectAccessReviewSpec {
            user: Some(user.name.clone()),
            uid: some(&user.uid),
            groups: (!user.groups.is_empty()).then(|| user.groups.clone()),
            extra: (!user.extra.is_empty()).then(|| user.extra.clone()),
            resource_attributes: resource,
            non_resource_attributes: path,
        }
    }

    /// Tells whether the caller-chosen part is short enough for the answer to be remembered.
    pub(super) fn is_small(&self) -> bool {
        let json = match &self.0 {
            Target::Resource(resource) => serde_json::to_vec(resource),
            Target::Path(path) => serde_json::to_vec(path),
        };
        json.is_ok_and(|json| json.len() < SMALL)
    }
}

impl Question {
    /// What to tell `user` when the answer is no: the text of Kubernetes' `Forbidden` Status.
    #[must_use]
    pub fn refusal(&self, user: &User, reason: &str) -> String {
        let told = escape_html(&self.complaint(user));
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!(": {reason}")
        };
        let (name, resource) = (self.name(), self.qualified_resource());
        match (resource.as_str(), name) {
            ("", _) => format!("forbidden: {told}{reason}"),
            (resource, "") => format!("{resource} is forbidden: {told}{reason}"),
            (resource, name) => format!("{resource} {} is forbidden: {told}{reason}", Quoted(name)),
        }
    }

    /// The name of the object asked for; empty when there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.attribute(|r| &r.name)
    }

    /// The API group asked for; empty for the core group and for paths.
    #[must_use]
    pub fn group(&self) -> &str {
        self.attribute(|r| &r.group)
    }

    /// The resource asked for; empty for paths.
    #[must_use]
    pub fn resource_name(&self) -> &str {
        self.attribute(|r| &r.resource)
    }

    fn attribute<'a>(
        &'a self,
        of: impl Fn(&'a ResourceAttributes) -> &'a Option<String>,
    ) -> &'a str {
        match &self.0 {
            Target::Resource(resource) => of(resource).as_deref().unwrap_or_default(),
            Target::Path(_) => "",
        }
    }

    fn qualified_resource(&self) -> String {
        match (self.resource_name(), self.group()) {
            (resource, "") => resource.to_owned(),
            (resource, group) => format!("{resource}.{group}"),
        }
    }

    fn complaint(&self, user: &User) -> String {
        let user = Quoted(&user.name);
        if let Target::Path(path) = &self.0 {
            let verb = path.verb.as_deref().unwrap_or_default();
            let path = Quoted(path.path.as_deref().unwrap_or_default());
            return format!("User {user} cannot {verb} path {path}");
        }
        let (verb, group) = (self.attribute(|r| &r.verb), Quoted(self.group()));
        let resource = match self.attribute(|r| &r.subresource) {
            "" => self.resource_name().to_owned(),
            subresource => format!("{}/{subresource}", self.resource_name()),
        };
        let resource = Quoted(&resource);
        let scope = match self.attribute(|r| &r.namespace) {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {}", Quoted(namespace)),
        };
        format!("User {user} cannot {verb} resource {resource} in API group {group} {scope}")
    }
}

/// Replaces the characters a browser could take for markup, as Kubernetes does in its refusals.
pub(super) fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
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

/// `None` for comparisons of numbers, which a review cannot express: the question is then less restricted.
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
