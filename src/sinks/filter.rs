//! What of a batch one sink gets.

use super::options::Options;
use crate::apimachinery::LabelSelector;
use crate::domain::{EntityKey, Metric, MetricSet};

/// Which sets and metrics go to a sink: those all given options admit.
///
/// | option | what it admits |
/// |---|---|
/// | `metrics`, `excludeMetrics` | metrics whose name matches, or does not |
/// | `namespaces`, `excludeNamespaces` | namespaces, and their pods and containers |
/// | `selector` | pods with such labels and their containers (a Kubernetes label selector) |
///
/// Names are lists by comma in which `*` stands for any text. What an option does not speak of it
/// admits: nodes and the cluster are in no namespace, only pods have a pod's labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    metrics: Patterns,
    namespaces: Patterns,
    selector: Option<LabelSelector>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Patterns {
    pub only: Vec<String>,
    pub except: Vec<String>,
}

impl Filter {
    pub(super) fn read(options: &mut Options<'_>) -> Self {
        Self {
            metrics: Patterns {
                only: options.list("metrics"),
                except: options.list("excludeMetrics"),
            },
            namespaces: Patterns {
                only: options.list("namespaces"),
                except: options.list("excludeNamespaces"),
            },
            selector: options.parsed("selector", "label selector"),
        }
    }

    /// Has a word among `metrics` stand for a pattern.
    pub(super) fn with_word(mut self, word: &str, pattern: &str) -> Self {
        for metric in self.metrics.only.iter_mut().filter(|m| *m == word) {
            pattern.clone_into(metric);
        }
        self
    }

    /// Refuses names that no metric bears, here or in Heapster.
    pub(super) fn check(&self, options: &mut Options<'_>) {
        let lists = [
            ("metrics", &self.metrics.only),
            ("excludeMetrics", &self.metrics.except),
        ];
        for (option, names) in lists {
            if let Some(at) = names.iter().position(|name| !may_be(name)) {
                let what = format!("name {} of the list is no metric's", at + 1);
                options.refuse(Some(option), what);
            }
        }
    }

    pub(super) fn admits_set(&self, set: &MetricSet) -> bool {
        match &set.key {
            EntityKey::Cluster | EntityKey::Node(_) | EntityKey::SystemContainer(..) => true,
            EntityKey::Namespace(namespace) => self.namespaces.admit(namespace.as_str()),
            EntityKey::Pod(pod) | EntityKey::Container(pod, _) => {
                self.namespaces.admit(pod.namespace.as_str()) && self.selects(set)
            }
        }
    }

    pub(super) fn admits_metric(&self, name: &str) -> bool {
        self.metrics.admit(name)
    }

    fn selects(&self, set: &MetricSet) -> bool {
        let Some(selector) = &self.selector else {
            return true;
        };
        let pod = set.about.pod.as_ref();
        selector.matches(&pod.map(|pod| pod.labels.clone()).unwrap_or_default())
    }
}

impl Patterns {
    pub(super) fn admit(&self, name: &str) -> bool {
        let among = |patterns: &[String]| patterns.iter().any(|p| matches(p, name));
        (self.only.is_empty() || among(&self.only)) && !among(&self.except)
    }
}

/// Whether the text is as the pattern says, in which `*` stands for any text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let Some((middle, end)) = rest.rsplit_once('*') else {
        return text.ends_with(rest);
    };
    for part in middle.split('*') {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(end)
}

/// Whether a metric may bear this name: one of the catalogue, of an extended resource, or of
/// Heapster's that is not measured here, which its manifests may have.
fn may_be(name: &str) -> bool {
    let families = ["accelerator/", "custom/", "disk/"];
    name.contains('*')
        || Metric::find(name).is_some()
        || name.ends_with("/request")
        || ["cpu/load", "memory/cache"].contains(&name)
        || families.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apimachinery::Query;
    use crate::sinks::tests::{cluster, pod};

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("cpu/usage", "cpu/usage", true),
            ("cpu/usage", "cpu/usage_rate", false),
            ("cpu/*", "cpu/usage", true),
            ("*_rate", "cpu/usage_rate", true),
            ("*", "", true),
            ("a*b*c", "axbxc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn sets_and_metrics_are_admitted_by_name_namespace_and_label() {
        let query =
            "metrics=cpu/*&excludeMetrics=*_rate&excludeNamespaces=kube-*&selector=app%3Dweb";
        let query = Query::parse(Some(query));
        let filter = Filter::read(&mut Options::new("log", &query));
        assert!(filter.admits_metric("cpu/usage"));
        assert!(!filter.admits_metric("cpu/usage_rate") && !filter.admits_metric("uptime"));
        let web = [("app", "web")];
        for (set, expected) in [
            (cluster(), true),
            (pod("a", "p", &web), true),
            (pod("a", "p", &[("app", "db")]), false),
            (pod("kube-system", "p", &web), false),
        ] {
            assert_eq!(filter.admits_set(&set), expected, "{}", set.key);
        }
    }
}
