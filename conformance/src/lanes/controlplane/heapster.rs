//! Heapster's API beside a real control plane: through its service proxy as Dashboard asks, and on the secure port
//! under its rules.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{CALL, Scene};
use crate::client::Protocol;
use crate::real::{Kubectl, repository, until};
use crate::report::Lane;

/// How long until every pod has a rate, at a column every five seconds.
const COLUMNS: Duration = Duration::from_secs(60);
const MODEL: &str = "/api/v1/namespaces/kube-system/services/heapster/proxy/api/v1/model";
const SCRAPER: &str = "/api/v1/namespaces/kube-system/services/heapster/proxy/api/v1/dashboard";

pub(super) async fn checks(lane: &Lane, scene: &Scene) {
    let dashboard = "Dashboard 1 gets its graphs through the service proxy";
    lane.check(dashboard, COLUMNS + CALL, async {
        service(scene).await?;
        let health = MODEL.replace("/api/v1/model", "/healthz");
        let call = format!("get --raw {health}");
        until(COLUMNS, async || {
            let answer = scene.admin.run(&call).await?;
            ensure!(answer.trim() == "ok", "{answer}");
            Ok(())
        })
        .await?;
        until(COLUMNS, async || old_dashboard(scene).await).await
    })
    .await;
    let dashboard = "Dashboard 7 gets its graphs through the service proxy";
    lane.check(dashboard, CALL, new_dashboard(scene)).await;
    let name = "who may not use the service proxy learns nothing of Heapster's port";
    lane.check(name, 2 * CALL, gate(scene)).await;
    let name = "the secure port tells the model to readers of it alone";
    lane.check(name, CALL, readers(scene)).await;
}

/// A Service of Heapster's name that leads to the port here. The API server dials no loopback address, and none that is
/// not a pod's; it finds a port nobody names only when it has no name. The pod stays pending: nobody measures it.
async fn service(scene: &Scene) -> Result<()> {
    let address = own_address()?.ip().to_string();
    let port = scene.heapster;
    let meta = json!({ "name": "heapster", "namespace": "kube-system" });
    let slice = json!({
        "name": "heapster-here", "namespace": "kube-system",
        "labels": { "kubernetes.io/service-name": "heapster" },
    });
    let pod = json!({ "name": "heapster", "namespace": "kube-system" });
    let target = json!({ "kind": "Pod", "name": "heapster", "namespace": "kube-system" });
    let ports = json!([{ "port": port, "protocol": "TCP" }]);
    let objects = [
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": pod,
            "spec": { "containers": [{ "name": "heapster", "image": "none" }] } }),
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": meta,
            "spec": { "ports": [{ "port": 80, "targetPort": port }] } }),
        json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": slice,
            "addressType": "IPv4", "ports": ports,
            "endpoints": [{ "addresses": [address], "conditions": { "ready": true }, "targetRef": target }] }),
    ];
    for object in objects {
        scene.admin.apply(&object.to_string()).await?;
    }
    let status = json!({ "status": { "podIP": address, "podIPs": [{ "ip": address }] } });
    let pod = "pod heapster -n kube-system";
    scene.admin.patch_status(pod, &status).await
}

/// The address this machine has towards others. Nothing is sent to find it.
fn own_address() -> Result<SocketAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let reached = socket.connect("198.51.100.1:9");
    reached.context("this machine has no address but the loopback one")?;
    Ok(socket.local_addr()?)
}

async fn old_dashboard(scene: &Scene) -> Result<()> {
    for (metric, least) in [("cpu/usage_rate", 390.0), ("memory/usage", 1e8)] {
        let path = format!("{MODEL}/namespaces/web/pod-list/web-1,web-2/metrics/{metric}");
        let list = scene.admin.raw(&path).await?;
        let items = list["items"].as_array().context("no items")?;
        // Dashboard tells pods apart by their place alone, and adds points of equal time.
        let [web_1, web_2] = items.as_slice() else {
            anyhow::bail!("not two items: {list}");
        };
        let (one, two) = (points(web_1)?, points(web_2)?);
        let last = (
            one.last().context("no point")?,
            two.last().context("no point")?,
        );
        ensure!(last.0.0 == last.1.0, "times differ: {last:?}");
        ensure!(
            last.1.1 >= least && last.1.1 > last.0.1,
            "{metric}: {last:?}"
        );
        let path = format!("{MODEL}/nodes/sim-3/metrics/{metric}");
        let node = points(&scene.admin.raw(&path).await?)?;
        ensure!(
            node.last().is_some_and(|(_, value)| *value > 0.0),
            "{node:?}"
        );
    }
    Ok(())
}

fn points(result: &Value) -> Result<Vec<(i64, f64)>> {
    let points = result["metrics"].as_array().context("no metrics")?;
    let point = |point: &Value| {
        let at: jiff::Timestamp = point["timestamp"].as_str().context("no time")?.parse()?;
        let value = point["value"].as_f64().context("no value")?;
        anyhow::Ok((at.as_second(), value))
    };
    points.iter().map(point).collect()
}

async fn new_dashboard(scene: &Scene) -> Result<()> {
    let path = format!("{SCRAPER}/namespaces/web/pod-list/web-1,web-2/metrics/cpu/usage_rate");
    let list = scene.admin.raw(&path).await?;
    for (name, want) in [("web-1", 300.0), ("web-2", 400.0)] {
        let mut items = list["items"].as_array().context("no items")?.iter();
        let item = items.find(|item| item["uids"] == json!([name]));
        let item = item.with_context(|| format!("no {name} in {list}"))?;
        ensure!(item["metricName"] == "cpu", "{item}");
        let newest = item["metricPoints"]
            .as_array()
            .and_then(|points| points.last());
        let value = newest.and_then(|point| point["value"].as_f64());
        let near = value.is_some_and(|value| (want - 2.0..=want).contains(&value));
        ensure!(near, "{name}: {value:?}, not {want}");
    }
    let path = format!("{SCRAPER}/nodes/sim-1/metrics/memory/usage");
    let list = scene.admin.raw(&path).await?;
    ensure!(list["items"][0]["uids"] == json!(["sim-1"]), "{list}");
    Ok(())
}

/// By the overlay's Role, which names the Service in all three spellings: its holder gets through, nobody else does,
/// and to no other Service. What the NetworkPolicy lets in is read only: nothing here would enforce it.
async fn gate(scene: &Scene) -> Result<()> {
    let folder = repository()?.join("deploy/overlays/heapster");
    for file in ["access.yaml", "networkpolicy.yaml"] {
        let manifest = std::fs::read_to_string(folder.join(file))?;
        scene.admin.apply(&manifest).await?;
    }
    let mut accounts = Vec::new();
    for name in ["dashboard", "onlooker"] {
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": name, "namespace": "web" } });
        scene.admin.apply(&account.to_string()).await?;
        let account = scene.cluster.service_account(&scene.admin, "web", name);
        accounts.push(account.await?);
    }
    let bind = "create rolebinding dashboard -n kube-system --role=heapster-proxy --serviceaccount=web:dashboard";
    scene.admin.run(bind).await?;
    let [dashboard, onlooker] = accounts.as_slice() else {
        anyhow::bail!("not two accounts");
    };
    let refused = async |who: &Kubectl, path: &str| {
        let answer = who.ask(&format!("get --raw {path}")).await?;
        let told = "cannot get resource \"services/proxy\"";
        let refused = !answer.success && answer.err.contains(told) && answer.out.is_empty();
        ensure!(refused, "{path}: {} {}", answer.out, answer.err);
        Ok(())
    };
    for spelling in ["heapster", "heapster:", "http:heapster:"] {
        let path = MODEL.replace("/heapster/", &format!("/{spelling}/")) + "/nodes";
        until(CALL, async || {
            let nodes = dashboard.raw(&path).await?;
            ensure!(
                nodes.as_array().is_some_and(|nodes| !nodes.is_empty()),
                "{nodes}"
            );
            Ok(())
        })
        .await?;
        refused(onlooker, &path).await?;
    }
    refused(dashboard, &MODEL.replace("/heapster/", "/loadline/")).await?;
    policy(scene, &folder).await
}

/// Everybody to the secure port, one namespace to Heapster's, of the pods the overlay makes.
async fn policy(scene: &Scene, overlay: &Path) -> Result<()> {
    let kept = "get networkpolicy loadline -n kube-system";
    let kept = scene.admin.json(kept).await?;
    let dashboard = json!({ "kubernetes.io/metadata.name": "kubernetes-dashboard" });
    let of_loadline = json!({ "app.kubernetes.io/name": "loadline" });
    let wanted = json!({
        "podSelector": { "matchLabels": of_loadline },
        "policyTypes": ["Ingress"],
        "ingress": [
            { "ports": [{ "port": "https", "protocol": "TCP" }] },
            { "ports": [{ "port": "heapster", "protocol": "TCP" }],
              "from": [{ "namespaceSelector": { "matchLabels": dashboard } }] },
        ],
    });
    ensure!(kept["spec"] == wanted, "{}", kept["spec"]);
    let dry = "apply --server-side --force-conflicts --dry-run=server -k";
    let made = format!("{dry} {}", overlay.display());
    let made = scene.admin.json(&made).await?;
    let mut made = made["items"].as_array().context("no objects")?.iter();
    let deployment = made.find(|object| object["kind"] == "Deployment");
    let template = &deployment.context("no Deployment")?["spec"]["template"];
    let name = "app.kubernetes.io/name";
    ensure!(
        template["metadata"]["labels"][name] == of_loadline[name],
        "{template}"
    );
    let ports = &template["spec"]["containers"][0]["ports"];
    let ports = ports.as_array().context("no ports")?.iter();
    let ports: Vec<_> = ports.filter_map(|port| port["name"].as_str()).collect();
    ensure!(ports == ["https", "heapster"], "{ports:?}");
    Ok(())
}

/// By the rules every cluster has: `system:discovery` alone opens nothing.
async fn readers(scene: &Scene) -> Result<()> {
    for name in ["reader", "stranger", "local"] {
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": name, "namespace": "web" } });
        scene.admin.apply(&account.to_string()).await?;
    }
    // The local one has every right in one namespace: the paths belong to none, and tell of all.
    for bind in [
        "clusterrolebinding reader --clusterrole=loadline-model-reader --serviceaccount=web:reader",
        "rolebinding local -n web --clusterrole=cluster-admin --serviceaccount=web:local",
        "rolebinding local-reader -n web --clusterrole=loadline-model-reader --serviceaccount=web:local",
    ] {
        scene.admin.run(&format!("create {bind}")).await?;
    }
    let nobody = scene.client(Protocol::Http2, None).await?;
    let path = "/api/v1/model/namespaces/web/pods";
    for (name, status) in [("reader", 200), ("stranger", 403), ("local", 403)] {
        let account = scene
            .cluster
            .service_account(&scene.admin, "web", name)
            .await?;
        let client = nobody.with_token(&account.token()?)?;
        until(CALL / 2, async || {
            if name == "local" {
                // The binding counts by now.
                let own = "/apis/metrics.k8s.io/v1/namespaces/web/pods";
                client.get(own).await?.expect_status(200)?;
            }
            client.get(path).await?.expect_status(status)?;
            Ok(())
        })
        .await
        .context(name)?;
    }
    nobody.get(path).await?.expect_status(403)?;
    Ok(())
}
