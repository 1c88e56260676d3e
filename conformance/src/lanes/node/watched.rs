//! The autoscaler's own word on its evaluations, and somebody who asks for numbers all the time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use serde_json::Value;

use crate::report::Lane;

use super::{NAMESPACE, Scene};

/// Well below the autoscaler's period.
const PAUSE: Duration = Duration::from_millis(250);
/// How a list without items is told of.
const WITHOUT: &str = "no numbers in";

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Watched {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The autoscaler's failed evaluations before it began.
    before: Option<String>,
    answers: usize,
    looks: usize,
    /// When answers failed, and with what.
    failed: Vec<(Instant, String)>,
    /// What the autoscaler said when it could not compute.
    inactive: Vec<String>,
}

impl Watched {
    /// Asks for the numbers of nodes and pods and looks at the autoscaler, until it is dropped.
    pub(super) async fn watch(&self, scene: &Scene) {
        let before = failures(scene).await.ok();
        self.seen.lock().before = before;
        tokio::join!(self.ask(scene), self.look(scene));
    }

    /// Makes sure that nothing was missed, and says what there was to miss.
    pub(super) async fn whole(&self, lane: &Lane, scene: &Scene) -> Result<()> {
        let after = failures(scene).await?;
        let seen = self.seen.lock();
        let (answers, looks) = (seen.answers, seen.looks);
        lane.note(&format!(
            "drained, refused, deleted, upgraded: {answers} lists and {looks} looks at the autoscaler"
        ));
        let before = seen.before.as_deref().context("it never began")?;
        ensure!(seen.failed.is_empty(), "{:?}", seen.failed);
        ensure!(seen.inactive.is_empty(), "{:?}", seen.inactive);
        ensure!(after == before, "{after}");
        Ok(())
    }

    /// When the last answer failed.
    pub(super) fn last_failure(&self) -> Option<Instant> {
        self.seen.lock().failed.last().map(|(when, _)| *when)
    }

    /// Makes sure that what failed was no answer at all, and never one without numbers.
    pub(super) fn nothing_wrong(&self) -> Result<()> {
        let seen = self.seen.lock();
        let mut failed = seen.failed.iter();
        let wrong = failed.find(|(_, error)| error.contains(WITHOUT));
        ensure!(wrong.is_none(), "{wrong:?}");
        Ok(())
    }

    /// In words, of answers that failed for `lost`.
    pub(super) fn summary(&self, lost: Duration) -> String {
        let seen = self.seen.lock();
        let (failed, answers) = (seen.failed.len(), seen.answers);
        let (inactive, looks) = (seen.inactive.len(), seen.looks);
        format!(
            "{failed} of {answers} lists failed, the last after {:.1} s; {inactive} of {looks} looks found the autoscaler without numbers",
            lost.as_secs_f64()
        )
    }

    async fn ask(&self, scene: &Scene) {
        let pods = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods");
        for path in ["/apis/metrics.k8s.io/v1beta1/nodes", &pods].iter().cycle() {
            let answer = listed(scene, path).await;
            self.seen.lock().answer(answer);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&self, scene: &Scene) {
        loop {
            let active = active(scene).await;
            self.seen.lock().look(active);
            tokio::time::sleep(PAUSE * 2).await;
        }
    }
}

impl Seen {
    fn answer(&mut self, answer: Result<()>) {
        self.answers += 1;
        if let Err(error) = answer {
            self.failed.push((Instant::now(), format!("{error:#}")));
        }
    }

    fn look(&mut self, active: Result<()>) {
        self.looks += 1;
        if let Err(error) = active {
            self.inactive.push(format!("{error:#}"));
        }
    }
}

async fn listed(scene: &Scene, path: &str) -> Result<()> {
    let list = scene.admin.raw(path).await?;
    let items = list["items"].as_array().map_or(0, Vec::len);
    ensure!(items > 0, "{WITHOUT}: {list}");
    Ok(())
}

/// Makes sure that the autoscaler can compute.
pub(super) async fn active(scene: &Scene) -> Result<()> {
    let hpa = format!("get hpa elastic -n {NAMESPACE}");
    let hpa = scene.admin.json(&hpa).await?;
    let conditions: &Value = &hpa["status"]["conditions"];
    let mut all = conditions.as_array().into_iter().flatten();
    let active = all.any(|c| c["type"] == "ScalingActive" && c["status"] == "True");
    ensure!(active, "{conditions}");
    Ok(())
}

/// The Events of evaluations that failed.
pub(super) async fn failures(scene: &Scene) -> Result<String> {
    let events = format!("get events -n {NAMESPACE} -o json");
    let list: Value = serde_json::from_str(&scene.admin.run(&events).await?)?;
    let failed = list["items"].as_array().into_iter().flatten();
    let failed = failed.filter(|event| {
        let of_hpa = event["involvedObject"]["kind"] == "HorizontalPodAutoscaler";
        of_hpa && event["type"] == "Warning"
    });
    Ok(failed
        .map(|event| {
            format!(
                "{} {}\n",
                event["metadata"]["resourceVersion"], event["message"]
            )
        })
        .collect())
}
