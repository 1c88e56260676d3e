//! What is remembered of each kubelet's certificate when nobody can vouch for it (trust on first
//! use). Nothing here asks anybody.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::domain::NodeName;

/// What a kubelet showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// A certificate the CA vouches for, for the node's name or address. Whichever it is, it may be
    /// replaced by another one the CA vouches for.
    Vouched,
    /// A certificate with this public key (the SHA-256 of its `SubjectPublicKeyInfo`, in hex), for
    /// which nobody vouches. A certificate that is issued anew for the same key is the same.
    Key(Arc<str>),
}

/// What is known of one node's kubelet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pin {
    /// The UID of the Node object: another one is another node of the same name.
    pub(super) uid: Arc<str>,
    pub(super) shown: Shown,
}

/// What is made of what a kubelet shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is who it was.
    Known,
    /// Nobody had seen the node: it is believed, and remembered.
    First,
    /// It was known by its key, and the CA vouches for it now.
    Vouched,
    /// It was somebody else before.
    Changed {
        /// What it showed then.
        before: Shown,
    },
}

/// All pins.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: BTreeMap<NodeName, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    pin: Pin,
    /// The ConfigMap has it.
    saved: bool,
}

/// What is to be written: a pin, or `None` to take one away.
pub(super) type Changes = BTreeMap<String, Option<String>>;

const VOUCHED: &str = "vouched";
const KEY: &str = "sha256:";

impl Book {
    /// Judges what the node of this UID shows, and changes nothing.
    pub(super) fn judge(&self, node: &NodeName, uid: &str, shown: &Shown) -> Verdict {
        let known = self.entries.get(node).map(|entry| &entry.pin);
        match known.filter(|pin| *pin.uid == *uid) {
            None => Verdict::First,
            Some(pin) if pin.shown == *shown => Verdict::Known,
            Some(_) if *shown == Shown::Vouched => Verdict::Vouched,
            Some(pin) => Verdict::Changed {
                before: pin.shown.clone(),
            },
        }
    }

    /// Remembers what a node showed, once it has proved that it owns it.
    pub(super) fn remember(&mut self, node: NodeName, pin: Pin) {
        self.entries.insert(node, Entry { pin, saved: false });
    }

    /// Takes over what the ConfigMap holds. What stands there was there first, or was written by a
    /// person; what is missing there and was there before has been taken away, so that the node is
    /// believed anew.
    pub(super) fn absorb(&mut self, stored: BTreeMap<NodeName, Pin>) {
        self.entries
            .retain(|node, entry| !entry.saved || stored.contains_key(node));
        for (node, pin) in stored {
            let newer = self.entries.get(&node).is_some_and(|entry| {
                let vouched = entry.pin.shown == Shown::Vouched;
                !entry.saved && (entry.pin.uid != pin.uid || vouched)
            });
            if !newer {
                self.entries.insert(node, Entry { pin, saved: true });
            }
        }
    }

    /// What the ConfigMap lacks, and what of it is of nodes that left.
    pub(super) fn changes(&self, left: impl Fn(&NodeName) -> bool) -> Changes {
        let unsaved = self.entries.iter().filter(|(_, entry)| !entry.saved);
        let unsaved = unsaved.map(|(node, entry)| (node.to_string(), Some(entry.pin.to_string())));
        let gone = self.entries.keys().filter(|node| left(node));
        let gone = gone.map(|node| (node.to_string(), None));
        unsaved.chain(gone).collect()
    }

    /// The ConfigMap has these now.
    pub(super) fn written(&mut self, changes: &Changes) {
        self.entries.retain(|node, entry| {
            match changes.get(node.as_str()) {
                Some(None) => return false,
                Some(Some(text)) => entry.saved |= entry.pin.to_string() == *text,
                None => {}
            }
            true
        });
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vouched => f.write_str(VOUCHED),
            Self::Key(hash) => write!(f, "{KEY}{hash}"),
        }
    }
}

/// `UID sha256:HEX` or `UID vouched`, as the ConfigMap holds it.
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.uid, self.shown)
    }
}

impl FromStr for Pin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (uid, shown) = text.trim().split_once(' ').ok_or(())?;
        let shown = match shown.strip_prefix(KEY) {
            Some(hash) if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Shown::Key(hash.into())
            }
            None if shown == VOUCHED => Shown::Vouched,
            Some(_) | None => return Err(()),
        };
        Ok(Self {
            uid: uid.into(),
            shown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::new(text).unwrap()
    }

    fn key(digit: char) -> Shown {
        Shown::Key(digit.to_string().repeat(64).into())
    }

    fn pin(uid: &str, shown: Shown) -> Pin {
        Pin {
            uid: uid.into(),
            shown,
        }
    }

    fn stored(pins: &[(&str, Pin)]) -> BTreeMap<NodeName, Pin> {
        let pins = pins.iter();
        pins.map(|(node, pin)| (name(node), pin.clone())).collect()
    }

    #[test]
    fn a_node_is_believed_once_and_has_to_stay_who_it_was() {
        let mut book = Book::default();
        let n = name("n");
        assert_eq!(book.judge(&n, "1", &key('a')), Verdict::First);
        book.remember(n.clone(), pin("1", key('a')));
        let changed = |before| Verdict::Changed { before };
        for (uid, shown, expected) in [
            ("1", key('a'), Verdict::Known),
            ("1", key('b'), changed(key('a'))),
            ("1", Shown::Vouched, Verdict::Vouched),
            // Another node of the same name.
            ("2", key('b'), Verdict::First),
        ] {
            assert_eq!(book.judge(&n, uid, &shown), expected, "{uid} {shown}");
        }
        book.remember(n.clone(), pin("1", Shown::Vouched));
        assert_eq!(
            book.judge(&n, "1", &key('a')),
            changed(Shown::Vouched),
            "whom the CA vouched for cannot do without"
        );
    }

    #[test]
    fn pins_stand_in_the_configmap_as_they_were_written() {
        for pin in [pin("u-1", key('a')), pin("u-1", Shown::Vouched)] {
            assert_eq!(pin.to_string().parse(), Ok(pin));
        }
        let short = format!("u {KEY}{}", "a".repeat(63));
        for text in ["", "u", "u x", &short, "u sha256:", " sha256"] {
            assert!(text.parse::<Pin>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_new_is_written_and_what_left_is_taken_away() {
        let mut book = Book::default();
        book.absorb(stored(&[("old", pin("1", key('a')))]));
        book.remember(name("new"), pin("2", key('b')));
        let changes = book.changes(|node| *node == name("old"));
        let new = Some(pin("2", key('b')).to_string());
        let expected: Changes = [("new".to_owned(), new), ("old".to_owned(), None)].into();
        assert_eq!(changes, expected);
        book.written(&changes);
        assert!(book.changes(|_| false).is_empty());
        assert_eq!(book.judge(&name("old"), "1", &key('c')), Verdict::First);
    }

    #[test]
    fn who_wrote_first_wins_and_a_person_can_take_a_pin_away() {
        let mut book = Book::default();
        let n = name("n");
        book.remember(n.clone(), pin("1", key('a')));
        book.absorb(stored(&[("n", pin("1", key('b')))]));
        assert_eq!(book.judge(&n, "1", &key('b')), Verdict::Known);
        // A node that was made anew replaces what is stored of the old one.
        book.remember(n.clone(), pin("2", key('c')));
        book.absorb(stored(&[("n", pin("1", key('b')))]));
        assert_eq!(book.judge(&n, "2", &key('c')), Verdict::Known);
        book.written(&book.changes(|_| false));
        book.absorb(BTreeMap::new());
        assert_eq!(book.judge(&n, "2", &key('d')), Verdict::First);
        // One that is not written yet stays.
        book.remember(n.clone(), pin("2", key('d')));
        book.absorb(BTreeMap::new());
        assert_eq!(book.judge(&n, "2", &key('d')), Verdict::Known);
    }
}
