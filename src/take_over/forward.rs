//! From the other server to Loadline.

use std::time::Duration;

use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{APIService, APIServiceSpec};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::asking::{Held, Unanswered, can_be_watched};
use super::objects::Written;
use super::registration::{OWN, Ours, V1, V1BETA1, change, destination, noted};
use super::{Say, TakeOver, Trouble};

/// The pause between two looks at the lists.
const LOOK: Duration = Duration::from_secs(1);
/// How often the other server may fail before there is nothing to compare with.
const ITS_FAILURES: u32 = 5;
/// How long numbers may take to come after a write.
const FLOW_LIMIT: Duration = Duration::from_secs(45);
/// The pause between two questions after a write.
const FLOW_PAUSE: Duration = Duration::from_millis(300);
/// So many good answers in a row: every API server has to have heard of the write.
const FLOWING: u32 = 10;
/// How often a write is tried again because the object had changed.
const ATTEMPTS: u32 = 5;

/// What was found, and what is to be made of it.
struct Found {
    ours: Ours,
    older: APIService,
    /// How `v1beta1` is.
    spec: APIServiceSpec,
    /// How it was before somebody took it over; not known when nobody noted it.
    previous: Option<APIServiceSpec>,
    /// It leads to Loadline already.
    taken: bool,
    /// `v1` is there, and leads to Loadline.
    added: bool,
}

impl TakeOver {
    /// Leads `v1beta1` to Loadline once Loadline has everything, then adds `v1`. What is done
    /// already is left, so that it can be run again; where nothing is left to do, it makes sure that
    /// numbers come.
    ///
    /// # Errors
    /// [`Trouble`]; all but [`Trouble::NotUndone`] leave clients led as they were.
    pub async fn forward(&self, say: Say<'_>) -> Result<(), Trouble> {
        let found = self.look(say).await?;
        if found.taken && found.added {
            return self.already(say).await;
        }
        let loadline = self.waiting(say, async || self.loadline(&found.ours).await);
        let loadline = loadline.await?;
        let held = self.covered(&loadline, say).await?;
        let (repointed, added) = (
            found.ours.in_place_of(&found.spec),
            found.ours.v1(&found.spec),
        );
        let previous = found.previous.as_ref();
        if self.dry_run {
            if !found.taken {
                let patch = change(&found.older, &repointed, previous);
                say(&format!("would patch {V1BETA1}: {patch}"));
            }
            say(&format!("would create {V1}: {}", json!(added)));
            return Ok(());
        }
        if !found.taken {
            self.lead(&repointed, previous).await?;
            let (now, before) = (destination(&repointed), destination(&found.spec));
            say(&format!("{V1BETA1} leads to {now}; it led to {before}"));
        }
        let led = async {
            self.flows("v1beta1", Some(true), &held).await?;
            say("the API server gets the numbers from Loadline in v1beta1");
            if !found.added {
                let created = self.create(&added).await;
                created.map_err(|error| error.to_string())?;
            }
            self.flows("v1", Some(true), &held).await
        };
        if let Err(reason) = led.await {
            return Err(self.undo(&found.ours, previous, reason).await);
        }
        say("and in v1; loadline take-over --back leads back");
        Ok(())
    }

    /// Makes sure that clients get numbers where there is nothing left to be led.
    async fn already(&self, say: Say<'_>) -> Result<(), Trouble> {
        for version in ["v1beta1", "v1"] {
            let flows = self.flows(version, Some(true), &Held::default()).await;
            flows.map_err(|reason| Trouble::NothingComes {
                service: self.service.clone(),
                reason,
            })?;
        }
        say(&format!(
            "{V1BETA1} and {V1} lead to {} already, and numbers come",
            self.service
        ));
        Ok(())
    }

    async fn look(&self, say: Say<'_>) -> Result<Found, Trouble> {
        let ours = self.waiting(say, async || {
            let own = self.read(OWN).await?;
            Ours::read(OWN, own.as_ref(), &self.service)
        });
        let ours = ours.await?;
        let older = self.read(V1BETA1).await?;
        let spec = older.as_ref().and_then(|older| older.spec.clone());
        let (Some(older), Some(spec)) = (older, spec) else {
            return Err(Trouble::NotRegistered { name: V1BETA1 });
        };
        let claimed = |name, spec: &APIServiceSpec| Trouble::Claimed {
            name,
            to: destination(spec),
        };
        if spec.service.is_none() {
            return Err(claimed(V1BETA1, &spec));
        }
        let newer = self.read(V1).await?;
        if let Some(newer) = newer.as_ref().filter(|newer| !ours.leads(newer)) {
            let spec = newer.spec.clone().unwrap_or_default();
            return Err(claimed(V1, &spec));
        }
        let taken = ours.leads(&older);
        Ok(Found {
            taken,
            added: newer.is_some(),
            previous: if taken {
                noted(&older)
            } else {
                Some(spec.clone())
            },
            ours,
            older,
            spec,
        })
    }

    /// Asks again while the trouble is only that Loadline starts.
    async fn waiting<T>(
        &self,
        say: Say<'_>,
        ask: impl AsyncFn() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let began = Instant::now();
        let mut told = None;
        loop {
            let error = match ask().await {
                Err(error) if error.is_for_now() && began.elapsed() < self.patience => error,
                outcome => return outcome,
            };
            let error = error.to_string();
            if told.as_ref() != Some(&error) {
                say(&format!("waiting: {error}"));
                told = Some(error);
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until Loadline has everything the other server has.
    async fn covered(&self, loadline: &kube::Client, say: Say<'_>) -> Result<Held, Trouble> {
        let began = Instant::now();
        let (mut before, mut failures, mut told) = (None::<Held>, 0, None);
        loop {
            let (theirs, ours) = (
                Held::by(&self.client, "v1beta1").await,
                Held::by(loadline, "v1beta1").await,
            );
            let missing = match (theirs, ours) {
                (_, Err(reason)) => reason.to_string(),
                (Err(reason), Ok(ours)) => {
                    failures += 1;
                    if failures >= ITS_FAILURES && ours.is_whole() {
                        say(&format!(
                            "who answers now does not: {reason}; nothing to compare with"
                        ));
                        return Ok(ours);
                    }
                    reason.to_string()
                }
                (Ok(theirs), Ok(ours)) => {
                    failures = 0;
                    let lasting = before.as_ref().map(|before| before.and(&theirs));
                    let missing = lasting.map(|lasting| lasting.missing_in(&ours));
                    before = Some(theirs);
                    match missing {
                        Some(None) if ours.is_whole() => {
                            let (nodes, pods) = (ours.nodes.len(), ours.pods.len());
                            say(&format!(
                                "Loadline has numbers of {nodes} nodes and {pods} pods: all there are"
                            ));
                            return Ok(ours);
                        }
                        Some(Some(missing)) => missing,
                        Some(None) | None => "any number".to_owned(),
                    }
                }
            };
            let after = began.elapsed();
            if after >= self.patience {
                return Err(Trouble::NotCovering { after, missing });
            }
            if before.is_some() && told.as_ref() != Some(&missing) {
                say(&format!("waiting: Loadline lacks {missing}"));
                told = Some(missing);
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until the API server gets numbers in a version, from Loadline if `watched` says so.
    pub(super) async fn flows(
        &self,
        version: &str,
        watched: Option<bool>,
        held: &Held,
    ) -> Result<(), String> {
        let began = Instant::now();
        let mut good = 0;
        loop {
            match self.look_at(version, watched, held).await {
                Ok(()) => good += 1,
                Err(reason) if began.elapsed() >= FLOW_LIMIT => {
                    return Err(format!("no numbers come in {version}: {reason}"));
                }
                Err(_) => good = 0,
            }
            if good >= FLOWING {
                return Ok(());
            }
            sleep(FLOW_PAUSE).await;
        }
    }

    async fn look_at(
        &self,
        version: &str,
        watched: Option<bool>,
        held: &Held,
    ) -> Result<(), String> {
        let told = |error: Unanswered| error.to_string();
        if let Some(watched) = watched
            && can_be_watched(&self.client, version).await.map_err(told)? != watched
        {
            return Err(format!("{version} is answered by somebody else"));
        }
        let now = Held::by(&self.client, version).await.map_err(told)?;
        now.follows(held)
    }

    /// Gives `v1beta1` this spec, with or without the note of what was there.
    pub(super) async fn lead(
        &self,
        spec: &APIServiceSpec,
        previous: Option<&APIServiceSpec>,
    ) -> Result<(), Trouble> {
        for _ in 0..ATTEMPTS {
            let found = self.read(V1BETA1).await?;
            let found = found.ok_or(Trouble::NotRegistered { name: V1BETA1 })?;
            let patch = change(&found, spec, previous);
            if self.patch(V1BETA1, &patch).await? == Written::Done {
                return Ok(());
            }
        }
        Err(Trouble::Refused {
            what: format!("patch the APIService {V1BETA1}"),
            reason: "somebody else changes it all the time".to_owned(),
        })
    }

    /// Writes back what was there.
    async fn undo(
        &self,
        ours: &Ours,
        previous: Option<&APIServiceSpec>,
        reason: String,
    ) -> Trouble {
        let Some(previous) = previous else {
            let then = "nothing tells who answered before".to_owned();
            return Trouble::NotUndone { reason, then };
        };
        let undone = async {
            self.delete_v1(ours).await?;
            self.lead(previous, None).await
        };
        match undone.await {
            Ok(()) => Trouble::Undone { reason },
            Err(error) => Trouble::NotUndone {
                reason,
                then: error.to_string(),
            },
        }
    }
}

impl Trouble {
    /// Tells whether it may pass by itself, as while Loadline starts.
    pub(super) const fn is_for_now(&self) -> bool {
        matches!(self, Self::NoAuthority { .. } | Self::OutOfReach { .. })
    }
}
