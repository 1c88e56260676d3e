use super::*;

#[tokio::test(start_paused = true)]
async fn one_bad_node_harms_only_itself() {
    let cluster = Cluster::start();
    let bad = [
        ("refuses", Manner::Refuses, "403"),
        ("hangs", Manner::Hangs, "timeout"),
        ("babbles", Manner::Babbles, "malformed"),
        ("explodes", Manner::Explodes, "internal"),
    ];
    for (name, manner, _) in bad {
        cluster.add(name, manner);
    }
    let good = cluster.add("good", Manner::Prompt);
    cluster.until(60.0).await;
    let gaps = gaps(&cluster.asked(&good));
    assert!(gaps.iter().all(|gap| *gap < 15.02), "{gaps:?}");
    assert_eq!(cluster.cause(&good), None);
    for (name, _, cause) in bad {
        let name = NodeName::new(name).unwrap();
        assert_eq!(cluster.cause(&name), Some(cause));
        assert!(cluster.asked(&name).len() >= 4, "{name} is tried again");
        let counted = format!("loadline_scrape_failures_total{{cause=\"{cause}\"}}");
        assert!(cluster.metrics().contains(&counted));
    }
    assert!(cluster.health.timely().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_forgotten_with_the_first_success() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Refuses);
    cluster.until(1.0).await;
    let failure = cluster.health.node("node-1").unwrap().failure.unwrap();
    assert_eq!((failure.cause, failure.since.as_millis()), ("403", BEGAN));
    assert!(failure.says.contains("the kubelet answered 403: no"));
    assert!(failure.remedy.contains("nodes/metrics"));
    cluster.kubelets.manners.lock().insert(node, Manner::Prompt);
    cluster.until(20.0).await;
    let health = cluster.health.node("node-1").unwrap();
    assert_eq!(health.failure, None);
    assert!(health.last_success.is_some());
}

#[tokio::test(start_paused = true)]
async fn many_hanging_nodes_delay_each_other_and_not_the_others() {
    let cluster = Cluster::start_with(|config| config.concurrency = 8);
    let good: Vec<_> = (0..6)
        .map(|n| cluster.add(&format!("good-{n}"), Manner::Prompt))
        .collect();
    cluster.until(30.0).await;
    for n in 0..40 {
        cluster.add(&format!("hangs-{n}"), Manner::Hangs);
    }
    // The first time nobody knows them: they may fill all places for as long as their deadline,
    // wave by wave.
    cluster.until(120.0).await;
    for node in &good {
        let late: Vec<_> = cluster
            .asked(node)
            .into_iter()
            .filter(|at| *at > 100.0)
            .collect();
        assert!(!late.is_empty());
    }
    cluster.until(300.0).await;
    for node in &good {
        let asked: Vec<_> = cluster
            .asked(node)
            .into_iter()
            .filter(|at| *at > 120.0)
            .collect();
        assert!(
            gaps(&asked).iter().all(|gap| (gap - 15.0).abs() < 0.05),
            "{asked:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_are_asked_at_once_than_allowed() {
    let cluster = Cluster::start_with(|config| config.concurrency = 3);
    for n in 0..12 {
        cluster.add(&format!("n-{n}"), Manner::Takes(Duration::from_secs(1)));
    }
    cluster.until(3.5).await;
    let mut starts: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, at) in cluster.kubelets.asked.lock().iter() {
        *starts.entry(at.as_secs()).or_default() += 1;
    }
    assert_eq!(starts.values().copied().collect::<Vec<_>>(), [3, 3, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_left_is_forgotten_everywhere() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Prompt);
    cluster.run_pod(&node, "p");
    cluster.until(40.0).await;
    let series = "metrics_server_kubelet_request_duration_seconds_count{node=\"node-1\"}";
    assert!(cluster.metrics().contains(series));
    cluster.inventory.remove_node(&node);
    cluster.until(41.0).await;
    assert!(cluster.live.pods(None).get("n", "p").is_none());
    assert_eq!(cluster.health.node("node-1"), None);
    assert!(!cluster.metrics().contains("node-1"));
    let asked = cluster.asked(&node).len();
    cluster.until(90.0).await;
    assert_eq!(cluster.asked(&node).len(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_left_while_it_was_asked_does_not_come_back() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Takes(Duration::from_secs(1)));
    cluster.until(0.5).await;
    cluster.inventory.remove_node(&node);
    cluster.until(5.0).await;
    assert_eq!(cluster.asked(&node), [0.0]);
    assert_eq!(cluster.health.node("node-1"), None);
    assert!(!cluster.metrics().contains("node-1"));
    assert!(cluster.live.nodes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failing_node_that_gets_another_address_is_tried_soon() {
    let cluster = Cluster::start();
    let name = cluster.add("node-1", Manner::Refuses);
    cluster.until(63.0).await;
    let before = cluster.asked(&name).len();
    let mut moved = node("node-1");
    moved.kubelet_port = Some(4443);
    cluster.inventory.apply_node(moved);
    cluster.until(65.1).await;
    assert_eq!(cluster.asked(&name).len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn only_selected_nodes_are_asked() {
    let cluster = Cluster::start_with(|config| {
        config.selects = Arc::new(|node| node.name.as_str() != "skipped");
    });
    let (kept, skipped) = (
        cluster.add("kept", Manner::Prompt),
        cluster.add("skipped", Manner::Prompt),
    );
    cluster.until(1.0).await;
    assert_eq!(
        (cluster.asked(&kept).len(), cluster.asked(&skipped).len()),
        (1, 0)
    );
    assert_eq!(cluster.health.nodes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn more_changes_than_the_channel_holds_lose_no_node() {
    let cluster = Cluster::start();
    for n in 0..3000 {
        cluster.inventory.apply_node(node(&format!("n-{n}")));
    }
    cluster.until(1.0).await;
    assert_eq!(cluster.health.nodes().len(), 3000);
    assert_eq!(cluster.kubelets.asked.lock().len(), 3000);
}

#[tokio::test(start_paused = true)]
async fn the_schedule_is_timely_until_its_task_is_gone() {
    let cluster = Cluster::start();
    assert_eq!(cluster.health.timely(), Ok(()), "before the first pass");
    // Between two looks, which are half a resolution apart.
    cluster.until(301.0).await;
    assert_eq!(cluster.health.timely(), Ok(()), "although there is no node");
    cluster.stop.stop();
    cluster.tasks.finished().await;
    cluster.until(322.0).await;
    assert_eq!(cluster.health.timely(), Ok(()));
    cluster.until(332.0).await;
    assert!(cluster.health.timely().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_hanging_node() {
    let cluster = Cluster::start();
    cluster.add("node-1", Manner::Hangs);
    cluster.until(1.0).await;
    cluster.stop.stop();
    cluster.tasks.finished().await;
    assert!(cluster.kubelets.began.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn metric_names_are_those_of_metrics_server() {
    let cluster = Cluster::start();
    cluster.add("node-1", Manner::Prompt);
    cluster.add("node-2", Manner::Refuses);
    cluster.until(1.0).await;
    let metrics = cluster.metrics();
    for line in [
        "metrics_server_kubelet_request_duration_seconds_bucket{le=\"10.0\",node=\"node-1\"} 1",
        "metrics_server_kubelet_request_total{success=\"true\"} 1",
        "metrics_server_kubelet_request_total{success=\"false\"} 1",
        "metrics_server_kubelet_last_request_time_seconds{node=\"node-2\"} 1795253480",
        "metrics_server_manager_tick_duration_seconds_count 2",
        "metrics_server_manager_tick_duration_seconds_bucket{le=\"22.5\"} 2",
        "loadline_scrape_failures_total{cause=\"403\"} 1",
        "loadline_exposition_lines_skipped_total 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} in\n{metrics}");
    }
}
