//! The manifests and the chart, as a real API server takes them: every object of every overlay and of every rendering,
//! with fields it does not know refused. Nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use crate::real::{ControlPlane, Helm, Kubectl, Rendered, Scratch, repository, until};
use crate::report::Lane;

use super::CALL;

const DEFINITIONS: &str = include_str!("testdata/customresourcedefinitions.yaml");
const CHART: &str = "deploy/charts/loadline";
/// What makes a spool of a volume.
const SPOOL: [&str; 3] = [
    "--sink-spool-dir=/var/spool/loadline",
    "mountPath: /var/spool/loadline",
    "sizeLimit: 2Gi",
];
/// Labels of Helm's own that objects of a chart carry besides those of the manifests.
const OF_HELM: [&str; 4] = [
    "helm.sh/chart",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
];
/// What the notes have to name when `ci/ignored-values.yaml` is installed.
const EXPLAINED: [&str; 10] = [
    "image.repository",
    "apiService.insecureSkipTLSVerify",
    "apiService.caBundle",
    "apiService.versions",
    "rbac.pspEnabled",
    "addonResizer",
    "tls.type=helm",
    "tmpVolume",
    "hostNetwork.enabled",
    "--kubelet-insecure-tls",
];
/// Overlays, and the values with which the chart is the same.
const WAYS: [(&str, &str); 2] = [
    (
        "deploy/overlays/pin",
        r#"{"kubelet": {"verification": "pin"}}"#,
    ),
    (
        "deploy/overlays/via-apiserver",
        r#"{"kubelet": {"viaApiserver": true}}"#,
    ),
];
const ALL: Duration = Duration::from_secs(180);

/// Makes all checks, in a control plane that has nothing of Loadline yet.
pub(super) async fn checks(lane: &Lane, cluster: &ControlPlane, scratch: &Scratch) {
    let set_up = set_up(cluster, scratch);
    let name = "the kinds of cert-manager and the Prometheus operator are known";
    let Some((admin, root, home)) = lane.value(name, CALL * 2, set_up).await else {
        return;
    };
    let base = async {
        let folders = folders(&root)?;
        let taken = join_all(folders.iter().map(|folder| overlay(&admin, folder))).await;
        let taken: Vec<Objects> = taken.into_iter().collect::<Result<_>>()?;
        taken.into_iter().next().context("no base")
    };
    let name = "an API server takes every kustomization, and knows every field of it";
    let Some(base) = lane.value(name, ALL, base).await else {
        return;
    };
    let name = "where Services may have both address families, loadline's have both";
    lane.check(name, CALL, async { dual_stack(&base) }).await;
    let helm = match Helm::find(&home) {
        Ok(helm) => helm,
        Err(error) => return lane.skip("the chart", &format!("{error:#}")),
    };
    chart(lane, &admin, &helm, &root.join(CHART), &base).await;
    let name = "the chart's ways to kubelets are what the overlays hold";
    lane.check(name, ALL, async {
        for (folder, values) in WAYS {
            let file = home.join("values.json");
            std::fs::write(&file, values)?;
            let chart = root.join(CHART);
            let rendered = helm.render(&admin, "loadline", &chart, Some(&file)).await?;
            let chart = taken(&admin, &rendered.manifest).await?;
            same(&overlay(&admin, &root.join(folder)).await?, &chart).context(folder)?;
        }
        Ok(())
    })
    .await;
}

fn dual_stack(base: &Objects) -> Result<()> {
    for name in ["loadline", "loadline-peers"] {
        let service = base.get(&format!("Service kube-system/{name}"));
        let families = &service.context("no Service")?["spec"]["ipFamilies"];
        ensure!(*families == json!(["IPv4", "IPv6"]), "{name}: {families}");
    }
    Ok(())
}

async fn chart(lane: &Lane, admin: &Kubectl, helm: &Helm, chart: &Path, base: &Objects) {
    let name = "the chart with its defaults is what deploy/base holds";
    lane.check(name, CALL, async {
        let rendered = helm.render(admin, "loadline", chart, None).await?;
        same(base, &taken(admin, &rendered.manifest).await?)
    })
    .await;
    let mut notes = None;
    let name = "an API server takes the chart with every value set, and knows every field of it";
    lane.check(name, ALL, async {
        let files = files(&chart.join("ci"), "-values.yaml")?;
        let rendered = join_all(files.iter().map(async |file| {
            let name = file.display();
            let rendered = helm.render(admin, "metrics", chart, Some(file)).await;
            let rendered = rendered.with_context(|| name.to_string())?;
            taken(admin, &rendered.manifest)
                .await
                .with_context(|| name.to_string())?;
            Ok::<Rendered, anyhow::Error>(rendered)
        }));
        for (file, rendered) in files.iter().zip(rendered.await) {
            let rendered = rendered?;
            if file.ends_with("spool-values.yaml") {
                let whole = SPOOL.iter().all(|part| rendered.manifest.contains(part));
                ensure!(whole, "no spool in:\n{}", rendered.manifest);
            }
            if file.ends_with("ignored-values.yaml") {
                notes = Some(rendered.notes);
            }
        }
        Ok(())
    })
    .await;
    let name = "the notes explain every value that has no effect";
    lane.check(name, CALL, async {
        let notes = notes.context("nothing was rendered")?;
        for value in EXPLAINED {
            ensure!(notes.contains(value), "nothing about {value} in:\n{notes}");
        }
        Ok(())
    })
    .await;
    values(lane, chart).await;
}

/// Which values there are, and that each is tried.
async fn values(lane: &Lane, chart: &Path) {
    let name = "the chart has every value of metrics-server's chart";
    lane.check(name, CALL, async {
        let read = |file: &str| -> Result<Value> {
            let text = std::fs::read_to_string(chart.join(file))?;
            Ok(serde_saphyr::from_str(&text)?)
        };
        let (theirs, ours) = (read("ci/metrics-server-values.yaml")?, read("values.yaml")?);
        let missing = missing(&theirs, &ours, "");
        ensure!(missing.is_empty(), "{missing:?}");
        Ok(())
    })
    .await;
    let name = "every value of the chart is set to something by one of the files that are rendered";
    lane.check(name, CALL, async {
        let read = |file: &Path| -> Result<Value> {
            Ok(serde_saphyr::from_str(&std::fs::read_to_string(file)?)?)
        };
        let files = files(&chart.join("ci"), "-values.yaml")?;
        let set: Vec<Value> = files.iter().map(|file| read(file)).collect::<Result<_>>()?;
        let mut unset = leaves(&read(&chart.join("values.yaml"))?, "");
        unset.retain(|path| !set.iter().any(|values| values.pointer(path).is_some()));
        ensure!(unset.is_empty(), "{unset:?}");
        Ok(())
    })
    .await;
}

/// The JSON pointers of all values that hold no other ones.
fn leaves(value: &Value, path: &str) -> Vec<String> {
    let ours = !OF_KUBERNETES.contains(&path);
    let inner = value.as_object().filter(|inner| ours && !inner.is_empty());
    let Some(inner) = inner else {
        return vec![path.to_owned()];
    };
    let below = inner.iter();
    below
        .flat_map(|(key, value)| leaves(value, &format!("{path}/{key}")))
        .collect()
}

async fn set_up(cluster: &ControlPlane, scratch: &Scratch) -> Result<(Kubectl, PathBuf, PathBuf)> {
    let admin = cluster.user("admin", &["system:masters"])?;
    until(CALL, async || {
        admin.run("get namespace kube-system").await?;
        admin.apply(DEFINITIONS).await
    })
    .await?;
    admin
        .run("wait --for=condition=Established --timeout=50s customresourcedefinitions --all")
        .await?;
    until(CALL, async || {
        // Established is not yet served.
        admin
            .run("get servicemonitors,prometheusrules -n kube-system")
            .await?;
        admin.run("get issuers,certificates -n kube-system").await
    })
    .await?;
    Ok((admin, repository()?, scratch.subfolder("helm")?))
}

/// Every folder below `deploy` that can be applied, the base in front.
fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![root.join("deploy/base")];
    for folder in files(&root.join("deploy/overlays"), "")? {
        folders.push(folder);
    }
    for folder in ["monitoring", "monitoring/sinks", "take-over", "take-back"] {
        folders.push(root.join("deploy").join(folder));
    }
    Ok(folders)
}

/// What is in a folder and ends so, sorted.
fn files(folder: &Path, end: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(end) {
            files.push(entry.path());
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "nothing in {}", folder.display());
    Ok(files)
}

async fn overlay(admin: &Kubectl, folder: &Path) -> Result<Objects> {
    let name = folder.display().to_string();
    let manifest = admin.run_args(&["kustomize", &name], "").await?;
    taken(admin, &manifest).await.with_context(|| name)
}

/// Objects by kind, namespace and name, as the API server would keep them, without what it adds of its own.
type Objects = BTreeMap<String, Value>;

async fn taken(admin: &Kubectl, manifest: &str) -> Result<Objects> {
    let arguments = [
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "--output=json",
        "--filename=-",
    ];
    let answer = admin.run_args(&arguments, manifest).await?;
    let mut answer: Value = serde_json::from_str(&answer)?;
    let objects = match answer["items"].as_array_mut() {
        Some(items) => std::mem::take(items),
        None => vec![answer],
    };
    let expected = manifest.lines().filter(|l| l.starts_with("kind:")).count();
    ensure!(objects.len() == expected, "{} of {expected}", objects.len());
    Ok(objects.into_iter().map(substance).collect())
}

fn substance(mut object: Value) -> (String, Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, namespace, name) = (
        text(&object["kind"]),
        text(&object["metadata"]["namespace"]),
        text(&object["metadata"]["name"]),
    );
    let kept = ["name", "namespace", "labels"];
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|field, _| kept.contains(&field.as_str()));
    }
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    if let Some(spec) = object["spec"].as_object_mut() {
        // Addresses the API server deals out.
        spec.retain(|field, _| field != "clusterIP" && field != "clusterIPs");
    }
    if let Some(image) = object.pointer_mut("/spec/template/spec/containers/0/image") {
        // Which one is for whoever installs it.
        *image = text(image).split(':').next().into();
    }
    without_helm(&mut object);
    (format!("{kind} {namespace}/{name}"), object)
}

fn without_helm(value: &mut Value) {
    let inner: Vec<&mut Value> = match value {
        Value::Object(map) => {
            map.retain(|key, _| !OF_HELM.contains(&key.as_str()));
            map.values_mut().collect()
        }
        Value::Array(items) => items.iter_mut().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    inner.into_iter().for_each(without_helm);
}

fn same(base: &Objects, chart: &Objects) -> Result<()> {
    let names = |objects: &Objects| objects.keys().cloned().collect::<BTreeSet<_>>();
    let (left, right) = (names(base), names(chart));
    let only: Vec<_> = left.symmetric_difference(&right).collect();
    ensure!(only.is_empty(), "only in one of them: {only:?}");
    for (name, object) in base {
        if let Some(other) = chart.get(name).filter(|other| *other != object) {
            bail!("{name}\ndeploy/base: {object}\nthe chart: {other}");
        }
    }
    Ok(())
}

/// Values whose content Kubernetes defines, and not the chart.
const OPEN: [&str; 4] = [
    ".livenessProbe",
    ".readinessProbe",
    ".securityContext",
    ".resources",
];

/// The same as JSON pointers.
const OF_KUBERNETES: [&str; 6] = [
    "/livenessProbe",
    "/readinessProbe",
    "/podSecurityContext",
    "/securityContext",
    "/resources",
    "/nodeSelector",
];

/// The keys of `theirs` that `ours` lacks. What is under a key that takes anything need not be there.
fn missing(theirs: &Value, ours: &Value, path: &str) -> Vec<String> {
    let empty = Map::new();
    let (Some(theirs), ours) = (theirs.as_object(), ours.as_object().unwrap_or(&empty)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, value) in theirs {
        let path = format!("{path}.{key}");
        match ours.get(key) {
            None if path.starts_with(".addonResizer.") => {}
            None => found.push(path),
            Some(Value::Object(map)) if map.is_empty() || OPEN.contains(&path.as_str()) => {}
            Some(ours) => found.extend(missing(value, ours, &path)),
        }
    }
    found
}
