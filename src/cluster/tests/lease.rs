//! Replicas that contend for one Lease.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::eventually;
use crate::cluster::testing::Remembering;
use crate::cluster::{Election, Leadership, LeaseConfig};
use crate::domain::{Clock, SystemClock};
use crate::lifecycle::{Stop, StopSender, Tasks};

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/n/leases/l";

struct Replica {
    leadership: Leadership,
    stop: StopSender,
    tasks: Tasks,
}

impl Replica {
    fn new(server: &Remembering, identity: &str) -> Self {
        let config = LeaseConfig {
            duration: Duration::from_secs(1),
            deadline: Duration::from_millis(500),
            period: Duration::from_millis(20),
            ..LeaseConfig::new("n".into(), "l".into(), identity.into())
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (election, leadership) = Election::new(config, &server.client(), clock);
        let (stop, stopped) = Stop::channel();
        let tasks = Tasks::new(stop.clone());
        tasks.spawn_passing("election", election.run(stopped));
        Self {
            leadership,
            stop,
            tasks,
        }
    }

    async fn stop(self) {
        self.stop.stop();
        self.tasks.finished().await;
    }
}

fn spec(server: &Remembering) -> Value {
    server
        .object(PATH)
        .map(|lease| lease["spec"].clone())
        .unwrap_or_default()
}

#[tokio::test]
async fn one_of_two_leads_and_the_other_takes_over_when_it_lets_go() {
    let server = Remembering::started().await;
    let first = Replica::new(&server, "one");
    eventually("the first leads", || first.leadership.is_held()).await;
    let second = Replica::new(&server, "two");
    let renewed = spec(&server)["renewTime"].clone();
    eventually("it is renewed", || spec(&server)["renewTime"] != renewed).await;
    assert!(first.leadership.is_held() && !second.leadership.is_held());
    assert_eq!(spec(&server)["holderIdentity"], "one");
    // Its own annotations are nobody's business.
    let mut lease = server.object(PATH).unwrap();
    lease["metadata"]["annotations"] = json!({"a": "b"});
    server.set_object(PATH, lease);
    first.stop().await;
    eventually("the second leads", || second.leadership.is_held()).await;
    let lease = server.object(PATH).unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "two");
    assert_eq!(lease["spec"]["leaseTransitions"], 1);
    assert_eq!(lease["metadata"]["annotations"]["a"], "b");
    second.stop().await;
    assert_eq!(spec(&server)["holderIdentity"], "");
}

#[tokio::test]
async fn a_lease_nobody_renews_is_taken_after_its_time_whatever_its_clock_says() {
    let server = Remembering::started().await;
    let lease = json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "gone",
        "leaseDurationSeconds": 1, "leaseTransitions": 4, "renewTime": "2099-01-01T00:00:00.000000Z"}});
    server.set_object(PATH, lease);
    let began = tokio::time::Instant::now();
    let replica = Replica::new(&server, "me");
    eventually("it is taken", || replica.leadership.is_held()).await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(spec(&server)["leaseTransitions"], 5);
    replica.stop().await;
}

#[tokio::test]
async fn who_cannot_renew_lets_go_before_others_may_take_it() {
    let server = Remembering::started().await;
    let replica = Replica::new(&server, "me");
    eventually("it leads", || replica.leadership.is_held()).await;
    server.stop().await;
    eventually("it lets go", || !replica.leadership.is_held()).await;
    server.start().await;
    eventually("it leads again", || replica.leadership.is_held()).await;
    // Somebody else has it by force.
    let mut lease = server.object(PATH).unwrap();
    lease["spec"]["holderIdentity"] = "other".into();
    lease["spec"]["leaseDurationSeconds"] = 60.into();
    server.set_object(PATH, lease);
    eventually("it sees that", || !replica.leadership.is_held()).await;
    replica.stop().await;
    assert_eq!(spec(&server)["holderIdentity"], "other");
}

#[tokio::test]
async fn a_write_in_between_costs_no_leadership() {
    let server = Remembering::started().await;
    let replica = Replica::new(&server, "me");
    eventually("it leads", || replica.leadership.is_held()).await;
    let puts = || server.asked(&format!("PUT {PATH}")).len();
    for _ in 0..3 {
        server.refuse(&format!("PUT {PATH}"), 409);
    }
    let before = puts();
    eventually("it goes on", || puts() > before + 5).await;
    assert!(replica.leadership.is_held());
    replica.stop().await;
}

#[tokio::test]
async fn whoever_is_alone_leads() {
    let alone = Leadership::undisputed();
    assert!(alone.is_held());
    alone.held().await;
    let lost = tokio::time::timeout(Duration::from_millis(5), alone.lost());
    assert!(lost.await.is_err());
}
