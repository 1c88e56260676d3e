//! What flags say of whom to trust, and how their files are followed.

use tempfile::NamedTempFile;

use super::*;
use crate::telemetry::testing::logged;

/// A file that goes with the test.
fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(&file, text).unwrap();
    file
}

fn subjects(trust: &LiveTrust) -> usize {
    trust.load().subjects().len()
}

#[test]
fn flags_take_the_place_of_their_part_of_the_config_map() {
    let (own, client, proxy) = (
        Authority::new("own"),
        Authority::new("c"),
        Authority::new("p"),
    );
    let file = file(&own.pem());
    let trust = LiveTrust::new(TrustConfig {
        port: "--secure-port",
        client_ca_file: Some(file.path().to_owned()),
        front_proxy: None,
    })
    .unwrap();
    assert!(trust.needs_lookup());
    trust.apply_config_map(&config_map(&client, &proxy, r#"["agg"]"#));
    let current = trust.load();
    let only_own = CaBundle::from_pem(own.pem().as_bytes()).unwrap();
    assert!(current.client_authorities().unwrap().is_same(&only_own));
    assert_eq!(
        current.front_proxy().unwrap().headers().allowed_names,
        ["agg"]
    );
}

#[test]
fn with_all_flags_nothing_is_looked_up() {
    let (own, client, proxy) = (
        Authority::new("own"),
        Authority::new("c"),
        Authority::new("p"),
    );
    let file = file(&own.pem());
    let headers = ProxyHeaders::new(
        vec!["me".into()],
        &["x-remote-user".into()],
        &[],
        &["x-remote-group".into()],
        &["X-Remote-Extra-".into()],
    );
    let trust = LiveTrust::new(TrustConfig {
        port: "--secure-port",
        client_ca_file: Some(file.path().to_owned()),
        front_proxy: Some((file.path().to_owned(), headers.clone())),
    })
    .unwrap();
    assert!(!trust.needs_lookup());
    trust.apply_config_map(&config_map(&client, &proxy, "[]"));
    assert_eq!(*trust.load().front_proxy().unwrap().headers(), headers);
    assert_eq!(subjects(&trust), 1, "the same authority is shown once");
}

#[test]
fn a_changed_file_is_believed_and_a_broken_one_is_not() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let file = file(&old.pem());
    let trust = LiveTrust::new(TrustConfig {
        port: "--secure-port",
        client_ca_file: Some(file.path().to_owned()),
        front_proxy: None,
    })
    .unwrap();
    let generation = trust.load().generation();
    trust.reload_files();
    std::fs::write(&file, "garbage").unwrap();
    trust.reload_files();
    assert_eq!(trust.load().generation(), generation);
    std::fs::write(&file, old.pem() + &new.pem()).unwrap();
    trust.reload_files();
    assert_eq!(
        (trust.load().generation(), subjects(&trust)),
        (generation + 1, 2)
    );
}

#[test]
fn the_log_says_of_which_port_the_authorities_are() {
    let file = file(&Authority::new("old").pem());
    for port in ["--secure-port", "--heapster-port"] {
        let lines = logged(|| {
            let config = TrustConfig {
                port,
                client_ca_file: Some(file.path().to_owned()),
                front_proxy: None,
            };
            let trust = LiveTrust::new(config).unwrap();
            std::fs::write(&file, "garbage").unwrap();
            trust.reload_files();
            std::fs::write(&file, Authority::new("new").pem()).unwrap();
            trust.reload_files();
        });
        let named = format!("port=\"{port}\"");
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines.iter().all(|line| line.contains(&named)), "{lines:?}");
    }
}

#[test]
fn an_unusable_file_at_the_start_is_an_error_that_names_it() {
    for text in [
        "",
        "garbage",
        "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
    ] {
        let file = file(text);
        let config = TrustConfig {
            port: "--secure-port",
            client_ca_file: Some(file.path().to_owned()),
            front_proxy: None,
        };
        let error = LiveTrust::new(config).unwrap_err().to_string();
        assert!(error.contains(file.path().to_str().unwrap()), "{error}");
    }
}
