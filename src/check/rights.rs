//! May we do what we need to?

use futures_util::StreamExt;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
    SubjectAccessReviewStatus,
};
use kube::Api;
use kube::api::PostParams;

use super::{Finding, Preflight, Report, ask};
use crate::domain::ObjectName;
use crate::server::APISERVICES;

/// A right.
#[derive(Clone, Debug, Default)]
struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    namespace: String,
    name: String,
    by: Asker,
    need: Need,
}

/// Who exercises a right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asker {
    #[default]
    Main,
    Authentication,
    Authorization,
}

/// A kubeconfig nobody can be asked with.
struct Unusable<'p> {
    flag: &'static str,
    reason: &'p str,
}

/// What is missing without a right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Need {
    /// The numbers.
    #[default]
    Everything,
    /// This, and nothing else.
    Only(&'static str),
}

const AT_A_TIME: usize = 8;
const CERTIFICATE: &str = "our own serving certificate cannot be kept and trusted";
const EVENTS: &str = "kubectl describe node does not tell of lost metrics";
const SUMMARY: &str = "no disks, network and pressure of it in the history";

pub(super) async fn check(preflight: &Preflight, report: &mut Report) {
    let secret = preflight.secret.as_ref();
    let mut all = rights(secret, preflight.lookup);
    kubelets_rights(preflight, &mut all);
    let asked = all.iter().map(|right| async move {
        match preflight.client_of(right.by) {
            Ok(client) => judge(right, &review(client, right).await),
            Err(unusable) => unusable.of(right),
        }
    });
    let asked = futures_util::stream::iter(asked).buffered(AT_A_TIME);
    for finding in asked.collect::<Vec<_>>().await {
        report.add(finding);
    }
}

impl Preflight {
    fn client_of(&self, by: Asker) -> Result<&kube::Client, Unusable<'_>> {
        let (client, flag) = match by {
            Asker::Main => return Ok(&self.client),
            Asker::Authentication => (&self.authentication, "--authentication-kubeconfig"),
            Asker::Authorization => (&self.authorization, "--authorization-kubeconfig"),
        };
        let client = client.as_ref();
        client.map_err(|reason| Unusable { flag, reason })
    }
}

impl Unusable<'_> {
    fn of(&self, right: &Right) -> Finding {
        let Self { flag, reason } = self;
        Finding::failure(
            "right",
            &right.to_string(),
            format!("{reason}: nothing works without it"),
            format!("correct {flag}, and see that the file is mounted where Loadline runs"),
        )
    }
}

async fn review(client: &kube::Client, right: &Right) -> Result<SubjectAccessReviewStatus, String> {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: text(right.verb),
                group: text(right.group),
                resource: text(right.resource),
                subresource: text(right.subresource),
                namespace: text(&right.namespace),
                name: text(&right.name),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api = Api::<SelfSubjectAccessReview>::all(client.clone());
    let answer = ask(api.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.unwrap_or_default())
}

/// Everything the server asks for, with these settings.
fn rights(secret: Option<&ObjectName>, lookup: bool) -> Vec<Right> {
    let right = |verb, group, resource| Right {
        verb,
        group,
        resource,
        ..Right::default()
    };
    let mut all = Vec::new();
    for resource in ["nodes", "pods", "namespaces"] {
        all.extend(["list", "watch"].map(|verb| right(verb, "", resource)));
    }
    all.push(Right {
        subresource: "metrics",
        ..right("get", "", "nodes")
    });
    all.push(Right {
        subresource: "stats",
        need: Need::Only(SUMMARY),
        ..right("get", "", "nodes")
    });
    all.push(Right {
        by: Asker::Authentication,
        ..right("create", "authentication.k8s.io", "tokenreviews")
    });
    all.push(Right {
        by: Asker::Authorization,
        ..right("create", "authorization.k8s.io", "subjectaccessreviews")
    });
    if lookup {
        all.extend(["list", "watch"].map(|verb| Right {
            namespace: "kube-system".to_owned(),
            name: "extension-apiserver-authentication".to_owned(),
            by: Asker::Authentication,
            ..right(verb, "", "configmaps")
        }));
    }
    if let Some(secret) = secret {
        for verb in ["get", "update", "create"] {
            // The name of an object is not known yet when it is created.
            let name = if verb == "create" { "" } else { &secret.name };
            all.push(Right {
                namespace: secret.namespace.clone(),
                name: name.to_owned(),
                need: Need::Only(CERTIFICATE),
                ..right(verb, "", "secrets")
            });
        }
        for name in APISERVICES {
            all.extend(["get", "patch"].map(|verb| Right {
                name: name.to_owned(),
                need: Need::Only(CERTIFICATE),
                ..right(verb, "apiregistration.k8s.io", "apiservices")
            }));
        }
    }
    all.push(Right {
        namespace: "default".to_owned(),
        need: Need::Only(EVENTS),
        ..right("create", "", "events")
    });
    all
}

/// What the steps below verified kubelets need, and what they do not.
fn kubelets_rights(preflight: &Preflight, all: &mut Vec<Right>) {
    if preflight.via_api_server {
        for right in all.iter_mut().filter(|right| right.resource == "nodes") {
            if !right.subresource.is_empty() {
                right.subresource = "proxy";
                right.need = Need::Everything;
            }
        }
        all.dedup_by(|one, other| one.to_string() == other.to_string());
    }
    if let Some(pins) = &preflight.pins {
        all.extend(["get", "patch"].map(|verb| Right {
            verb,
            resource: "configmaps",
            namespace: pins.namespace.clone(),
            name: pins.name.clone(),
            need: if verb == "get" {
                Need::Everything
            } else {
                Need::Only(
                    "each start believes kubelets anew for whose certificates nobody vouches",
                )
            },
            ..Right::default()
        }));
    }
}

fn judge(right: &Right, answer: &Result<SubjectAccessReviewStatus, String>) -> Finding {
    let subject = right.to_string();
    let status = match answer {
        Ok(status) => status,
        Err(error) => {
            return Finding::warning(
                "right",
                &subject,
                format!("cannot be asked for: {error}"),
                "whoever is authenticated may usually create SelfSubjectAccessReviews \
                 (ClusterRole system:basic-user)",
            );
        }
    };
    if status.allowed {
        return Finding::ok("right", &subject, "granted");
    }
    let reason = status.reason.as_deref().filter(|reason| !reason.is_empty());
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let remedy =
        "kubectl apply -k apiservice, or bind the same rights to the account Loadline runs as";
    match right.need {
        Need::Everything => Finding::failure(
            "right",
            &subject,
            format!("not granted{reason}: nothing works without it"),
            remedy,
        ),
        Need::Only(what) => Finding::warning(
            "right",
            &subject,
            format!("not granted{reason}: {what}"),
            remedy,
        ),
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        if !self.namespace.is_empty() {
            write!(f, " in {}", self.namespace)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn find(all: &[Right], subject: &str) -> Right {
        let found = all.iter().find(|right| right.to_string() == subject);
        found.unwrap_or_else(|| panic!("no {subject}")).clone()
    }

    #[test]
    fn every_right_of_the_manifests_is_asked_for_and_judged_by_its_need() {
        let secret = ObjectName {
            namespace: "kube-system".into(),
            name: "loadline-serving".into(),
        };
        let all = rights(Some(&secret), true);
        let lookup = "list configmaps extension-apiserver-authentication in kube-system";
        for (subject, verdict) in [
            ("list nodes", Verdict::Failure),
            ("watch pods", Verdict::Failure),
            ("get nodes/metrics", Verdict::Failure),
            ("get nodes/stats", Verdict::Warning),
            (
                "create tokenreviews.authentication.k8s.io",
                Verdict::Failure,
            ),
            (
                "create subjectaccessreviews.authorization.k8s.io",
                Verdict::Failure,
            ),
            (lookup, Verdict::Failure),
            (
                "update secrets loadline-serving in kube-system",
                Verdict::Warning,
            ),
            ("create secrets in kube-system", Verdict::Warning),
            (
                "patch apiservices.apiregistration.k8s.io v1alpha1.loadline.io",
                Verdict::Warning,
            ),
            ("create events in default", Verdict::Warning),
        ] {
            let right = find(&all, subject);
            let no = Ok(SubjectAccessReviewStatus::default());
            assert_eq!(judge(&right, &no).verdict, verdict, "{subject}");
            let yes = Ok(SubjectAccessReviewStatus {
                allowed: true,
                ..SubjectAccessReviewStatus::default()
            });
            assert_eq!(judge(&right, &yes).verdict, Verdict::Ok, "{subject}");
        }
        let least = rights(None, false);
        assert!(!least.iter().any(|right| right.resource == "secrets"));
        assert!(!all.iter().any(|right| right.subresource == "proxy"));
    }
}
