//! Which of several replicas acts.

use super::flag::{Flag, Kind, Topic};
use super::given::Given;

/// The Lease replicas contend for. Its other name in Kubernetes' programs is the resource lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseReference {
    /// `--leader-elect-resource-namespace`: `None` for the namespace we run in.
    pub namespace: Option<String>,
    /// `--leader-elect-resource-name`.
    pub name: String,
}

const NAMESPACE_HELP: &str = "Namespace of the Lease; empty for the one the pod is in";

const LEADER_ELECT: Flag = Flag::new(
    "leader-elect",
    Kind::Bool,
    "false",
    "Send to sinks only while holding a Lease, so that one of several replicas does",
);
const NAME: Flag = Flag::new(
    "leader-elect-resource-name",
    Kind::Text,
    "loadline",
    "Name of the Lease",
);
pub(super) const NAMESPACE: Flag = Flag::new(
    "leader-elect-resource-namespace",
    Kind::Text,
    "",
    NAMESPACE_HELP,
);

pub(super) const TOPIC: Topic = Topic {
    title: "Leader election",
    flags: &[&LEADER_ELECT, &NAME, &NAMESPACE],
};

/// Reads whether sinks wait for a Lease, and for which; `Some(None)` when they do not.
pub(super) fn read(given: &mut Given) -> Option<Option<LeaseReference>> {
    let elect = given.flag(&LEADER_ELECT);
    let lease = read_lease(given, &NAME);
    let lease = lease?;
    Some(elect?.then_some(lease))
}

/// Reads which Lease it is. Both parts of its name become parts of a path.
pub(super) fn read_lease(given: &mut Given, name: &Flag) -> Option<LeaseReference> {
    let mut read = |flag: &Flag| {
        let text = given.text(flag);
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let valid = text.len() <= 253
            && text.bytes().all(|b| plain(b) || matches!(b, b'-' | b'.'))
            && !text.starts_with(['-', '.']);
        if !valid {
            given.refuse_value(flag, &text, "must be a name of Kubernetes".to_owned());
        }
        valid.then_some(text)
    };
    let (name, namespace) = (read(name), read(&NAMESPACE));
    Some(LeaseReference {
        name: name?,
        namespace: namespace.filter(|text| !text.is_empty()),
    })
}
