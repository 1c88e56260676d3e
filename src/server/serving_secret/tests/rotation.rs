//! Years of a cluster in a second.

use super::*;

/// The bundles with when each was noted, newest last.
struct Past(Vec<(u64, Vec<AuthorityCertificate>)>);

/// How far behind an API server may be: less than a new authority is trusted before it signs.
const BEHIND: u64 = 240;
const STEP: u64 = 60;
/// When nothing has changed for a while.
const LEAP: u64 = 129_600;

impl Past {
    fn note(&mut self, now: u64, cluster: &Cluster) {
        let trusted = cluster.trusted(V1);
        if self.0.last().is_none_or(|(_, last)| *last != trusted) {
            self.0.push((now, trusted));
        }
        // The last one before is what somebody who is behind sees.
        let seen = now.saturating_sub(BEHIND);
        let old = self.0.iter().filter(|(noted, _)| *noted <= seen).count();
        self.0.drain(..old.saturating_sub(1));
    }

    fn is_served(&self, cluster: &Cluster, replica: &Replica) -> bool {
        let mut all = self.0.iter();
        all.all(|(_, bundle)| cluster.takes(bundle, replica))
    }
}

#[tokio::test]
async fn for_years_nobody_is_shown_what_it_does_not_trust() {
    let cluster = Cluster::new();
    let (mut a, mut b) = (cluster.replica(), cluster.replica());
    assert!(a.round().await && b.round().await);
    let mut past = Past(Vec::new());
    let (mut leaves, mut authorities, mut most) = (1, 1, 0);
    let (mut now, mut changed) = (0, 0);
    // An authority lives four lives of a certificate; two thirds of that go twice into seven.
    while now < 7 * LIFETIME.as_secs() {
        let (leaf, bundle) = (a.shown(), cluster.trusted(V1));
        let step = if now - changed < 900 { STEP } else { LEAP };
        now += step;
        cluster.clock.advance(Duration::from_secs(step));
        past.note(now, &cluster);
        for replica in [&a, &b] {
            assert!(past.is_served(&cluster, replica), "before {now} s");
        }
        // Nobody is always first.
        let (first, second) = if now % 7 < 3 {
            (&mut a, &mut b)
        } else {
            (&mut b, &mut a)
        };
        for replica in [first, second] {
            assert!(replica.round().await, "after {now} s");
        }
        past.note(now, &cluster);
        for replica in [&a, &b] {
            assert!(past.is_served(&cluster, replica), "after {now} s");
        }
        let trusted = cluster.trusted(V1);
        if a.shown() != leaf || trusted != bundle {
            changed = now;
        }
        leaves += usize::from(a.shown() != leaf);
        authorities += usize::from(trusted.first() != bundle.first());
        most = most.max(trusted.len());
    }
    assert_eq!(authorities, 3);
    // Two thirds of a certificate's life go ten times into seven lives, and the first came before.
    assert!((11..=13).contains(&leaves), "{leaves} certificates");
    assert_eq!(most, 2, "an old authority goes before the next comes");
}

#[tokio::test]
async fn a_new_authority_is_trusted_for_a_while_before_it_signs() {
    let cluster = Cluster::new();
    let mut replica = cluster.replica();
    replica.round().await;
    let (leaf, old) = (replica.shown(), cluster.trusted(V1));
    // Two thirds of its life, less than the life of what it signed: jump by what leaves rotate.
    let mut rounds = 0;
    while cluster.trusted(V1).len() == 1 {
        cluster.clock.advance(LIFETIME / 3);
        assert!(replica.round().await);
        rounds += 1;
        assert!(rounds < 20);
    }
    let signed = replica.shown();
    assert_ne!(signed, leaf);
    let both = cluster.trusted(V1);
    assert_eq!(
        both[1], old[0],
        "the new one stands first, the old one stays"
    );
    assert!(
        cluster.takes(&old, &replica),
        "nothing it signed is shown yet"
    );
    cluster.clock.advance(Duration::from_secs(299));
    assert!(replica.round().await);
    assert_eq!(replica.shown(), signed);
    cluster.clock.advance(Duration::from_secs(1));
    assert!(replica.round().await);
    assert!(!cluster.takes(&old, &replica) && cluster.takes(&both[..1], &replica));
    assert_eq!(
        cluster.trusted(V1),
        both,
        "the old one stays while what it signed lives"
    );
    cluster.clock.advance(LIFETIME);
    for _ in 0..3 {
        assert!(replica.round().await);
        cluster.clock.advance(Duration::from_secs(300));
    }
    assert_eq!(cluster.trusted(V1), both[..1]);
}

#[tokio::test]
async fn an_authority_that_cannot_be_made_trusted_signs_only_when_nothing_else_is_left() {
    let cluster = Cluster::new();
    let mut replica = cluster.replica();
    replica.round().await;
    cluster.api.forbid(&http::Method::PATCH, "/apis/");
    let old = cluster.trusted(V1);
    let step = LIFETIME / 20;
    // Until two thirds of 4 lives, and then almost the rest of the last certificate's.
    let mut last_trusted = 0;
    for passed in 1..=80 {
        cluster.clock.advance(step);
        replica.round().await;
        if !cluster.takes(&old, &replica) {
            break;
        }
        last_trusted = passed;
    }
    assert!(
        last_trusted >= 53 + 6,
        "given up after {last_trusted} twentieths"
    );
    cluster.api.allow_all();
    replica.round().await;
    assert!(cluster.is_verified(&replica), "it mends itself when it may");
}
