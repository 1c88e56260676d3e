//! Loadline tells a Kubernetes cluster how loaded it is.
//!
//! # The path of a number
//!
//! ```text
//! kube-apiserver ──watch──► cluster ─────────────┐ who is out there: names, labels, addresses
//!                                                ▼
//! kubelet ──/metrics/resource──► kubelet ──► scrape ──► live ──► api ──► server ──► kubectl top, HPA, VPA
//!         ──/stats/summary────► get and decode  │    last two    │   one view,     TLS, then who asks
//!                                        a schedule  points,     │   every         and may they (auth)
//!                                         per node   rates       │   encoding
//!                                                  aligned tick  ▼
//!                                                             rollup ──► history ──► heapster ──► its clients
//!                                                        enrich, sum     15 minutes   model, historical, export
//! ```
//!
//! A node's answer is committed the moment it is decoded, for that node alone; nobody waits for
//! another node. Requests read finished numbers with the kubelet's own timestamps and the true
//! window between two samples. Once a minute the roll-up takes what is live, sums it at every level
//! under one timestamp, and appends a column to the history.
//!
//! # Rooms
//!
//! The modules below stand in the order of that path, ground first. A room names only rooms above
//! it in this list (`tests/architecture.rs` holds that); `app` alone knows them all. What a room
//! offers is in its `mod.rs`.

// ground
pub mod domain;
pub mod lifecycle;
pub mod telemetry;
pub mod apimachinery;

// in
pub mod cluster;
pub mod kubelet;
pub mod live;
pub mod scrape;
pub mod coverage;

// over time
pub mod history;
pub mod archive;
pub mod sinks;
pub mod stores;
pub mod rollup;
pub mod events;

// out
pub mod api;
pub mod heapster;
pub mod peer;
pub mod auth;
pub mod server;

// asked by people
pub mod check;
pub mod why;
pub mod take_over;

// wiring
pub mod config;
pub mod app;
