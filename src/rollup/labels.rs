//! Heapster's labels of a set.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::str::FromStr;

use crate::domain::{ContainerRecord, EntityKey, Labels, MetricSet, PodKey};
use crate::sinks::Labeller;

/// What becomes of the labels of nodes and pods (`--label-separator`, `--store-label`,
/// `--ignore-label`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelCopying {
    /// What stands between the pairs of the label `labels`.
    pub separator: String,
    /// The ones that are copied to a label of their own, even if ignored.
    pub stored: Vec<StoredLabel>,
    /// The ones left out of the label `labels`.
    pub ignored: BTreeSet<String>,
}

/// An object's label that becomes one of the set's own: `name` or `new=old` of `--store-label`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLabel {
    /// The object's label.
    pub from: String,
    /// The set's label; wins over one of Heapster's own, as it did there.
    pub to: String,
}

/// Makes Heapster's labels of a set from its key and what the API server says of it.
///
/// | type | labels |
/// |---|---|
/// | `cluster` | `type` |
/// | `ns` | `type`, `namespace_name`, `namespace_id` |
/// | `node` | `type`, `nodename`, `hostname`, `host_id`, `labels` |
/// | `sys_container` | `type`, `nodename`, `hostname`, `host_id`, `container_name` |
/// | `pod` | `type`, `nodename`, `hostname`, `host_id`, `namespace_name`, `namespace_id`, `pod_name`, `pod_id`, `labels` |
/// | `pod_container` | those of `pod`, `container_name`, `container_base_image` |
///
/// What is not known has no label, except `host_id` and `labels`, which are empty then.
#[derive(Clone, Debug, Default)]
pub struct Labelling {
    copying: LabelCopying,
}

/// Labels by name, in the order of the names.
pub type LabelSet<'a> = BTreeMap<&'a str, Cow<'a, str>>;

impl Default for LabelCopying {
    fn default() -> Self {
        Self {
            separator: ",".to_owned(),
            stored: Vec::new(),
            ignored: BTreeSet::new(),
        }
    }
}

impl FromStr for StoredLabel {
    type Err = Infallible;

    /// Reads `name` or `new=old`; any text is one or the other.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (to, from) = text.split_once('=').unwrap_or((text, text));
        Ok(Self {
            from: from.to_owned(),
            to: to.to_owned(),
        })
    }
}

impl Labelling {
    /// Labels in which object labels are copied so.
    #[must_use]
    pub const fn new(copying: LabelCopying) -> Self {
        Self { copying }
    }

    /// All labels of the set.
    #[must_use]
    pub fn labels<'a>(&'a self, set: &'a MetricSet) -> LabelSet<'a> {
        let mut labels = LabelSet::new();
        labels.insert("type", set.key.kind().as_str().into());
        match &set.key {
            EntityKey::Cluster => {}
            EntityKey::Namespace(namespace) => {
                labels.insert("namespace_name", namespace.as_str().into());
                namespace_id(set, &mut labels);
            }
            EntityKey::Node(_) => {
                node(set, &mut labels);
                let of_node = set.about.node.as_ref().map(|node| &node.labels);
                self.copy(of_node, &mut labels);
            }
            EntityKey::SystemContainer(_, name) => {
                node(set, &mut labels);
                labels.insert("container_name", name.as_ref().into());
            }
            EntityKey::Pod(key) => self.pod(set, key, &mut labels),
            EntityKey::Container(key, name) => {
                labels.insert("container_name", name.as_str().into());
                if let Some(container) = container(set) {
                    labels.insert("container_base_image", container.image.as_ref().into());
                }
                self.pod(set, key, &mut labels);
            }
        }
        labels
    }

    /// The label `labels`: `key:value` pairs without the ignored ones, sorted as texts.
    #[must_use]
    pub fn joined(&self, labels: &Labels) -> String {
        let kept = self.kept(labels);
        let mut pairs: Vec<String> = kept.map(|(key, value)| format!("{key}:{value}")).collect();
        // `app.x:1` comes before `app:1`, though its key is the longer one.
        pairs.sort_unstable();
        pairs.join(&self.copying.separator)
    }

    /// The labels that are not ignored.
    fn kept<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = (&'a str, &'a str)> {
        let kept = |(key, _): &(&str, &str)| !self.copying.ignored.contains(*key);
        labels.iter().filter(kept)
    }

    fn pod<'a>(&'a self, set: &'a MetricSet, key: &'a PodKey, labels: &mut LabelSet<'a>) {
        node(set, labels);
        labels.insert("namespace_name", key.namespace.as_str().into());
        namespace_id(set, labels);
        labels.insert("pod_name", key.name.as_str().into());
        let record = set.about.pod.as_ref();
        if let Some(pod) = record {
            labels.insert("pod_id", pod.uid.as_ref().into());
        }
        self.copy(record.map(|pod| &pod.labels), labels);
    }

    fn copy<'a>(&'a self, from: Option<&'a Labels>, to: &mut LabelSet<'a>) {
        let Some(from) = from else { return };
        to.insert("labels", self.joined(from).into());
        for stored in &self.copying.stored {
            if let Some(value) = from.get(&stored.from) {
                to.insert(&stored.to, value.into());
            }
        }
    }
}

impl Labeller for Labelling {
    fn labels<'a>(&'a self, set: &'a MetricSet) -> LabelSet<'a> {
        Self::labels(self, set)
    }

    fn object_labels<'a>(&'a self, set: &'a MetricSet) -> Vec<(&'a str, &'a str)> {
        let labels = match &set.key {
            EntityKey::Cluster | EntityKey::Namespace(_) | EntityKey::SystemContainer(..) => None,
            EntityKey::Node(_) => set.about.node.as_ref().map(|node| &node.labels),
            EntityKey::Pod(_) | EntityKey::Container(..) => {
                set.about.pod.as_ref().map(|pod| &pod.labels)
            }
        };
        labels
            .map(|labels| self.kept(labels).collect())
            .unwrap_or_default()
    }
}

/// The record of the container a set is of.
fn container(set: &MetricSet) -> Option<&ContainerRecord> {
    let EntityKey::Container(_, name) = &set.key else {
        return None;
    };
    let pod = set.about.pod.as_ref()?;
    pod.containers.iter().find(|c| c.name == *name)
}

fn node<'a>(set: &'a MetricSet, labels: &mut LabelSet<'a>) {
    let record = set.about.node.as_ref();
    let name = match &set.key {
        EntityKey::Node(name) | EntityKey::SystemContainer(name, _) => Some(name),
        EntityKey::Cluster
        | EntityKey::Namespace(_)
        | EntityKey::Pod(_)
        | EntityKey::Container(..) => {
            let bound = set.about.pod.as_ref().and_then(|pod| pod.node.as_ref());
            record.map(|node| &node.name).or(bound)
        }
    };
    let Some(name) = name else { return };
    labels.insert("nodename", name.as_str().into());
    let hostname = record.map_or(name.as_str(), |node| node.hostname());
    labels.insert("hostname", hostname.into());
    let host_id = record.and_then(|node| node.host_id.as_deref());
    labels.insert("host_id", host_id.unwrap_or_default().into());
}

fn namespace_id<'a>(set: &'a MetricSet, labels: &mut LabelSet<'a>) {
    if let Some(uid) = &set.about.namespace_uid {
        labels.insert("namespace_id", uid.as_ref().into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rollup::testing::{container_key, node_record, pod_key, pod_record};
    use crate::sinks::LABELS;

    fn set(key: EntityKey) -> MetricSet {
        let mut set = MetricSet::new(key);
        set.about.node = Some(Arc::new(node_record("n1")));
        set.about.pod = Some(Arc::new(pod_record("a", "web", "n1", &["app"])));
        set.about.namespace_uid = Some("ns-uid".into());
        set
    }

    fn text(labelling: &Labelling, set: &MetricSet) -> String {
        let labels = labelling.labels(set);
        let pairs: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join(" ")
    }

    #[test]
    fn each_type_has_the_labels_heapster_gave_it() {
        let node = |key| set(key);
        let n1 = || node_record("n1").name;
        let of_pod = "host_id= hostname=host-n1 labels=app:web,tier:t1 namespace_id=ns-uid \
                      namespace_name=a nodename=n1 pod_id=uid-web pod_name=web type=pod";
        let of_container = "container_base_image=repo/app:1 container_name=app host_id= \
                            hostname=host-n1 labels=app:web,tier:t1 namespace_id=ns-uid \
                            namespace_name=a nodename=n1 pod_id=uid-web pod_name=web \
                            type=pod_container";
        for (key, expected) in [
            (EntityKey::Cluster, "type=cluster"),
            (
                EntityKey::Namespace(pod_key("a", "web").namespace),
                "namespace_id=ns-uid namespace_name=a type=ns",
            ),
            (
                EntityKey::Node(n1()),
                "host_id= hostname=host-n1 labels=zone:z1 nodename=n1 type=node",
            ),
            (
                EntityKey::SystemContainer(n1(), "kubelet".into()),
                "container_name=kubelet host_id= hostname=host-n1 nodename=n1 type=sys_container",
            ),
            (EntityKey::Pod(pod_key("a", "web")), of_pod),
            (container_key("a", "web", "app"), of_container),
        ] {
            let (labelling, set) = (Labelling::default(), node(key));
            assert_eq!(text(&labelling, &set), expected);
            let labels = labelling.labels(&set);
            assert!(labels.keys().all(|name| LABELS.contains(name)));
        }
    }

    #[test]
    fn what_is_not_known_has_no_label() {
        for (key, expected) in [
            (
                EntityKey::Pod(pod_key("a", "web")),
                "namespace_name=a pod_name=web type=pod",
            ),
            (
                EntityKey::Node(node_record("n1").name),
                "host_id= hostname=n1 nodename=n1 type=node",
            ),
        ] {
            let bare = MetricSet::new(key);
            assert_eq!(text(&Labelling::default(), &bare), expected);
        }
    }

    #[test]
    fn labels_are_copied_as_the_flags_say() {
        let labelling = Labelling::new(LabelCopying {
            separator: ";".into(),
            stored: ["tier", "application=app", "none"]
                .map(|text| text.parse().unwrap_or_else(|e: Infallible| match e {}))
                .into(),
            ignored: ["tier".to_owned()].into(),
        });
        let set = set(EntityKey::Pod(pod_key("a", "web")));
        let labels = labelling.labels(&set);
        let of = |name| labels.get(name).map(|value| value.as_ref());
        assert_eq!(of("labels"), Some("app:web"));
        assert_eq!((of("tier"), of("application")), (Some("t1"), Some("web")));
        assert_eq!((of("app"), of("none")), (None, None));
    }

    #[test]
    fn pairs_are_sorted_as_texts() {
        let labels = [("app", "web"), ("app.kubernetes.io/name", "x"), ("b", "")];
        let labels: Labels = labels.into_iter().collect();
        let labelling = Labelling::new(LabelCopying {
            separator: "|".into(),
            ..LabelCopying::default()
        });
        assert_eq!(
            labelling.joined(&labels),
            "app.kubernetes.io/name:x|app:web|b:"
        );
    }
}
