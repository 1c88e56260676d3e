//! What people see: `kubectl top`, `get` and `explain` of 1.37, and what they may not see.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::quantity::parse_quantity;
use crate::real::{Table, until};
use crate::report::Lane;

use super::{CALL, Scene};

const CPU: &str = "CPU(cores)";
const MEMORY: &str = "MEMORY(bytes)";

pub(super) async fn checks(lane: &Lane, scene: &Scene) {
    top_node(lane, scene).await;
    top_pod(lane, scene).await;
    sorted_and_summed(lane, scene).await;
    get(lane, scene).await;
    // `explain nodes.metrics.k8s.io` is kubectl's own mistake: it takes the core's nodes for the whole name.
    for version in ["v1", "v1beta1"] {
        let name = format!("explain nodes tells kind and fields of {version}");
        lane.check(&name, CALL, async {
            let call = format!("explain nodes --api-version=metrics.k8s.io/{version}");
            let text = until(CALL / 2, async || scene.admin.run(&call).await).await?;
            for part in [
                "NodeMetrics",
                "metrics.k8s.io",
                version,
                "timestamp",
                "usage",
                "window",
            ] {
                ensure!(text.contains(part), "no {part} in:\n{text}");
            }
            Ok(())
        })
        .await;
    }
    lane.check("get po and get no are still the core ones", CALL, async {
        let pods = table(scene, "get po -n web").await?;
        ensure!(
            pods.header() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"],
            "{pods:?}"
        );
        let nodes = table(scene, "get no").await?;
        ensure!(
            nodes.header() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"],
            "{nodes:?}"
        );
        Ok(())
    })
    .await;
}

async fn top_node(lane: &Lane, scene: &Scene) {
    lane.check("top node shows every node", CALL, async {
        let table = table(scene, "top node").await?;
        ensure!(table.len() == 3, "{table:?}");
        // Each has 8 cores and 32 GiB.
        for (node, cpu, cpu_percent, memory, memory_percent) in [
            ("sim-1", 500.0, "6%", "3072Mi", "9%"),
            ("sim-2", 1250.0, "15%", "2048Mi", "6%"),
            ("sim-3", 2000.0, "25%", "4096Mi", "12%"),
        ] {
            expect_millicores(&table, "NAME", node, cpu)?;
            for (column, expected) in [
                (MEMORY, memory),
                ("CPU(%)", cpu_percent),
                ("MEMORY(%)", memory_percent),
            ] {
                let cell = table.cell("NAME", node, column)?;
                ensure!(cell == expected, "{node} {column}: {cell}, not {expected}");
            }
        }
        Ok(())
    })
    .await;
    lane.check(
        "top node NAME and top node -l show those alone",
        CALL,
        async {
            let one = table(scene, "top node sim-2").await?;
            ensure!(one.column("NAME")? == ["sim-2"], "{one:?}");
            let zone = table(scene, "top node -l zone=b").await?;
            let mut names = zone.column("NAME")?;
            names.sort_unstable();
            ensure!(names == ["sim-2", "sim-3"], "{zone:?}");
            Ok(())
        },
    )
    .await;
    lane.check("top node --show-swap has the column", CALL, async {
        let table = table(scene, "top node --show-swap").await?;
        ensure!(
            table.header().iter().any(|name| name.starts_with("SWAP")),
            "{table:?}"
        );
        Ok(())
    })
    .await;
}

async fn top_pod(lane: &Lane, scene: &Scene) {
    for protobuf in ["true", "false"] {
        let name = format!("top pod -A --containers shows every container (protobuf {protobuf})");
        lane.check(&name, CALL, async {
            let call = format!("top pod -A --containers --use-protocol-buffers={protobuf}");
            let table = table(scene, &call).await?;
            ensure!(table.len() == 4, "{table:?}");
            expect_millicores(&table, "NAME", "proxy", 50.0)?;
            for (pod, cpu, memory) in [("web-2", 400.0, "128Mi"), ("batch-1", 1000.0, "512Mi")] {
                expect_millicores(&table, "POD", pod, cpu)?;
                ensure!(table.cell("POD", pod, MEMORY)? == memory, "{table:?}");
            }
            Ok(())
        })
        .await;
    }
    lane.check(
        "top pod -l shows the pods with the label, each as a sum",
        CALL,
        async {
            let table = table(scene, "top pod -A -l app=web").await?;
            ensure!(table.column("NAME")?.len() == 2, "{table:?}");
            expect_millicores(&table, "NAME", "web-1", 300.0)?;
            ensure!(table.cell("NAME", "web-1", MEMORY)? == "100Mi", "{table:?}");
            Ok(())
        },
    )
    .await;
    lane.check(
        "top pod --show-swap shows what is swapped out",
        CALL,
        async {
            let table = table(scene, "top pod -n web --show-swap").await?;
            ensure!(
                table.cell("NAME", "web-2", "SWAP(bytes)")? == "16Mi",
                "{table:?}"
            );
            ensure!(
                table.cell("NAME", "web-1", "SWAP(bytes)")? == "0Mi",
                "{table:?}"
            );
            Ok(())
        },
    )
    .await;
    lane.check("top pod of a pod that is not there says so", CALL, async {
        let answer = scene.admin.ask("top pod nobody -n web").await?;
        let said = r#"Error from server (NotFound): pods "nobody" not found"#;
        let ours =
            r#"Error from server (NotFound): podmetrics.metrics.k8s.io "web/nobody" not found"#;
        let err = answer.err.trim();
        ensure!(
            !answer.success && (err == said || err == ours),
            "{answer:?}"
        );
        Ok(())
    })
    .await;
}

async fn sorted_and_summed(lane: &Lane, scene: &Scene) {
    for (field, column) in [("cpu", CPU), ("memory", MEMORY)] {
        let name = format!("top pod -A --sort-by={field} goes downwards");
        lane.check(&name, CALL, async {
            let table = table(scene, &format!("top pod -A --sort-by={field}")).await?;
            let cells = table.column(column)?;
            let values: Option<Vec<f64>> = cells.iter().map(|cell| parse_quantity(cell)).collect();
            let values = values.with_context(|| format!("{table:?}"))?;
            ensure!(
                values.len() == 3 && values.is_sorted_by(|a, b| a >= b),
                "{table:?}"
            );
            Ok(())
        })
        .await;
    }
    lane.check("top pod -A --sum ends with the sums", CALL, async {
        let table = table(scene, "top pod -A --sum").await?;
        let sum = |column: &str| -> Result<f64> {
            let cells = table.column(column)?;
            let last = cells.last().and_then(|cell| parse_quantity(cell));
            last.with_context(|| format!("{table:?}"))
        };
        ensure!((sum(CPU)? - 1.7).abs() < 0.005, "{table:?}");
        ensure!(
            (sum(MEMORY)? - 740.0 * 1_048_576.0).abs() < 1.0,
            "{table:?}"
        );
        Ok(())
    })
    .await;
}

async fn get(lane: &Lane, scene: &Scene) {
    lane.check("get nodes.metrics.k8s.io prints a table", CALL, async {
        let table = table(scene, "get nodes.metrics.k8s.io").await?;
        ensure!(
            table.column("NAME")? == ["sim-1", "sim-2", "sim-3"],
            "{table:?}"
        );
        for column in ["CPU", "MEMORY", "WINDOW"] {
            ensure!(table.column(column)?.len() == 3, "{table:?}");
        }
        Ok(())
    })
    .await;
    for version in ["", ".v1", ".v1beta1"] {
        let resource = format!("pods{version}.metrics.k8s.io");
        let name = format!("get {resource} -A in every form names the same pods");
        lane.check(&name, CALL, async {
            let pods = ["batch-1", "web-1", "web-2"];
            let wide = table(scene, &format!("get {resource} -A -o wide")).await?;
            ensure!(wide.column("NAME")? == pods, "{wide:?}");
            let json = scene.admin.json(&format!("get {resource} -A")).await?;
            ensure!(names(&json) == pods, "{json}");
            let yaml = scene
                .admin
                .run(&format!("get {resource} -A -o yaml"))
                .await?;
            let yaml: Value = serde_saphyr::from_str(&yaml)?;
            ensure!(names(&yaml) == pods, "{yaml}");
            let name = scene
                .admin
                .run(&format!("get {resource} -A -o name"))
                .await?;
            let expected = pods.map(|pod| format!("podmetrics.metrics.k8s.io/{pod}"));
            let lines: Vec<&str> = name.lines().collect();
            let old = pods.map(|pod| format!("pods.metrics.k8s.io/{pod}"));
            ensure!(lines == expected || lines == old, "{name}");
            Ok(())
        })
        .await;
    }
}

/// Who may list, and who may not: what the role of a viewer lets through.
pub(super) async fn access(lane: &Lane, scene: &Scene) {
    let set_up = async {
        let bind = "create rolebinding viewer -n web --clusterrole=view --user=viewer";
        scene.admin.run(bind).await?;
        let viewer = scene.cluster.user("viewer", &[])?;
        Ok((viewer, scene.cluster.user("stranger", &[])?))
    };
    let name = "a user is bound to the role view in one namespace";
    let Some((viewer, stranger)) = lane.value(name, CALL, set_up).await else {
        return;
    };
    lane.check(
        "who may view a namespace sees its pods' use, and no other's",
        CALL,
        async {
            // The role itself is not bound: its labels add it to the role view.
            until(CALL / 2, async || viewer.run("top pod -n web").await).await?;
            let answer = viewer.ask("top pod -n jobs").await?;
            ensure!(
                !answer.success && answer.err.contains("Forbidden"),
                "{answer:?}"
            );
            Ok(())
        },
    )
    .await;
    lane.check("who may not list is told so in Kubernetes' words", CALL, async {
        let answer = stranger.ask("top pod -n web").await?;
        let said = r#"Error from server (Forbidden): pods.metrics.k8s.io is forbidden: User "stranger" cannot list resource "pods" in API group "metrics.k8s.io" in the namespace "web""#;
        ensure!(!answer.success && answer.err.trim() == said, "{answer:?}");
        Ok(())
    })
    .await;
}

async fn table(scene: &Scene, call: &str) -> Result<Table> {
    Table::parse(&scene.admin.run(call).await?)
}

/// kubectl rounds up to whole millicores.
fn expect_millicores(table: &Table, key: &str, value: &str, expected: f64) -> Result<()> {
    let cell = table.cell(key, value, CPU)?;
    let cores = parse_quantity(cell).with_context(|| cell.to_owned())?;
    ensure!(
        (cores * 1000.0 - expected).abs() < 1.5,
        "{value}: {cell}, not {expected}m"
    );
    Ok(())
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().into_iter().flatten();
    items
        .filter_map(|item| item["metadata"]["name"].as_str())
        .collect()
}
