//! OpenSearch with its security plugin, as a cluster of two nodes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::elastic::Node;
use super::guard::{HASH, NAME};
use super::{Elastic, Guard, LOGIN, Login, Programs, address, subfolder};
use crate::real::until;

/// Who may do everything.
pub const ADMIN: Login = ("admin", LOGIN.1);
/// A JSON Web Token of the one who is let in, without an end.
pub const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
                         eyJzdWIiOiJsb2FkbGluZSIsInJvbGVzIjoid3JpdGVycyJ9.\
                         BO0zL67XctIgY0or_Mf_6NeLbh4kSiXU96U6WbdhTBc";
/// What it is signed with, in Base64.
const SIGNED_WITH: &str = "YS1rZXktb2YtdGhpcnR5LXR3by1ieXRlcy1vci1tb3Jl";
/// How long until the nodes know each other and the users.
const PATIENCE: Duration = Duration::from_secs(150);
const PLUGIN: &str = "org.opensearch.security.OpenSearchSecurityPlugin";

impl Elastic {
    /// Two nodes of OpenSearch that are not started yet, over TLS and with users; the first one leads,
    /// and the cluster outlives the second.
    ///
    /// # Errors
    /// When the programs are missing or a file cannot be written.
    pub fn cluster(programs: &Programs, folder: &Path, guard: &Guard) -> Result<[Self; 2]> {
        let (first, second) = ((address()?, address()?), (address()?, address()?));
        let seeds = format!("{},{}", first.1, second.1);
        let node = |name, roles, (http, nodes)| {
            let node = Node::new(programs, folder, "opensearch", name)?;
            let node = node.with(&[PLUGIN], programs.class_path("opensearch-security")?);
            let node = node
                .set("node.roles", roles)
                .set("cluster.initial_cluster_manager_nodes", "one")
                .set("discovery.seed_hosts", &seeds);
            let node = guarded(node, guard);
            users(&subfolder(&node.home, "config/opensearch-security")?)?;
            let door = guard.door(http)?.as_user(ADMIN)?;
            node.at(programs, folder, door, nodes)
        };
        Ok([
            node("one", "cluster_manager,data,ingest", first)?,
            node("two", "data,ingest", second)?,
        ])
    }

    /// Waits until this node knows the users and so many nodes, and all there is has its copies.
    ///
    /// # Errors
    /// When that is not so in time.
    pub async fn whole(&self, nodes: usize) -> Result<()> {
        until(PATIENCE, async || {
            let health = self.door.get("/_cluster/health").await?;
            ensure!(health.status == 200, "{}", health.text());
            let health = health.json()?;
            let whole = health["number_of_nodes"] == nodes && health["status"] == "green";
            ensure!(whole, "{health}");
            Ok(())
        })
        .await
    }
}

/// TLS for clients, and between the nodes.
fn guarded(node: Node, guard: &Guard) -> Node {
    let text = |path: &Path| path.display().to_string();
    let ca = text(&guard.ca);
    let files = |mut node: Node, of: &str, files: &crate::lab::LeafFiles| {
        for (name, value) in [
            ("pemcert_filepath", text(&files.certificate)),
            ("pemkey_filepath", text(&files.key)),
            ("pemtrustedcas_filepath", ca.clone()),
        ] {
            node = node.set(&format!("plugins.security.ssl.{of}{name}"), &value);
        }
        node
    };
    let node = files(node, "http.", &guard.server);
    let node = files(node, "transport.server.", &guard.server);
    let node = files(node, "transport.client.", &guard.client);
    let node = node
        .set("plugins.security.ssl.http.enabled", "true")
        .set("plugins.security.nodes_dn", &format!("CN={NAME}"))
        .set("plugins.security.authcz.admin_dn", "CN=nobody")
        .set("plugins.security.allow_default_init_securityindex", "true");
    let transport = "plugins.security.ssl.transport";
    node.set(&format!("{transport}.extended_key_usage_enabled"), "true")
        .set(
            &format!("{transport}.enforce_hostname_verification"),
            "false",
        )
}

/// The plugin's files: who there is, by which proof, and what they may. The one who writes may do no more than
/// `docs/sinks.md` says.
fn users(folder: &Path) -> Result<()> {
    let user = |role: &str| json!({"hash": HASH, "backend_roles": [role]});
    let backend = json!({"type": "intern"});
    let domain = |order: u8, authenticator: Value, backend: &Value| {
        json!({
            "http_enabled": true,
            "order": order,
            "http_authenticator": authenticator,
            "authentication_backend": backend,
        })
    };
    let basic = json!({"type": "basic", "challenge": false});
    let token = json!({
        "type": "jwt",
        "challenge": false,
        "config": {"signing_key": SIGNED_WITH, "roles_key": "roles", "subject_key": "sub"},
    });
    let domains = json!({
        "basic": domain(0, basic, &backend),
        "token": domain(1, token, &json!({"type": "noop"})),
    });
    let writers = json!({
        "cluster_permissions": ["indices:data/write/bulk", "indices:admin/index_template/put"],
        "index_permissions": [{
            "index_patterns": ["heapster-*", "token-*"],
            "allowed_actions": ["write", "create_index", "indices:admin/auto_create"],
        }],
    });
    let of = |role: &str| json!({"backend_roles": [role]});
    for (file, kind, content) in [
        (
            "config",
            "config",
            json!({"config": {"dynamic": {"authc": domains}}}),
        ),
        (
            "internal_users",
            "internalusers",
            json!({LOGIN.0: user("writers"), ADMIN.0: user("admin")}),
        ),
        ("roles", "roles", json!({"writers": writers})),
        (
            "roles_mapping",
            "rolesmapping",
            json!({"writers": of("writers"), "all_access": of("admin")}),
        ),
        ("action_groups", "actiongroups", json!({})),
        ("tenants", "tenants", json!({})),
        ("nodes_dn", "nodesdn", json!({})),
        (
            "allowlist",
            "allowlist",
            json!({"config": {"enabled": false, "requests": {}}}),
        ),
    ] {
        let mut content = content;
        content["_meta"] = json!({"type": kind, "config_version": 2});
        std::fs::write(folder.join(format!("{file}.yml")), content.to_string())?;
    }
    Ok(())
}
