use super::*;

#[tokio::test(start_paused = true)]
async fn a_new_node_has_numbers_soon_and_keeps_its_phase_then() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Prompt);
    cluster.run_pod(&node, "p");
    cluster.until(2.5).await;
    assert_eq!(cluster.asked(&node), [0.0, 2.25]);
    assert!(
        cluster.live.pods(None).get("n", "p").is_some(),
        "two stamps make a number"
    );
    cluster.until(15.0).await;
    assert!(cluster.live.nodes().get("", "node-1").is_some());
    cluster.until(100.0).await;
    let asked = cluster.asked(&node);
    let regular: Vec<_> = asked.iter().copied().filter(|at| *at > 15.0).collect();
    assert_eq!(regular.len(), 5 + usize::from(regular[0] < 25.0));
    assert!(
        gaps(&regular).iter().all(|gap| (gap - 15.0).abs() < 0.02),
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_scrape_wakes_its_task_when_it_is_due_and_when_it_is_answered() {
    let cluster = Cluster::start_with(|config| config.summary.enabled = false);
    let node = cluster.add("node-1", Manner::Takes(Duration::from_millis(50)));
    let so_far = || {
        let woken = cluster.woken.load(Ordering::Relaxed);
        (cluster.asked(&node).len(), woken)
    };
    cluster.until(60.0).await;
    let (asked, woken) = so_far();
    cluster.until(210.0).await;
    let (asked, woken) = (so_far().0 - asked, so_far().1 - woken);
    assert_eq!(asked, 10);
    // And half a resolution after it was answered, for the health check.
    assert_eq!(woken, 3 * asked);
}

#[tokio::test(start_paused = true)]
async fn replicas_ask_a_node_at_the_same_time_of_day() {
    let mut phases = Vec::new();
    for lead in [0.0, 4.321] {
        // Each replica begins at another moment; what counts is the time of day.
        let cluster = Cluster::start();
        cluster.until(lead).await;
        let node = cluster.add("node-1", Manner::Prompt);
        cluster.until(100.0).await;
        phases.push(cluster.asked(&node).last().unwrap() % 15.0);
    }
    assert!((phases[0] - phases[1]).abs() < 0.02, "{phases:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_another_replica_handed_over_is_asked_at_its_moment() {
    let first = Cluster::start();
    let name = first.add("node-1", Manner::Prompt);
    first.run_pod(&name, "p");
    first.until(60.0).await;
    let points = first.live.points_of(&name).unwrap();
    let last = *first.asked(&name).last().unwrap();
    let second = Cluster::start_after(
        |_| {},
        |inventory, live| {
            inventory.apply_node(node("node-1"));
            live.take_over(&node("node-1"), &points, Instant::now().into_std());
        },
    );
    second.kubelets.pods.lock().insert(name.clone(), vec!["p"]);
    second.announce(&name, "p");
    second.until(1.0).await;
    assert!(second.live.pods(None).get("n", "p").is_some());
    // What was handed over is served for 45 s; after that the clock of these kubelets, which begin
    // anew, is one that was set back.
    second.until(44.0).await;
    let asked = second.asked(&name);
    // Sixty seconds are four resolutions.
    let regular = |at: f64| (at - last).rem_euclid(15.0) < 0.03;
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(
        asked.iter().all(|at| regular(*at)),
        "{asked:?} after {last}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_another_replica_had_no_number_of_is_asked_for_at_once() {
    let first = Cluster::start();
    let name = first.add("node-1", Manner::Prompt);
    first.until(60.0).await;
    let points = first.live.points_of(&name).unwrap();
    let second = Cluster::start_after(
        |_| {},
        |inventory, live| {
            inventory.apply_node(node("node-1"));
            inventory.apply_pod(running_pod("p", &name));
            live.take_over(&node("node-1"), &points, Instant::now().into_std());
        },
    );
    second.kubelets.pods.lock().insert(name.clone(), vec!["p"]);
    second.until(4.0).await;
    assert!(second.live.pods(None).get("n", "p").is_some());
    let asked = second.asked(&name);
    assert_eq!(asked[..2], [0.0, 2.25], "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_pod_has_its_number_within_four_seconds() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Prompt);
    cluster.until(61.3).await;
    let before = cluster.asked(&node);
    let since = 61.3 - before.last().unwrap();
    cluster.run_pod(&node, "p");
    cluster.until(65.3).await;
    assert!(
        cluster.live.pods(None).get("n", "p").is_some(),
        "{:?}",
        cluster.asked(&node)
    );
    let asked = cluster.asked(&node)[before.len()..].to_vec();
    let first = if since < 2.0 {
        61.3 + 2.0 - since
    } else {
        61.3
    };
    assert!((asked[0] - first).abs() < 0.02, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn many_new_pods_do_not_ask_a_node_more_than_every_two_seconds() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Prompt);
    cluster.until(60.0).await;
    for (n, name) in ["a", "b", "c", "d", "e", "f", "g", "h"]
        .into_iter()
        .enumerate()
    {
        cluster
            .until(60.0 + f64::from(u8::try_from(n).unwrap()) * 0.7)
            .await;
        cluster.run_pod(&node, name);
    }
    cluster.until(90.0).await;
    let asked = cluster.asked(&node);
    assert!(gaps(&asked).iter().all(|gap| *gap >= 1.99), "{asked:?}");
    assert_eq!(cluster.live.pods(None).len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_pod_its_kubelet_never_shows_costs_three_scrapes_at_most() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Prompt);
    cluster.until(61.0).await;
    let before = cluster.asked(&node).len();
    cluster.announce(&node, "elsewhere");
    cluster.until(76.0).await;
    let more = cluster.asked(&node).len() - before;
    assert!((3..=4).contains(&more), "{:?}", cluster.asked(&node));
    cluster.until(106.0).await;
    assert_eq!(cluster.asked(&node).len() - before - more, 2);
}

#[tokio::test(start_paused = true)]
async fn nodes_of_five_seconds_are_asked_together_and_a_resolution_apart() {
    let cluster = Cluster::start();
    // A hundred in each third of the resolution, so two groups.
    let nodes: Vec<_> = (0..300)
        .map(|n| cluster.add(&format!("node-{n}"), Manner::Prompt))
        .collect();
    cluster.until(120.0).await;
    let mut moments = std::collections::BTreeSet::new();
    for node in &nodes {
        let asked = cluster.asked(node);
        let regular: Vec<_> = asked.into_iter().filter(|at| *at > 60.0).collect();
        assert!(
            gaps(&regular).iter().all(|gap| (gap - 15.0).abs() < 0.02),
            "{regular:?}"
        );
        let moment = cluster.kubelets.asked.lock();
        let last = moment.iter().rfind(|(name, _)| name == node).unwrap().1;
        moments.insert(last.as_millis() % 15_000);
    }
    assert!(moments.len() <= 8, "{moments:?}");
}
