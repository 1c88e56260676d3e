//! The real kubectl, through the aggregator.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;

use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::verdict::{Stop, Verdict, ensure, failed, skipped};

const DEADLINE: Duration = Duration::from_secs(25);

/// A finished call.
struct Finished {
    call: String,
    output: String,
    error: String,
    good: bool,
}

pub(super) fn checks() -> Vec<Check> {
    let discovery = Group::Discovery;
    let group = Group::TlsAndClients;
    vec![
        discovery
            .check(
                70,
                "kubectl-discovery",
                "kubectl explains the kinds, lists the resources, and `po` still means the core's pods",
                |cx| Box::pin(explain(cx)),
            )
            .within(120),
        Group::ListOptions
            .check(
                99,
                "kubectl-watch",
                "kubectl get -w prints the list, then follows it or ends with why not, and never hangs",
                |cx| Box::pin(watch(cx)),
            )
            .within(60),
        group
            .check(
                114,
                "kubectl-top",
                "kubectl top of nodes, pods, containers, sums and selections succeeds in both encodings",
                |cx| Box::pin(top(cx)),
            )
            .within(180),
        group
            .check(
                115,
                "kubectl-get",
                "kubectl get succeeds in every output, and raw",
                |cx| Box::pin(get(cx)),
            )
            .within(120),
    ]
}

async fn call(cx: &Context<'_>, call: &str) -> Result<Finished, Stop> {
    let kubectl = cx.target.kubectl.as_ref();
    let kubectl = kubectl.ok_or_else(|| skipped("needs kubectl and a kubeconfig"))?;
    let running = Command::new(&kubectl.program)
        .args(call.split(' '))
        .env("KUBECONFIG", &kubectl.kubeconfig)
        .env("KUBECACHEDIR", kubectl.kubeconfig.with_extension("cache"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(DEADLINE, running)
        .await
        .map_err(|_| failed(format!("kubectl {call} ends"), "it hangs"))?;
    let ended = ended.context("run kubectl")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Finished {
        call: call.to_owned(),
        output: text(&ended.stdout),
        error: text(&ended.stderr),
        good: ended.status.success(),
    })
}

/// A call that succeeds and prints this.
async fn prints(cx: &Context<'_>, command: &str, parts: &[&str]) -> Verdict {
    let ended = call(cx, command).await?;
    let right = ended.good && parts.iter().all(|part| ended.output.contains(part));
    ensure(
        right,
        format!("kubectl {command} prints {parts:?}"),
        format!("{}{}", ended.output, ended.error),
    )
}

async fn explain(cx: &Context<'_>) -> Verdict {
    // Without the version kubectl takes what follows `nodes.` for a field of the core's nodes.
    for version in &cx.features.versions {
        for (resource, kind) in [("nodes", "NodeMetrics"), ("pods", "PodMetrics")] {
            let command = format!("explain {resource} --api-version=metrics.k8s.io/{version}");
            let version = format!("VERSION:    {version}");
            prints(cx, &command, &[kind, &version, "timestamp", "window"]).await?;
        }
    }
    let resources = "api-resources --api-group=metrics.k8s.io";
    prints(cx, resources, &["NodeMetrics", "PodMetrics"]).await?;
    let short = call(cx, "get po -A -o name").await?;
    ensure(
        short.good && !short.output.contains("metrics"),
        "core pods for `po`",
        format!("{}: {}{}", short.call, short.output, short.error),
    )
}

async fn watch(cx: &Context<'_>) -> Verdict {
    let node = cx.some_node().await?;
    let command = "get nodes.metrics.k8s.io -w --request-timeout=8s";
    let ended = call(cx, command).await?;
    ensure(
        ended.output.contains(&node),
        format!("{node} in the list"),
        format!("{}{}", ended.output, ended.error),
    )?;
    if cx.features.extensions.watch {
        return Ok(());
    }
    ensure(
        ended.error.contains("not supported") || ended.error.contains("MethodNotAllowed"),
        "the reason why there is no watch",
        &ended.error,
    )
}

async fn top(cx: &Context<'_>) -> Verdict {
    let node = cx.some_node().await?;
    let (namespace, pod) = cx.some_pod().await?;
    prints(cx, "top node", &["NAME", &node]).await?;
    prints(cx, &format!("top node {node}"), &[&node]).await?;
    prints(cx, "top node --show-swap", &["SWAP", &node]).await?;
    prints(cx, "top pod -A --show-swap", &["SWAP", &pod]).await?;
    prints(cx, "top node --use-protocol-buffers=false", &[&node]).await?;
    let all = "top pod -A --containers";
    prints(cx, all, &[&namespace, &pod]).await?;
    prints(cx, "top pod -A --sum", &["________"]).await?;
    prints(cx, &format!("top pod -n {namespace}"), &[&pod]).await?;
    prints(cx, &format!("top pod -n {namespace} {pod}"), &[&pod]).await?;
    let json = "top pod -A --use-protocol-buffers=false";
    prints(cx, json, &[&pod]).await?;
    prints(cx, "top pod -A --sort-by=memory", &[&pod]).await?;
    if cx.world.is_some() {
        prints(cx, "top pod -A -l app=web", &["web-0"]).await?;
        prints(cx, "top pod -n a web-0", &["300m"]).await?;
    }
    Ok(())
}

async fn get(cx: &Context<'_>) -> Verdict {
    let (_, pod) = cx.some_pod().await?;
    for output in ["json", "yaml", "name", "wide"] {
        let command = format!("get pods.metrics.k8s.io -A -o {output}");
        prints(cx, &command, &[&pod]).await?;
    }
    let version = cx
        .features
        .versions
        .first()
        .map_or("v1beta1", String::as_str);
    let raw = format!("get --raw /apis/metrics.k8s.io/{version}/pods");
    prints(cx, &raw, &["\"kind\":\"PodMetricsList\"", &pod]).await?;
    let nothing = call(cx, "get pods.metrics.k8s.io -n none-of-this-name").await?;
    ensure(
        nothing.good && nothing.error.contains("No resources found"),
        "No resources found",
        format!("{}{}", nothing.output, nothing.error),
    )
}
