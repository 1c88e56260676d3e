//! What to do about the Secret: decided from facts alone.

use std::fmt;
use std::time::Duration;

use super::super::authority::Life;
use crate::domain::Timestamp;

/// What a decision is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Who signs, or why nobody can.
    pub(super) authority: Result<Life, Flaw>,
    /// The certificate, or what is wrong with it.
    pub(super) serving: Result<ServingFacts, Flaw>,
    /// The other authorities in the bundle.
    pub(super) older: Vec<OlderFacts>,
    /// For how long every APIService has been seen to trust who signs; `None` when it does not, or
    /// nobody knows.
    pub(super) trusted_for: Option<Duration>,
}

/// What matters of a certificate that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServingFacts {
    pub(super) life: Life,
    /// It holds all names it should.
    pub(super) named: bool,
    pub(super) signed_by: Signer,
}

/// Who signed the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    /// The authority whose key is kept.
    Current,
    /// One whose key is gone, and that is still trusted.
    Older,
    /// None of those that are trusted.
    Nobody,
}

/// What matters of an authority whose key is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OlderFacts {
    pub(super) life: Life,
    /// It signed the certificate that is served.
    pub(super) in_use: bool,
}

/// How long things live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetimes {
    /// A serving certificate.
    pub(super) certificate: Duration,
    /// An authority.
    pub(super) authority: Duration,
    /// How long a new authority is trusted everywhere before anything it signed is served. API
    /// servers take a while to hear of a change.
    pub(super) settling: Duration,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing.
    Keep,
    /// Start anew: nothing of what is there can be served.
    Replace(Flaw),
    /// Make a new authority and have it trusted; what is served stays.
    AddAuthority(Reason),
    /// Have the authority sign a new certificate.
    Issue(Reason),
    /// No longer trust authorities of which nothing is left.
    DropAuthorities,
}

/// Why something new is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Two thirds of its life have passed.
    Due,
    /// The new authority is trusted by now.
    Trusted,
    /// The old one ends, whether or not the new authority is trusted.
    Pressing,
    /// The old one is of no use.
    Flaw(Flaw),
}

/// What is wrong with a part of the Secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    /// It is not there.
    #[error("it is not there")]
    Absent,
    /// This key of the data holds nothing that can be read.
    #[error("{0} holds nothing usable")]
    NoPem(&'static str),
    /// Certificate and key are not one pair.
    #[error("the certificate and the key do not fit")]
    Mismatch,
    /// Its time is over.
    #[error("its certificate has expired")]
    Expired,
    /// It is for something else.
    #[error("its certificate is for other names")]
    OtherNames,
    /// Its own bundle does not vouch for it.
    #[error("none of its authorities signed its certificate")]
    Unvouched,
}

impl Facts {
    /// Decides. At most one thing is done at a time; the next look decides again.
    pub(super) fn plan(&self, now: Timestamp, lifetimes: &Lifetimes) -> Plan {
        let serving = self.usable(now);
        let authority = self.authority.clone();
        let authority = authority.and_then(|life| Self::unexpired(life, now));
        let authority = match (authority, &serving) {
            (Ok(authority), _) => authority,
            (Err(flaw), Ok(_)) => return Plan::AddAuthority(Reason::Flaw(flaw)),
            // Of two flaws that of the certificate is the one an operator has noticed.
            (Err(_), Err(flaw)) => return Plan::Replace(flaw.clone()),
        };
        let serving = match serving {
            Ok(serving) => serving,
            Err(flaw) => return Plan::Issue(Reason::Flaw(flaw)),
        };
        if serving.signed_by == Signer::Older {
            let settled = self.trusted_for.is_some_and(|d| d >= lifetimes.settling);
            return match (settled, serving.life.is_pressing(now)) {
                (true, _) => Plan::Issue(Reason::Trusted),
                (false, true) => Plan::Issue(Reason::Pressing),
                (false, false) => Plan::Keep,
            };
        }
        if authority.is_due(now) {
            return Plan::AddAuthority(Reason::Due);
        }
        if serving.life.is_due(now) {
            return Plan::Issue(Reason::Due);
        }
        let mut older = self.older.iter();
        if older.any(|older| older.is_done(authority, now, lifetimes)) {
            return Plan::DropAuthorities;
        }
        Plan::Keep
    }

    fn usable(&self, now: Timestamp) -> Result<ServingFacts, Flaw> {
        let serving = self.serving.clone()?;
        Self::unexpired(serving.life, now)?;
        match serving {
            ServingFacts { named: false, .. } => Err(Flaw::OtherNames),
            ServingFacts {
                signed_by: Signer::Nobody,
                ..
            } => Err(Flaw::Unvouched),
            serving => Ok(serving),
        }
    }

    fn unexpired(life: Life, now: Timestamp) -> Result<Life, Flaw> {
        if life.is_over(now) {
            return Err(Flaw::Expired);
        }
        Ok(life)
    }
}

impl OlderFacts {
    /// Tells whether nothing it signed can be served any more. Its key went when `next` was made,
    /// so what it signed last is one lifetime old by then.
    pub(super) fn is_done(&self, next: Life, now: Timestamp, lifetimes: &Lifetimes) -> bool {
        let lifetime = i64::try_from(lifetimes.certificate.as_secs()).unwrap_or(i64::MAX);
        let last = next.issued.saturating_add(lifetime);
        !self.in_use && (self.life.is_over(now) || now.as_secs() > last)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("nothing changed"),
            Self::Replace(flaw) => write!(f, "made a new authority and certificate: {flaw}"),
            Self::AddAuthority(reason) => write!(f, "made a new authority: {reason}"),
            Self::Issue(reason) => write!(f, "made a new certificate: {reason}"),
            Self::DropAuthorities => f.write_str("no longer trusts an old authority"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Due => f.write_str("two thirds of the old one's life have passed"),
            Self::Trusted => f.write_str("the new authority is trusted by now"),
            Self::Pressing => f.write_str("the old one ends soon"),
            Self::Flaw(flaw) => flaw.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);
    const LIFETIMES: Lifetimes = Lifetimes {
        certificate: Duration::from_secs(90_000),
        authority: Duration::from_secs(360_000),
        settling: Duration::from_secs(300),
    };

    /// A life of which this many hundredths have passed.
    const fn life(lifetime: Duration, passed: i64) -> Life {
        let lifetime = lifetime.as_secs().cast_signed();
        let issued = 1_000_000 - lifetime * passed / 100;
        Life {
            issued,
            ends: issued + lifetime,
        }
    }

    fn authority(passed: i64) -> Result<Life, Flaw> {
        Ok(life(LIFETIMES.authority, passed))
    }

    fn serving(passed: i64, signed_by: Signer) -> Result<ServingFacts, Flaw> {
        Ok(ServingFacts {
            life: life(LIFETIMES.certificate, passed),
            named: true,
            signed_by,
        })
    }

    fn plan(authority: Result<Life, Flaw>, serving: Result<ServingFacts, Flaw>) -> Plan {
        trusted(None, authority, serving)
    }

    fn trusted(
        trusted_for: Option<u64>,
        authority: Result<Life, Flaw>,
        serving: Result<ServingFacts, Flaw>,
    ) -> Plan {
        let facts = Facts {
            authority,
            serving,
            older: Vec::new(),
            trusted_for: trusted_for.map(Duration::from_secs),
        };
        facts.plan(NOW, &LIFETIMES)
    }

    #[test]
    fn what_is_good_is_kept_until_two_thirds_of_its_life() {
        use Signer::Current;
        for (of_authority, of_serving, expected) in [
            (0, 0, Plan::Keep),
            (66, 66, Plan::Keep),
            (66, 67, Plan::Issue(Reason::Due)),
            (67, 0, Plan::AddAuthority(Reason::Due)),
            (67, 67, Plan::AddAuthority(Reason::Due)),
            (100, 100, Plan::AddAuthority(Reason::Due)),
            (101, 50, Plan::AddAuthority(Reason::Flaw(Flaw::Expired))),
            (50, 101, Plan::Issue(Reason::Flaw(Flaw::Expired))),
            (101, 101, Plan::Replace(Flaw::Expired)),
        ] {
            let decided = plan(authority(of_authority), serving(of_serving, Current));
            assert_eq!(
                decided, expected,
                "{of_authority} and {of_serving} hundredths"
            );
        }
    }

    #[test]
    fn nothing_signed_by_a_new_authority_is_made_before_it_is_trusted_for_a_while() {
        use Signer::Older;
        let pressing = Plan::Issue(Reason::Pressing);
        for (trusted_for, passed, expected) in [
            (None, 10, Plan::Keep),
            (None, 89, Plan::Keep),
            (None, 90, pressing.clone()),
            (Some(0), 10, Plan::Keep),
            (Some(299), 80, Plan::Keep),
            (Some(299), 95, pressing),
            (Some(300), 10, Plan::Issue(Reason::Trusted)),
        ] {
            let decided = trusted(trusted_for, authority(0), serving(passed, Older));
            assert_eq!(decided, expected, "{trusted_for:?} s, {passed} hundredths");
        }
    }

    #[test]
    fn flaws_are_mended_with_what_is_left() {
        use Signer::{Current, Nobody, Older};
        let (garbled, absent) = (Flaw::NoPem("ca.key"), Flaw::Absent);
        let other_names = serving(0, Current).map(|serving| ServingFacts {
            named: false,
            ..serving
        });
        for (authority, serving, expected) in [
            (
                Err(absent.clone()),
                Err(absent.clone()),
                Plan::Replace(absent.clone()),
            ),
            (
                Err(garbled.clone()),
                Err(Flaw::Mismatch),
                Plan::Replace(Flaw::Mismatch),
            ),
            (
                Err(garbled.clone()),
                serving(0, Older),
                Plan::AddAuthority(Reason::Flaw(garbled.clone())),
            ),
            (
                Err(garbled),
                serving(0, Nobody),
                Plan::Replace(Flaw::Unvouched),
            ),
            (
                authority(0),
                Err(absent.clone()),
                Plan::Issue(Reason::Flaw(absent)),
            ),
            (
                authority(0),
                serving(0, Nobody),
                Plan::Issue(Reason::Flaw(Flaw::Unvouched)),
            ),
            (
                authority(0),
                other_names,
                Plan::Issue(Reason::Flaw(Flaw::OtherNames)),
            ),
        ] {
            assert_eq!(plan(authority, serving), expected);
        }
    }

    #[test]
    fn an_old_authority_goes_when_nothing_it_signed_can_be_served() {
        let older = |in_use, passed| OlderFacts {
            life: life(LIFETIMES.authority, passed),
            in_use,
        };
        // The lifetime of a certificate is a quarter of an authority's.
        for (since_next, older, expected) in [
            (24, older(false, 90), Plan::Keep),
            (25, older(false, 90), Plan::Keep),
            (26, older(false, 90), Plan::DropAuthorities),
            (26, older(true, 90), Plan::Keep),
            (10, older(false, 101), Plan::DropAuthorities),
            (10, older(true, 101), Plan::Keep),
        ] {
            let facts = Facts {
                authority: authority(since_next),
                serving: serving(10, Signer::Current),
                older: vec![older],
                trusted_for: None,
            };
            assert_eq!(
                facts.plan(NOW, &LIFETIMES),
                expected,
                "{since_next}, {older:?}"
            );
        }
    }

    #[test]
    fn a_certificate_from_the_future_is_kept_because_our_clock_may_be_behind() {
        assert_eq!(
            plan(authority(-5), serving(-5, Signer::Current)),
            Plan::Keep
        );
    }
}
