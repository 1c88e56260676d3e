//! Where a sink's batches go, in words that may be written down and logged.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};

use super::uri::SinkUri;
use crate::apimachinery::percent_encode;

/// Options that say where in a backend, or in which.
const PLACES: [&str; 8] = [
    "brokers",
    "bucket",
    "db",
    "eventstopic",
    "index",
    "org",
    "project",
    "timeseriestopic",
];
/// So many bytes of a digest stand for what is not shown.
const MARK: usize = 4;

/// The key, the server and what in it is written to, as they stand in the URI: who writes a default out
/// has another text. No user, password or token is in it. Of paths and tenants, which some take for
/// secrets, there is a digest.
pub(super) fn of(uri: &SinkUri) -> String {
    let mut text = uri.key.clone();
    let place = server(uri);
    if !place.is_empty() {
        text.push(':');
        text.push_str(&place);
    }
    let mut add = |name: &str, value: &str| {
        // Nothing fails that writes to a text.
        let _ = write!(text, " {name}={value}");
    };
    for name in PLACES {
        for value in uri.options.all(name) {
            add(name, &percent_encode(value, ":,/"));
        }
    }
    for node in uri.options.all("nodes") {
        let node = SinkUri::of(&uri.key, node).map_or_else(|_| mark(node), |node| server(&node));
        add("node", &node);
    }
    for tenant in uri.options.all("tenant") {
        add("tenant", &mark(tenant));
    }
    text
}

fn server(uri: &SinkUri) -> String {
    let mut text = String::new();
    if let Some(scheme) = &uri.scheme {
        text.push_str(scheme);
        text.push_str("://");
    }
    match uri.host.as_deref().map(|host| percent_encode(host, ":")) {
        Some(host) if host.contains(':') => text.extend(["[", &host, "]"]),
        host => text.extend(host),
    }
    if let Some(port) = uri.port.flatten() {
        text.extend([":", &port.to_string()]);
    }
    if !matches!(uri.path.as_str(), "" | "/") {
        text.push('/');
        text.push_str(&mark(&uri.path));
    }
    text
}

/// Tells texts apart without showing them.
fn mark(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    let bytes = digest.as_ref().iter().take(MARK);
    bytes.fold("#".to_owned(), |mark, byte| format!("{mark}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> String {
        let secret = |name: &str| (name == "S").then(|| "s3cret".to_owned());
        of(&SinkUri::read(value, &secret).unwrap())
    }

    #[test]
    fn a_destination_says_where_and_holds_no_secret() {
        for (value, text) in [
            ("log", "log"),
            (
                "influxdb:http://u:s3cret@db:8086?user=u&pw=$S&db=k8s&concurrency=2",
                "influxdb:http://db:8086 db=k8s",
            ),
            (
                "influxdb:https://db?token=$S&bucket=b c&org=o",
                "influxdb:https://db bucket=b%20c org=o",
            ),
            ("graphite:udp://[::1]:9", "graphite:udp://[::1]:9"),
            (
                "kafka:?brokers=a:1,b:2&brokers=c:3&password=$S&eventstopic=t",
                "kafka brokers=a:1,b:2 brokers=c:3 eventstopic=t",
            ),
            (
                "elasticsearch:?nodes=http://u:s3cret@a:1&nodes=http://b&index=i&apiKey=s3cret",
                "elasticsearch index=i node=http://a:1 node=http://b",
            ),
            // The digests are those of sha256sum.
            ("webhook:https://h/$S", "webhook:https://h/#3b2f9909"),
            ("webhook:https://h/", "webhook:https://h"),
            (
                "prometheus:http://p?tenant=$S",
                "prometheus:http://p tenant=#1ec1c26b",
            ),
            ("webhook:http://h?db=%0Ax", "webhook:http://h db=%0Ax"),
        ] {
            assert_eq!(read(value), text, "{value}");
        }
    }
}
