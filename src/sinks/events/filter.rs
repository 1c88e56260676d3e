//! Which events are sent.

use super::super::filter::{Patterns, matches};
use super::super::options::Options;
use crate::domain::Event;

const TYPES: [&str; 2] = ["Normal", "Warning"];

/// Admits events all given options admit.
///
/// | option | what it admits |
/// |---|---|
/// | `namespaces`, `excludeNamespaces` | the namespace the event is in |
/// | `types` | `Normal`, `Warning` |
/// | `reasons`, `excludeReasons` | the reason |
///
/// All are lists in which `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    namespaces: Patterns,
    types: Patterns,
    reasons: Patterns,
}

impl EventFilter {
    /// Admits these namespaces (all, if there are none) without the excluded ones, and these types.
    #[must_use]
    pub fn new(namespaces: Vec<String>, excluded: Vec<String>, types: Vec<String>) -> Self {
        Self {
            namespaces: Patterns {
                only: namespaces,
                except: excluded,
            },
            types: Patterns {
                only: types,
                except: Vec::new(),
            },
            reasons: Patterns::default(),
        }
    }

    pub(super) fn read(options: &mut Options<'_>) -> Self {
        Self {
            namespaces: Patterns {
                only: options.list("namespaces"),
                except: options.list("excludeNamespaces"),
            },
            types: Patterns {
                only: read_types(options),
                except: Vec::new(),
            },
            reasons: Patterns {
                only: options.list("reasons"),
                except: options.list("excludeReasons"),
            },
        }
    }

    /// Tells whether this event is sent.
    #[must_use]
    pub fn admits(&self, event: &Event) -> bool {
        self.namespaces.admit(&event.namespace)
            && self.types.admit(&event.kind)
            && self.reasons.admit(&event.reason)
    }
}

/// The types there are, in any case, or patterns of them.
fn read_types(options: &mut Options<'_>) -> Vec<String> {
    let mut types = Vec::new();
    for word in options.list("types") {
        if let Some(kind) = TYPES.iter().find(|kind| word.eq_ignore_ascii_case(kind)) {
            types.push((*kind).to_owned());
        } else if TYPES.iter().any(|kind| matches(&word, kind)) {
            types.push(word);
        } else {
            options.refuse(Some("types"), "must be Normal or Warning");
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_admitted_by_namespace_type_and_reason() {
        let filter = EventFilter {
            reasons: Patterns {
                only: Vec::new(),
                except: vec!["Pull*".into()],
            },
            ..EventFilter::new(
                vec!["team-*".into()],
                vec!["team-b".into()],
                vec!["Warning".into()],
            )
        };
        for (namespace, kind, reason, expected) in [
            ("team-a", "Warning", "BackOff", true),
            ("team-b", "Warning", "BackOff", false),
            ("other", "Warning", "BackOff", false),
            ("team-a", "Normal", "BackOff", false),
            ("team-a", "Warning", "Pulled", false),
        ] {
            let event = Event {
                namespace: namespace.into(),
                kind: kind.into(),
                reason: reason.into(),
                ..Event::default()
            };
            assert_eq!(filter.admits(&event), expected, "{event:?}");
            assert!(EventFilter::default().admits(&event));
        }
    }
}
