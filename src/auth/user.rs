//! Who asks.

use std::collections::BTreeMap;

/// The name of a caller without credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of every caller without credentials.
pub const ALL_UNAUTHENTICATED: &str = "system:unauthenticated";
/// The group of every caller with credentials.
pub const ALL_AUTHENTICATED: &str = "system:authenticated";
/// The group whose members may do everything.
pub const MASTERS: &str = "system:masters";

/// An identity, as `authentication.k8s.io` describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name that rules are written for.
    pub name: String,
    /// Tells apart users who had the same name at different times; often empty.
    pub uid: String,
    /// The groups, in the order in which the authenticator named them.
    pub groups: Vec<String>,
    /// What else the authenticator knows, for authorizers that understand it.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// The caller without credentials.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            name: ANONYMOUS.into(),
            groups: vec![ALL_UNAUTHENTICATED.into()],
            ..Self::default()
        }
    }

    /// Adds `system:authenticated`, which Kubernetes does to every identity but the anonymous one
    /// and those that already say whether they are authenticated.
    #[must_use]
    pub fn with_authenticated_group(mut self) -> Self {
        let told = |g: &String| g == ALL_AUTHENTICATED || g == ALL_UNAUTHENTICATED;
        if !self.is_anonymous() && !self.groups.iter().any(told) {
            self.groups.push(ALL_AUTHENTICATED.into());
        }
        self
    }

    /// Tells whether this is the caller without credentials.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.name == ANONYMOUS
    }

    /// Tells whether the user is in `system:masters`.
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|g| g == MASTERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authenticated_group_is_added_once_and_never_to_the_anonymous() {
        let groups = |name: &str, groups: &[&str]| {
            User {
                name: name.into(),
                groups: groups.iter().map(|g| (*g).to_owned()).collect(),
                ..User::default()
            }
            .with_authenticated_group()
            .groups
        };
        for (name, given, expected) in [
            ("bob", &["dev"][..], &["dev", ALL_AUTHENTICATED][..]),
            ("bob", &[], &[ALL_AUTHENTICATED]),
            (
                "bob",
                &[ALL_AUTHENTICATED, "dev"],
                &[ALL_AUTHENTICATED, "dev"],
            ),
            ("bob", &[ALL_UNAUTHENTICATED], &[ALL_UNAUTHENTICATED]),
            (ANONYMOUS, &[], &[]),
        ] {
            assert_eq!(groups(name, given), expected, "{name} {given:?}");
        }
    }
}
