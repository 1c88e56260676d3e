//! Elasticsearch and OpenSearch, asked in their query language.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Database, Programs, address, escape, launch, subfolder};
use crate::client::get_plain;

/// A cluster of one node, with a folder and ports of its own.
#[derive(Debug)]
pub struct Elastic {
    /// The server.
    pub database: Database,
    /// Where it is asked, and written to.
    pub address: SocketAddr,
}

/// Little memory, and code that runs soon rather than fast.
const JAVA: [&str; 3] = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

impl Elastic {
    /// A server that is not started yet: `elasticsearch` or `opensearch`.
    ///
    /// # Errors
    /// When the programs are missing.
    pub fn new(programs: &Programs, folder: &Path, server: &str) -> Result<Self> {
        let (address, nodes) = (address()?, address()?);
        let home = subfolder(folder, server)?;
        let mut arguments = JAVA.map(str::to_owned).to_vec();
        arguments.extend(["-cp".to_owned(), programs.class_path(server)?]);
        // Both are one server with two names.
        let starter = include_str!("../../java/Server.java").replace("VENDOR", server);
        let source = home.join("Server.java");
        std::fs::write(&source, starter)?;
        arguments.push(source.display().to_string());
        arguments.push(home.display().to_string());
        arguments.extend([address.port(), nodes.port()].map(|port| port.to_string()));
        let launch = launch(&programs.java()?, &arguments, folder, server);
        Ok(Self {
            database: Database::new(launch, address),
            address,
        })
    }

    /// What a search in these indices answers.
    ///
    /// # Errors
    /// When the server refuses; a cluster that has not all it should is refused too.
    pub async fn search(address: SocketAddr, indices: &str, body: &Value) -> Result<Value> {
        let path = format!(
            "/{indices}/_search?source_content_type=application%2Fjson&source={}",
            escape(&body.to_string())
        );
        let answer = get_plain(address, &path).await?;
        ensure!(answer.status == 200, "{body}: {}", answer.text());
        let answer = answer.json()?;
        ensure!(answer["_shards"]["failed"] == 0, "{answer}");
        Ok(answer)
    }

    /// The IDs of all documents of an alias, each as often as it is there.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn ids(address: SocketAddr, alias: &str) -> Result<Vec<String>> {
        let mut path = format!("/{alias}/_search?scroll=1m&size=5000&_source=false");
        let mut ids = Vec::new();
        loop {
            let answer = get_plain(address, &path).await?;
            ensure!(answer.status == 200, "{path}: {}", answer.text());
            let answer = answer.json()?;
            ensure!(answer["_shards"]["failed"] == 0, "{answer}");
            let hits = answer["hits"]["hits"].as_array().context("no hits")?;
            if hits.is_empty() {
                return Ok(ids);
            }
            let id = |hit: &Value| hit["_id"].as_str().map(str::to_owned);
            ids.extend(hits.iter().filter_map(id));
            let scroll = answer["_scroll_id"].as_str().context("no scroll")?;
            path = format!("/_search/scroll?scroll=1m&scroll_id={}", escape(scroll));
        }
    }
}
