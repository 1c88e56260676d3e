//! Loadline beside a real control plane and simulated kubelets, as a child process that nothing but its own
//! ServiceAccount lets in.

mod autoscaler;
mod clients;
mod coverage;
mod events;
mod foreign;
mod heapster;
mod kubectl;
mod manifests;
mod migration;
mod monitoring;
mod older;
mod permissions;
mod serving;
mod values;
mod watches;
mod world;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::client::{Client, Protocol, Target, Trust};
use crate::lab::{Identity, Lab, LabConfig, Leaf};
use crate::loadline::{Loadline, SERVER_NAME, Start};
use crate::process::free_address;
use crate::real::{ControlPlane, Hopeless, Kubectl, Mirror, Overlay, Place, Scratch, Tools, until};
use crate::report::Lane;

/// How long it may take until a control plane is up on a busy machine.
const START: Duration = Duration::from_secs(300);
/// How long it may take until the first numbers are served.
const NUMBERS: Duration = Duration::from_secs(120);
/// How long a single call of `kubectl` with its judgement may take.
const CALL: Duration = Duration::from_secs(60);

/// The Secret Loadline keeps its certificate in.
const SECRET: &str = "loadline-serving";

/// What the checks of this lane look at.
struct Scene {
    // Dropped in this order: the program under test first.
    loadline: Loadline,
    /// How servers of `metrics.k8s.io` reach the API server.
    kubeconfig: PathBuf,
    admin: Kubectl,
    mirror: Mirror,
    cluster: ControlPlane,
    lab: Lab,
    /// How the program under test is started.
    start: Start,
    /// Heapster's port.
    heapster: u16,
}

impl Scene {
    /// A client of the program under test that verifies it as the API server does.
    async fn client(&self, protocol: Protocol, certificate: Option<&Leaf>) -> Result<Client> {
        Client::new(&Target {
            address: self.loadline.address,
            name: SERVER_NAME,
            trust: Trust::Bundle(serving::bundle(&self.admin, "v1.metrics.k8s.io").await?),
            certificate,
            protocol,
        })
    }

    /// Waits until the program under test says that it is ready.
    async fn ready(&mut self, within: Duration) -> Result<()> {
        until(within, async || {
            self.runs()?;
            let client = self.client(Protocol::Http1, None).await?;
            client.get("/readyz").await?.expect_status(200)?;
            Ok(())
        })
        .await
    }

    /// Makes sure that the program under test has not ended.
    fn runs(&mut self) -> Result<()> {
        self.loadline.process.expect_running().context(Hopeless)
    }
}

/// Runs the lane.
///
/// # Errors
/// When its folders cannot be made.
pub async fn controlplane(lane: &Lane) -> Result<()> {
    let tools = match Tools::find() {
        Ok(tools) => tools,
        Err(error) => {
            lane.skip("controlplane", &format!("{error:#}"));
            return Ok(());
        }
    };
    let logs = lane.folder()?;
    let scratch = Scratch::new()?;
    let programs = ["kube-apiserver", "kube-controller-manager", "loadline"];
    for program in programs {
        lane.watch_log(logs.join(format!("{program}.log")));
    }
    clients::bytes(lane, &tools, &logs).await;
    let start = ControlPlane::start(&scratch, &tools, &logs, Place::Host);
    let Some(cluster) = lane.value("a control plane comes up", START, start).await else {
        return Ok(());
    };
    manifests::checks(lane, &cluster, &scratch).await;
    let set_up = scene(cluster, &scratch, &tools, &logs);
    let name = "the manifests apply and loadline starts with its own account";
    let Some(mut scene) = lane.value(name, START, set_up).await else {
        return Ok(());
    };
    if !available(lane, &mut scene).await {
        return Ok(());
    }
    lane.check("the API server sends protobuf", CALL, async {
        protobuf(&scene)
    })
    .await;
    serving::written(lane, &scene).await;
    permissions::checks(lane, &scene).await;
    values::checks(lane, &scene).await;
    kubectl::checks(lane, &scene).await;
    kubectl::access(lane, &scene).await;
    coverage::checks(lane, &scene).await;
    clients::checks(lane, &scene, &tools, &logs).await;
    foreign::checks(lane, &scene, &scratch, &tools, &logs).await;
    heapster::checks(lane, &scene).await;
    monitoring::checks(lane, &scene).await;
    Box::pin(events::checks(lane, &mut scene, &scratch, &tools, &logs)).await;
    watches::checks(lane, &mut scene, &tools, &logs).await;
    let autoscaler = autoscaler::checks(lane, &scene, &scratch);
    let ((), single) = tokio::join!(autoscaler, older::container_resource(lane, &scene));
    older::checks(lane, &mut scene, &scratch, &tools, &logs, &single).await;
    lane.check("nothing ended by itself", CALL, async {
        scene.runs()?;
        scene.cluster.alive()
    })
    .await;
    serving::rotation(lane, &mut scene, &scratch, &tools, &logs).await;
    Ok(())
}

async fn scene(
    cluster: ControlPlane,
    scratch: &Scratch,
    tools: &Tools,
    logs: &Path,
) -> Result<Scene> {
    let admin = cluster.user("admin", &["system:masters"])?;
    let lab = Lab::start(world::world(), LabConfig::default()).await?;
    let mirror = Mirror::new(&cluster, std::sync::Arc::clone(&lab.world))?;
    for namespace in world::NAMESPACES {
        mirror.add_namespace(namespace).await?;
    }
    mirror.show().await?;

    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "loadline", "namespace": "kube-system" },
    });
    admin.apply(&account.to_string()).await?;
    let loadline = cluster
        .service_account(&admin, "kube-system", "loadline")
        .await?;
    // The simulated kubelets know who the bearer of this token is; the API server really does.
    let token = loadline.token()?;
    let name = "system:serviceaccount:kube-system:loadline";
    lab.access
        .add_token(&token, Identity::new(name, &["system:serviceaccounts"]));

    let kubeconfig = loadline.kubeconfig().clone();
    let heapster = free_address()?.port();
    let start = start(&lab, tools, &kubeconfig)?
        .with("rollup-resolution", "5s")
        .with("heapster-port", &heapster.to_string())
        .log(&logs.join("loadline.log"));
    register(&admin, scratch, start.port()).await?;
    let loadline = start.launch(&lab)?;
    Ok(Scene {
        start,
        loadline,
        admin,
        mirror,
        cluster,
        lab,
        kubeconfig,
        heapster,
    })
}

/// Each watch says once in the log how its objects come.
fn protobuf(scene: &Scene) -> Result<()> {
    let log = std::fs::read_to_string(scene.start.log_path())?;
    for resource in ["nodes", "pods", "namespaces", "configmaps"] {
        let resource = format!("resource=\"{resource}\"");
        let opened =
            |line: &&str| line.contains("watching the API server") && line.contains(&resource);
        let line = log
            .lines()
            .find(opened)
            .with_context(|| format!("no watch of {resource}"))?;
        ensure!(line.contains("encoding=\"protobuf\""), "{line}");
    }
    Ok(())
}

/// Loadline with its own account, and with no certificate but the one it makes by itself.
fn start(lab: &Lab, tools: &Tools, kubeconfig: &Path) -> Result<Start> {
    let kubeconfig = kubeconfig.display().to_string();
    Ok(Start::new(lab, tools.loadline())?
        .with("kubeconfig", &kubeconfig)
        .with("authentication-kubeconfig", &kubeconfig)
        .with("authorization-kubeconfig", &kubeconfig)
        .without("tls-cert-file")
        .without("tls-private-key-file")
        .with("serving-secret", &format!("kube-system/{SECRET}"))
        .with("metric-resolution", "10s")
        // A node has to answer well before it is asked again.
        .with("kubelet-request-timeout", "5s"))
}

/// Applies the folder `apiservice/` as it is but for the port, and a Service that leads here.
async fn register(admin: &Kubectl, scratch: &Scratch, port: u16) -> Result<()> {
    let manifests = Overlay::on("apiservice")
        .set("APIService", "/spec/service/port", port)
        .render(scratch, admin)
        .await?;
    let skips = manifests.to_lowercase().matches("insecure").count();
    ensure!(skips == 0, "the manifests skip a verification");
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "loadline", "namespace": "kube-system" },
        "spec": { "type": "ExternalName", "externalName": "localhost" },
    });
    admin.apply(&service.to_string()).await?;
    admin.apply(&manifests).await
}

async fn available(lane: &Lane, scene: &mut Scene) -> bool {
    let name = "all APIServices become Available";
    let registered = lane
        .check(name, NUMBERS + CALL, async {
            until(NUMBERS, async || {
                scene.runs()?;
                let services = "apiservice/v1.metrics.k8s.io apiservice/v1beta1.metrics.k8s.io \
                                apiservice/v1alpha1.loadline.io";
                let wait = format!("wait --for=condition=Available --timeout=1s {services}");
                scene.admin.run(&wait).await
            })
            .await?;
            Ok(())
        })
        .await;
    if !registered {
        return false;
    }
    let ready = lane
        .check("every node and pod has a number", NUMBERS + CALL, async {
            let (nodes, pods) = (scene.lab.world.nodes().len(), scene.lab.world.pods().len());
            until(NUMBERS, async || {
                scene.runs()?;
                let items = |list: &serde_json::Value| list["items"].as_array().map_or(0, Vec::len);
                let all_nodes = scene.admin.raw("/apis/metrics.k8s.io/v1/nodes").await?;
                let all_pods = scene.admin.raw("/apis/metrics.k8s.io/v1/pods").await?;
                let (n, p) = (items(&all_nodes), items(&all_pods));
                ensure!(
                    n == nodes && p == pods,
                    "{n} of {nodes} nodes, {p} of {pods} pods"
                );
                Ok(())
            })
            .await
        })
        .await;
    scene.admin.forget_discovery();
    ready
}
