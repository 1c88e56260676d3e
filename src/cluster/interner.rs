//! One copy of what many pods have in common.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use super::object::Text;
use crate::domain::{ContainerRecord, ContainerResources, Labels};

/// Shares texts, label sets, resources and container lists between records.
///
/// Pods of one ReplicaSet have equal labels and equal containers, and all pods of a node name it; a
/// cluster of 150,000 pods has a few thousand of each. An entry that no record holds any longer
/// goes at the next tidying, which comes after each list and whenever the table has doubled since
/// the last one, so it never holds more than twice what is in use.
#[derive(Debug, Default)]
pub(super) struct Interner {
    texts: HashSet<Arc<str>>,
    labels: HashSet<Labels>,
    resources: HashSet<Arc<ContainerResources>>,
    containers: HashSet<Arc<[ContainerRecord]>>,
    used: usize,
}

/// Below this many entries tidying is not worth the walk.
const SMALL: usize = 1024;

impl Interner {
    /// The one copy of `text`.
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let fresh: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&fresh));
        fresh
    }

    /// The one copy of these labels.
    pub(super) fn labels<'a>(
        &mut self,
        labels: impl IntoIterator<Item = (Text<'a>, Text<'a>)>,
    ) -> Labels {
        let labels = labels
            .into_iter()
            .map(|(key, value)| (self.text(&key), self.text(&value)))
            .collect();
        one_copy(&mut self.labels, labels)
    }

    /// The one copy of these resources.
    pub(super) fn resources(&mut self, resources: ContainerResources) -> Arc<ContainerResources> {
        if let Some(known) = self.resources.get(&resources) {
            return Arc::clone(known);
        }
        one_copy(&mut self.resources, Arc::new(resources))
    }

    /// The one copy of this list of containers.
    pub(super) fn containers(
        &mut self,
        containers: Vec<ContainerRecord>,
    ) -> Arc<[ContainerRecord]> {
        if let Some(known) = self.containers.get(containers.as_slice()) {
            return Arc::clone(known);
        }
        one_copy(&mut self.containers, containers.into())
    }

    /// Tidies when the table has doubled since it was last tidied.
    pub(super) fn tidy_when_grown(&mut self) {
        if self.len() > self.used.max(SMALL) * 2 {
            self.tidy();
        }
    }

    /// Drops what nobody else holds.
    pub(super) fn tidy(&mut self) {
        // Containers hold resources, and all hold texts, so that is the order they go in.
        self.labels.retain(Labels::is_shared);
        self.containers.retain(|list| Arc::strong_count(list) > 1);
        self.resources.retain(|one| Arc::strong_count(one) > 1);
        self.texts.retain(|text| Arc::strong_count(text) > 1);
        self.texts.shrink_to(self.texts.len() * 2);
        self.labels.shrink_to(self.labels.len() * 2);
        self.containers.shrink_to(self.containers.len() * 2);
        self.resources.shrink_to(self.resources.len() * 2);
        self.used = self.len();
    }

    fn len(&self) -> usize {
        self.texts.len() + self.labels.len() + self.containers.len() + self.resources.len()
    }
}

fn one_copy<T: Clone + Eq + Hash>(known: &mut HashSet<T>, fresh: T) -> T {
    if let Some(known) = known.get(&fresh) {
        return known.clone();
    }
    known.insert(fresh.clone());
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContainerKind, ContainerName};

    fn web(interner: &mut Interner) -> Vec<ContainerRecord> {
        let name = ContainerName::new(interner.text("web")).unwrap();
        let mut web = ContainerRecord::new(name, ContainerKind::Regular, true);
        web.resources = interner.resources(ContainerResources::default());
        vec![web]
    }

    #[test]
    fn equal_lists_become_one() {
        let mut interner = Interner::default();
        let (a, b) = (web(&mut interner), web(&mut interner));
        let (a, b) = (interner.containers(a), interner.containers(b));
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!(interner.resources.len(), 1);
        assert!(Arc::ptr_eq(&interner.text("x"), &interner.text("x")));
        let label = || [(Text::from("app"), Text::from("web"))];
        let (one, other) = (interner.labels(label()), interner.labels(label()));
        assert_eq!(one, other);
        assert_eq!(interner.labels.len(), 1);
    }

    #[test]
    fn what_nobody_holds_goes() {
        let mut interner = Interner::default();
        let kept = interner.labels([(Text::from("app"), Text::from("web"))]);
        interner.labels([(Text::from("app"), Text::from("gone"))]);
        interner.text("gone too");
        interner.tidy();
        assert_eq!((interner.labels.len(), interner.texts.len()), (1, 2));
        let web = web(&mut interner);
        interner.containers(web);
        drop(kept);
        interner.tidy();
        assert_eq!(interner.len(), 0);
    }

    #[test]
    fn a_table_that_grows_cleans_itself() {
        let mut interner = Interner::default();
        for n in 0..100_000 {
            interner.text(&n.to_string());
            interner.tidy_when_grown();
        }
        assert!(interner.len() <= 2 * SMALL + 1);
    }
}
