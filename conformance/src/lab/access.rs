//! Who may do what in the lab: users by token, and grants in the manner of RBAC.

use std::collections::HashMap;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Somebody the API server has authenticated, in the words of `authentication.k8s.io/v1` UserInfo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// The user name.
    pub username: String,
    /// The UID, when there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The groups.
    pub groups: Vec<String>,
    /// Whatever else an authenticator said.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Identity {
    /// A user with these groups and `system:authenticated`.
    #[must_use]
    pub fn new(username: &str, groups: &[&str]) -> Self {
        let mut groups: Vec<String> = groups.iter().map(|&g| g.to_owned()).collect();
        groups.push("system:authenticated".to_owned());
        Self {
            username: username.to_owned(),
            groups,
            ..Self::default()
        }
    }

    /// Who comes without credentials.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            username: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
            ..Self::default()
        }
    }

    /// The user a client certificate names: CN the name, every O a group.
    #[must_use]
    pub fn from_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject = certificate.subject();
        let name = subject.iter_common_name().next()?.as_str().ok()?;
        let groups: Vec<&str> = subject
            .iter_organization()
            .filter_map(|o| o.as_str().ok())
            .collect();
        Some(Self::new(name, &groups))
    }
}

/// One question of authorization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question<'a> {
    /// `get`, `list`, …; the lower-case method for non-resource URLs.
    pub verb: &'a str,
    /// The API group; empty for the core.
    pub group: &'a str,
    /// The resource, with its subresource as in `nodes/metrics`; empty for non-resource URLs.
    pub resource: &'a str,
    /// The object's name, when one is named.
    pub name: &'a str,
    /// The path of a non-resource URL.
    pub path: &'a str,
}

/// Whom a [`Grant`] is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One user.
    User(String),
    /// A group.
    Group(String),
}

/// One permission. `*` matches everything; names that are empty match every name.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Whom it is for.
    pub subject: Subject,
    /// The verbs.
    pub verbs: Vec<String>,
    /// `group/resource[/subresource]`, or a non-resource URL beginning with a slash (a trailing `*` matches any rest).
    pub targets: Vec<String>,
    /// Object names, if it is for some alone.
    pub names: Vec<String>,
}

impl Grant {
    /// A grant; `targets` are `group/resource` (the core's group is empty: `/nodes` would be a path, so write `core/nodes`).
    #[must_use]
    pub fn new(subject: Subject, verbs: &[&str], targets: &[&str]) -> Self {
        Self {
            subject,
            verbs: verbs.iter().map(|&v| v.to_owned()).collect(),
            targets: targets.iter().map(|&t| t.to_owned()).collect(),
            names: Vec::new(),
        }
    }

    /// The same for one name alone.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    fn allows(&self, identity: &Identity, question: &Question<'_>) -> bool {
        let subject = match &self.subject {
            Subject::User(user) => *user == identity.username,
            Subject::Group(group) => identity.groups.contains(group),
        };
        let verb = self.verbs.iter().any(|v| v == "*" || v == question.verb);
        let name = self.names.is_empty() || self.names.iter().any(|n| n == question.name);
        subject && verb && name && self.targets.iter().any(|t| covers(t, question))
    }
}

fn covers(target: &str, question: &Question<'_>) -> bool {
    if target == "*" {
        return true;
    }
    if question.resource.is_empty() {
        return match target.strip_suffix('*') {
            Some(prefix) => target.starts_with('/') && question.path.starts_with(prefix),
            None => target == question.path,
        };
    }
    let group = match question.group {
        "" => "core",
        group => group,
    };
    target
        .split_once('/')
        .is_some_and(|(g, r)| g == group && (r == "*" || r == question.resource))
}

/// The users and grants of one cluster, changeable while it runs.
#[derive(Debug, Default)]
pub struct Access {
    tokens: RwLock<HashMap<String, Identity>>,
    grants: RwLock<Vec<Grant>>,
}

impl Access {
    /// From now on this token is this user.
    pub fn add_token(&self, token: &str, identity: Identity) {
        self.tokens.write().insert(token.to_owned(), identity);
    }

    /// From now on this token is nobody.
    pub fn revoke_token(&self, token: &str) {
        self.tokens.write().remove(token);
    }

    /// Gives a permission.
    pub fn grant(&self, grant: Grant) {
        self.grants.write().push(grant);
    }

    /// Takes every permission of a subject.
    pub fn revoke(&self, subject: &Subject) {
        self.grants.write().retain(|g| g.subject != *subject);
    }

    /// Takes every permission for this target, and no other.
    pub fn revoke_target(&self, target: &str) {
        let mut grants = self.grants.write();
        for grant in grants.iter_mut() {
            grant.targets.retain(|granted| granted != target);
        }
        grants.retain(|grant| !grant.targets.is_empty());
    }

    /// Who this token is.
    #[must_use]
    pub fn authenticate(&self, token: &str) -> Option<Identity> {
        self.tokens.read().get(token).cloned()
    }

    /// Whether somebody may do this; `system:masters` may do everything.
    #[must_use]
    pub fn allows(&self, identity: &Identity, question: &Question<'_>) -> bool {
        identity.groups.iter().any(|g| g == "system:masters")
            || self
                .grants
                .read()
                .iter()
                .any(|g| g.allows(identity, question))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_covers_its_subject_verb_target_and_name_and_nothing_else() {
        let access = Access::default();
        let user = || Subject::User("u".to_owned());
        access.grant(Grant::new(user(), &["get"], &["core/nodes/metrics"]));
        access.grant(Grant::new(user(), &["list"], &["core/configmaps"]).named("one"));
        access.grant(Grant::new(
            Subject::Group("g".to_owned()),
            &["get"],
            &["/apis*"],
        ));
        let ask = |identity: &Identity, verb, resource, name, path| {
            let question = Question {
                verb,
                resource,
                name,
                path,
                group: "",
            };
            access.allows(identity, &question)
        };
        let (u, g) = (Identity::new("u", &[]), Identity::new("x", &["g"]));
        let cases = [
            (&u, "get", "nodes/metrics", "n", "", true),
            (&u, "get", "nodes/proxy", "n", "", false),
            (&u, "list", "nodes/metrics", "n", "", false),
            (&g, "get", "nodes/metrics", "n", "", false),
            (&u, "list", "configmaps", "one", "", true),
            (&u, "list", "configmaps", "", "", false),
            (&g, "get", "", "", "/apis/x", true),
            (&u, "get", "", "", "/apis/x", false),
            (&g, "get", "", "", "/version", false),
        ];
        for (who, verb, resource, name, path, want) in cases {
            let got = ask(who, verb, resource, name, path);
            assert_eq!(got, want, "{} {verb} {resource}{path} {name}", who.username);
        }
        let master = Identity::new("root", &["system:masters"]);
        assert!(ask(&master, "delete", "nodes", "", ""));
    }
}
