//! Elasticsearch and OpenSearch, asked in their query language.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};

use super::{Database, Door, Programs, address, escape, launch, subfolder};

/// A node, with a folder and ports of its own: a cluster by itself, or of one.
#[derive(Debug)]
pub struct Elastic {
    /// The server.
    pub database: Database,
    /// Where it is asked, and written to.
    pub address: SocketAddr,
    /// The way in.
    pub door: Door,
}

/// What a node is started with.
#[derive(Debug)]
pub(super) struct Node {
    server: &'static str,
    name: &'static str,
    pub(super) home: PathBuf,
    class_path: Vec<String>,
    plugins: Vec<String>,
    settings: Vec<(String, String)>,
}

/// Little memory, and code that runs soon rather than fast.
const JAVA: [&str; 3] = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

impl Node {
    /// A node of `elasticsearch` or `opensearch`, with the processors of pipelines, that knows of no
    /// other.
    pub(super) fn new(
        programs: &Programs,
        folder: &Path,
        server: &'static str,
        name: &'static str,
    ) -> Result<Self> {
        let home = subfolder(folder, &format!("{server}-{name}"))?;
        let node = Self {
            server,
            name,
            class_path: vec![programs.class_path(server)?],
            plugins: vec![format!("org.{server}.ingest.common.IngestCommonPlugin")],
            settings: Vec::new(),
            home,
        };
        let home = node.home.display().to_string();
        Ok(node
            .set("path.home", &home)
            .set("node.name", name)
            .set("network.host", "127.0.0.1")
            .set("cluster.routing.allocation.disk.threshold_enabled", "false"))
    }

    /// With a setting.
    pub(super) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With plugins and what they need.
    pub(super) fn with(mut self, plugins: &[&str], class_path: String) -> Self {
        let plugins = plugins.iter().map(|plugin| (*plugin).to_owned());
        self.plugins.extend(plugins);
        self.class_path.push(class_path);
        self
    }

    /// Ready to be started, on these ports for HTTP and for nodes.
    pub(super) fn at(
        self,
        programs: &Programs,
        folder: &Path,
        door: Door,
        nodes: SocketAddr,
    ) -> Result<Elastic> {
        let ports = [("http.port", door.address), ("transport.port", nodes)];
        let ports = ports.map(|(name, address)| (name.to_owned(), address.port().to_string()));
        // Both are one server with two names.
        let starter = include_str!("../../java/Server.java").replace("VENDOR", self.server);
        let source = self.home.join("Server.java");
        std::fs::write(&source, starter)?;
        let mut arguments = JAVA.map(str::to_owned).to_vec();
        arguments.extend(["-cp".to_owned(), self.class_path.join(":")]);
        arguments.push(source.display().to_string());
        let settings = self.settings.into_iter().chain(ports);
        arguments.extend(settings.map(|(name, value)| format!("{name}={value}")));
        arguments.extend(self.plugins.iter().map(|plugin| format!("plugin={plugin}")));
        let name = format!("{}-{}", self.server, self.name);
        let launch = launch(&programs.java()?, &arguments, folder, &name);
        Ok(Elastic {
            database: Database::new(launch, door.address),
            address: door.address,
            door,
        })
    }
}

impl Elastic {
    /// A server that is not started yet, by itself: `elasticsearch` or `opensearch`.
    ///
    /// # Errors
    /// When the programs are missing.
    pub fn new(programs: &Programs, folder: &Path, server: &'static str) -> Result<Self> {
        let node = Node::new(programs, folder, server, "one")?;
        let node = node.set("discovery.type", "single-node");
        node.at(programs, folder, Door::plain(address()?), address()?)
    }

    /// Makes an ingest pipeline that sets a field of each document that passes it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn pipeline(&self, name: &str, field: &str) -> Result<()> {
        let processor = json!({"set": {"field": field, "value": true}});
        let pipeline = json!({"processors": [processor]}).to_string();
        let path = format!("/_ingest/pipeline/{}", escape(name));
        let answer = self.door.send(Method::PUT, &path, pipeline).await?;
        ensure!(answer.status == 200, "{path}: {}", answer.text());
        Ok(())
    }

    /// What a search in these indices answers.
    ///
    /// # Errors
    /// When the server refuses; a cluster that has not all it should is refused too.
    pub async fn search(door: &Door, indices: &str, body: &Value) -> Result<Value> {
        let path = format!(
            "/{indices}/_search?source_content_type=application%2Fjson&source={}",
            escape(&body.to_string())
        );
        let answer = door.get(&path).await?;
        ensure!(answer.status == 200, "{body}: {}", answer.text());
        let answer = answer.json()?;
        ensure!(answer["_shards"]["failed"] == 0, "{answer}");
        Ok(answer)
    }

    /// The IDs of all documents of an alias, each as often as it is there.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn ids(door: &Door, alias: &str) -> Result<Vec<String>> {
        let mut path = format!("/{alias}/_search?scroll=1m&size=5000&_source=false");
        let mut ids = Vec::new();
        loop {
            let answer = door.get(&path).await?;
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
