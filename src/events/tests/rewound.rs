//! An API server that is behind the place events are resumed from.

use super::*;

const TOLD: &str = "the API server is behind the place to resume from; listing all events again";

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

fn told(lines: &[String]) -> usize {
    let told = lines.iter().filter(|line| line.contains("listing all"));
    let told: Vec<_> = told.collect();
    assert!(told.iter().all(|line| line.contains(TOLD)), "{told:?}");
    told.len()
}

#[test]
fn a_restore_of_etcd_is_noticed_while_it_runs_and_nothing_known_is_sent_twice() {
    let run = async {
        let (server, receiver) = (Remembering::started().await, Receiver::started().await);
        let running = Running::new(&server, &[receiver.sink()]);
        running.ready().await;
        server.put_event(event("a", 1));
        let backup = server.version();
        for at in 0..50 {
            server.put_event(event(&format!("b{at}"), 1));
        }
        eventually("all came", || receiver.ids().len() == 51).await;
        server.restore(backup);
        server.put_event(event("c", 1));
        eventually("it is heard", || receiver.ids().len() == 52).await;
        server.put_event(event("d", 1));
        eventually("it hears on", || receiver.ids().len() == 53).await;
        // The place goes back as well, so the next process is not deaf either.
        eventually("the place is written", || {
            place(&server) < Some(backup + 50)
        })
        .await;
        running.stop().await;
        assert_eq!(receiver.ids()[51..], ["c.1", "d.1"]);
    };
    assert_eq!(told(&logged(|| runtime().block_on(run))), 1);
}

#[test]
fn a_stored_place_ahead_of_the_api_server_has_everything_sent_that_is_there() {
    let run = async {
        let (server, receiver) = (Remembering::started().await, Receiver::started().await);
        let annotations = json!({"loadline.io/events-resource-version": "18446744073709551615"});
        let lease = json!({"metadata": {"name": "place", "annotations": annotations}});
        server.set_object(LEASE, lease);
        server.put_event(event("a", 1));
        let running = Running::new(&server, &[receiver.sink()]);
        eventually("what is there came", || receiver.ids() == ["a.1"]).await;
        server.put_event(event("b", 1));
        eventually("it hears on", || receiver.ids() == ["a.1", "b.1"]).await;
        running.stop().await;
    };
    assert_eq!(told(&logged(|| runtime().block_on(run))), 1);
}
