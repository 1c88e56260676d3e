//! From Loadline back to the server that answered before.

use std::collections::BTreeSet;

use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIServiceSpec;

use super::asking::{Held, Unanswered};
use super::registration::{Ours, PREVIOUS, V1, V1BETA1, change, destination, noted};
use super::{Say, TakeOver, Trouble};

impl TakeOver {
    /// Takes `v1` away, then leads `v1beta1` where it led before. `v1` goes first: clients that
    /// know it fall back to `v1beta1`, and while both are there they ask `v1`.
    ///
    /// # Errors
    /// [`Trouble`]; all but [`Trouble::NotUndone`] leave clients led as they were.
    pub async fn back(&self, say: Say<'_>) -> Result<(), Trouble> {
        let found = self.read(V1BETA1).await?;
        let found = found.ok_or(Trouble::NotRegistered { name: V1BETA1 })?;
        let previous = noted(&found).ok_or(Trouble::NothingNoted {
            name: V1BETA1,
            annotation: PREVIOUS,
        })?;
        let ours = Ours::read(V1BETA1, Some(&found), &self.service)?;
        self.predecessor(&previous, say).await?;
        let held = self.held_now(say).await?;
        if self.dry_run {
            say(&format!(
                "would delete {V1} if it leads to {}",
                self.service
            ));
            let patch = change(&found, &previous, None);
            say(&format!("would patch {V1BETA1}: {patch}"));
            return Ok(());
        }
        let deleted = self.delete_v1(&ours).await?;
        if deleted.is_some() {
            say(&format!("{V1} is gone"));
        }
        let led = async {
            self.lead(&previous, None)
                .await
                .map_err(|error| error.to_string())?;
            say(&format!("{V1BETA1} leads to {}", destination(&previous)));
            self.flows("v1beta1", None, &held).await
        };
        let Err(reason) = led.await else {
            say("the API server gets the numbers from there");
            return Ok(());
        };
        Err(self
            .forth(&ours, &previous, deleted.is_some(), reason)
            .await)
    }

    /// What Loadline has, and who answered before has to have after.
    async fn held_now(&self, say: Say<'_>) -> Result<Held, Trouble> {
        match Held::by(&self.client, "v1beta1").await {
            // metrics-server leaves out pods that Loadline lists, such as idle ones.
            Ok(held) => Ok(Held {
                pods: BTreeSet::new(),
                ..held
            }),
            // All the more reason to go back; any numbers are more than there are now.
            Err(Unanswered::Silence(reason)) => {
                say(&format!("Loadline gives no numbers now: {reason}"));
                Ok(Held::default())
            }
            // Who may not ask now could not tell either whether numbers come after.
            Err(Unanswered::Forbidden(reason)) => Err(Trouble::Forbidden { reason }),
            Err(Unanswered::Refusal(reason)) => Err(Trouble::Refused {
                what: "ask what Loadline has".to_owned(),
                reason,
            }),
        }
    }

    /// Leads to Loadline again, which going back failed to lead away from.
    async fn forth(
        &self,
        ours: &Ours,
        previous: &APIServiceSpec,
        with_v1: bool,
        reason: String,
    ) -> Trouble {
        let led = async {
            self.lead(&ours.in_place_of(previous), Some(previous))
                .await?;
            if with_v1 {
                self.create(&ours.v1(previous)).await?;
            }
            Ok::<(), Trouble>(())
        };
        match led.await {
            Ok(()) => Trouble::Undone { reason },
            Err(error) => Trouble::NotUndone {
                reason,
                then: error.to_string(),
            },
        }
    }
}
