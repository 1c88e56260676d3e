//! What a check is, and what came of it.

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::verdict::Verdict;

/// What a check does.
pub(crate) type Body = for<'a> fn(&'a Context<'a>) -> Pin<Box<dyn Future<Output = Verdict> + 'a>>;

const DEADLINE: Duration = Duration::from_secs(30);

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Who is asking.
    Authentication,
    /// What they may do.
    Authorization,
    /// Which path and method is answered how.
    Routing,
    /// What the server says it serves.
    Discovery,
    /// The forms and bytes of answers.
    Content,
    /// Selectors and the other parameters of a list.
    ListOptions,
    /// What the numbers mean.
    Semantics,
    /// The connection, and the programs that use it.
    TlsAndClients,
    /// What is made of a kubelet's answer.
    KubeletDecoder,
}

/// What a check needs besides an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Credentials of somebody who may read everything.
    Reader,
    /// The front proxy's certificate, to come as any user.
    Proxy,
    /// A hand on the cluster the server stands in.
    World,
}

/// Beside which others a check may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Beside all that leave the cluster as it is.
    First,
    /// Beside those that move other objects than it does.
    Moving,
    /// By itself.
    Alone,
    /// By itself, when all others are done: it keeps the machine busy.
    Last,
}

/// One promise of the contract.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its number in the contract.
    pub item: u16,
    /// Its name.
    pub id: &'static str,
    /// What it is about.
    pub group: Group,
    /// The promise, in one sentence.
    pub expects: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// Beside which others it may run.
    pub turn: Turn,
    /// It runs for every version of the API.
    pub versions: bool,
    /// It runs over HTTP/1.1 and over HTTP/2.
    pub protocols: bool,
    /// How long one run may take.
    pub deadline: Duration,
    pub(crate) body: Body,
}

/// How one run of a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// The promise was kept.
    Passed,
    /// It was not.
    Failed {
        /// What should have been seen.
        expected: String,
        /// What was seen.
        seen: String,
    },
    /// The check cannot be made against this target.
    Skipped {
        /// Why not.
        why: String,
    },
}

/// One run of a check.
#[derive(Clone, Debug, Serialize)]
pub struct CheckResult {
    /// The check's number in the contract.
    pub item: u16,
    /// The check's name.
    pub id: &'static str,
    /// What it is about.
    pub group: Group,
    /// The promise.
    pub expects: &'static str,
    /// Which version and protocol, when the check runs for several.
    pub variant: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took.
    pub millis: u64,
}

impl Group {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 9] = [
        Self::Authentication,
        Self::Authorization,
        Self::Routing,
        Self::Discovery,
        Self::Content,
        Self::ListOptions,
        Self::Semantics,
        Self::TlsAndClients,
        Self::KubeletDecoder,
    ];

    /// Its name as in the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Authorization => "authorization",
            Self::Routing => "routing",
            Self::Discovery => "discovery",
            Self::Content => "content",
            Self::ListOptions => "list-options",
            Self::Semantics => "semantics",
            Self::TlsAndClients => "tls-and-clients",
            Self::KubeletDecoder => "kubelet-decoder",
        }
    }

    /// A check of this group that needs a reader and runs once.
    pub(crate) const fn check(
        self,
        item: u16,
        id: &'static str,
        expects: &'static str,
        body: Body,
    ) -> Check {
        Check {
            item,
            id,
            group: self,
            expects,
            needs: Needs::Reader,
            turn: Turn::First,
            versions: false,
            protocols: false,
            deadline: DEADLINE,
            body,
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Group {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|g| g.as_str() == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
            format!("no such group, only {}", names.join(", "))
        })
    }
}

impl Check {
    /// The same, needing the front proxy's certificate.
    pub(crate) const fn by_proxy(mut self) -> Self {
        self.needs = Needs::Proxy;
        self
    }

    /// The same, needing a hand on the cluster.
    pub(crate) const fn in_world(mut self) -> Self {
        self.needs = Needs::World;
        self
    }

    /// The same, needing a hand on the cluster, where it makes objects come and go.
    pub(crate) const fn moving(mut self) -> Self {
        self.needs = Needs::World;
        self.turn = Turn::Moving;
        self
    }

    /// The same, needing a hand on the cluster, and nobody else at it.
    pub(crate) const fn alone(mut self) -> Self {
        self.needs = Needs::World;
        self.turn = Turn::Alone;
        self
    }

    /// The same, needing a hand on the cluster, and the machine for itself.
    pub(crate) const fn last(mut self) -> Self {
        self.needs = Needs::World;
        self.turn = Turn::Last;
        self
    }

    /// The same, once for every version of the API.
    pub(crate) const fn each_version(mut self) -> Self {
        self.versions = true;
        self
    }

    /// The same, over HTTP/1.1 and HTTP/2.
    pub(crate) const fn each_protocol(mut self) -> Self {
        self.protocols = true;
        self
    }

    /// The same, for every version over every protocol.
    pub(crate) const fn everywhere(self) -> Self {
        self.each_version().each_protocol()
    }

    /// The same with another deadline.
    pub(crate) const fn within(mut self, seconds: u64) -> Self {
        self.deadline = Duration::from_secs(seconds);
        self
    }
}

impl CheckResult {
    /// Whether the promise was seen to be kept.
    #[must_use]
    pub const fn passed(&self) -> bool {
        matches!(self.outcome, Outcome::Passed)
    }

    /// Whether the check could not be made.
    #[must_use]
    pub const fn skipped(&self) -> bool {
        matches!(self.outcome, Outcome::Skipped { .. })
    }

    /// Whether the promise was broken.
    #[must_use]
    pub const fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. })
    }
}
