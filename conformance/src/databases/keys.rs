//! Elasticsearch with its own security: users, and API keys.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;

use super::elastic::Node;
use super::guard::HASH;
use super::{ADMIN, Elastic, Guard, LOGIN, Programs, address, subfolder};

/// What security is made of, and what its index needs.
const PLUGINS: [&str; 3] = [
    "org.elasticsearch.xpack.core.XPackPlugin",
    "org.elasticsearch.xpack.security.Security",
    "org.elasticsearch.analysis.common.CommonAnalysisPlugin",
];

impl Elastic {
    /// Elasticsearch by itself over TLS and with users, not started yet.
    ///
    /// # Errors
    /// When the programs are missing or a file cannot be written.
    pub fn guarded(programs: &Programs, folder: &Path, guard: &Guard) -> Result<Self> {
        let node = Node::new(programs, folder, "elasticsearch", "one")?;
        let node = node.with(&PLUGINS, programs.class_path("elasticsearch-security")?);
        let ssl = "xpack.security.http.ssl";
        let text = |path: &Path| path.display().to_string();
        // It reads no file outside of its folder.
        let config = subfolder(&node.home, "config")?;
        for (name, file) in [
            ("certificate", &guard.server.certificate),
            ("key", &guard.server.key),
        ] {
            std::fs::copy(file, config.join(name))?;
        }
        let of = |user: &str| format!("{user}:{HASH}\n");
        std::fs::write(config.join("users"), of(LOGIN.0) + &of(ADMIN.0))?;
        let roles = format!("writers:{}\nsuperuser:{}\n", LOGIN.0, ADMIN.0);
        std::fs::write(config.join("users_roles"), roles)?;
        let roles = json!({"writers": writers()});
        std::fs::write(config.join("roles.yml"), roles.to_string())?;
        let node = node
            .set("discovery.type", "single-node")
            .set("xpack.security.enabled", "true")
            .set(&format!("{ssl}.enabled"), "true")
            .set(
                &format!("{ssl}.certificate"),
                &text(&config.join("certificate")),
            )
            .set(&format!("{ssl}.key"), &text(&config.join("key")));
        let door = guard.door(address()?)?.as_user(ADMIN)?;
        node.at(programs, folder, door, address()?)
    }

    /// An API key for who writes, in its encoded form.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn key(&self) -> Result<String> {
        let body = json!({"name": LOGIN.0, "role_descriptors": {"writers": writers()}});
        let path = "/_security/api_key";
        let answer = self.door.send(Method::POST, path, body.to_string()).await?;
        ensure!(answer.status == 200, "{path}: {}", answer.text());
        let answer = answer.json()?;
        let id = answer["id"].as_str().context("no id")?;
        let key = answer["api_key"].as_str().context("no key")?;
        Ok(STANDARD.encode(format!("{id}:{key}")))
    }
}

/// What who writes may do, as `docs/sinks.md` has it.
fn writers() -> serde_json::Value {
    let names = ["heapster-*", "piped-*", "lost-*"];
    json!({
        "cluster": ["manage_index_templates"],
        "indices": [{"names": names, "privileges": ["write", "create_index"]}],
    })
}
