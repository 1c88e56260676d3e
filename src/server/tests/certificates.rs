//! Which certificate is shown, and how it changes.

use super::super::certificates::Certificates;
use super::*;

/// A folder that goes with the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, identity: &Identity) -> PairFiles {
        let (chain, key) = identity.pem();
        self.write_text(&chain, &key)
    }

    fn write_text(&self, chain: &str, key: &str) -> PairFiles {
        let files = PairFiles {
            certificate: self.0.path().join("tls.crt"),
            key: self.0.path().join("tls.key"),
        };
        std::fs::write(&files.certificate, chain).unwrap();
        std::fs::write(&files.key, key).unwrap();
        files
    }
}

fn server(name: &str) -> Subject {
    Subject::new(name).usages(&[rcgen::ExtendedKeyUsagePurpose::ServerAuth])
}

fn load(
    default: &ServingCertificate,
    clock: Arc<TestClock>,
) -> (
    Result<Certificates, CertificateError>,
    Arc<Metrics>,
    Registry,
) {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let provider = super::super::tls::provider(&TlsPolicy::default());
    let loaded = Certificates::load(default, &[], provider, clock, Arc::clone(&metrics));
    (loaded, metrics, registry)
}

/// How many new pairs were refused.
fn refusals(registry: &Registry) -> u64 {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    let name = "loadline_server_certificates_refused_total ";
    let count = text.lines().find_map(|line| line.strip_prefix(name));
    count.unwrap().parse().unwrap()
}

#[test]
fn a_new_pair_is_used_and_a_broken_one_leaves_the_old_in_use() {
    let (ca, folder) = (Authority::new("ca"), Folder::new());
    let issue = || ca.issue_for(server("x"), &["localhost"]);
    let (old, new) = (issue(), issue());
    let files = ServingCertificate::Files(folder.write(&old));
    let (certificates, _, registry) = load(&files, TestClock::new());
    let certificates = certificates.unwrap();
    let shown = || certificates.default_leaf();
    assert_eq!(shown(), old.chain[0]);
    for (chain, key) in [
        (old.pem().0, new.pem().1),
        ("garbage".to_owned(), "garbage".to_owned()),
    ] {
        folder.write_text(&chain, &key);
        certificates.refresh();
        certificates.refresh();
        assert_eq!(shown(), old.chain[0]);
        folder.write(&old);
        certificates.refresh();
    }
    assert_eq!(refusals(&registry), 2, "each said once");
    folder.write(&new);
    certificates.refresh();
    assert_eq!(shown(), new.chain[0]);
}

#[test]
fn files_that_vanish_leave_the_old_pair_in_use_and_are_complained_of_once() {
    let (ca, folder) = (Authority::new("ca"), Folder::new());
    let old = ca.issue_for(server("x"), &["localhost"]);
    let files = folder.write(&old);
    let (certificates, _, registry) =
        load(&ServingCertificate::Files(files.clone()), TestClock::new());
    let certificates = certificates.unwrap();
    std::fs::remove_file(&files.key).unwrap();
    certificates.refresh();
    certificates.refresh();
    assert_eq!(certificates.default_leaf(), old.chain[0]);
    assert_eq!(refusals(&registry), 1);
}

#[test]
fn a_swap_of_symbolic_links_is_noticed() {
    let ca = Authority::new("ca");
    let (first, second, mount) = (Folder::new(), Folder::new(), Folder::new());
    let issue = || ca.issue_for(server("x"), &["localhost"]);
    let (old, new) = (issue(), issue());
    first.write(&old);
    second.write(&new);
    let data = mount.0.path().join("..data");
    std::os::unix::fs::symlink(first.0.path(), &data).unwrap();
    let files = PairFiles {
        certificate: data.join("tls.crt"),
        key: data.join("tls.key"),
    };
    let (certificates, ..) = load(&ServingCertificate::Files(files), TestClock::new());
    let certificates = certificates.unwrap();
    let next = mount.0.path().join("..next");
    std::os::unix::fs::symlink(second.0.path(), &next).unwrap();
    std::fs::rename(&next, &data).unwrap();
    certificates.refresh();
    assert_eq!(certificates.default_leaf(), new.chain[0]);
}

#[test]
fn a_start_with_unusable_files_fails_and_names_them() {
    let folder = Folder::new();
    let files = folder.write_text("garbage", "garbage");
    let (certificates, ..) = load(&ServingCertificate::Files(files), TestClock::new());
    let error = certificates.unwrap_err().to_string();
    assert!(error.ends_with("tls.crt holds no certificate"), "{error}");
}

#[test]
fn our_own_certificate_is_renewed_before_it_ends() {
    let clock = TestClock::new();
    let own = ServingCertificate::SelfSigned {
        services: vec!["loadline".into()],
        namespace: "monitoring".into(),
    };
    let (certificates, ..) = load(&own, Arc::clone(&clock));
    let certificates = certificates.unwrap();
    let (first, authority) = (certificates.default_leaf(), certificates.authority_pem());
    let day = Duration::from_secs(86_400);
    clock.advance(59 * day);
    certificates.refresh();
    assert_eq!(certificates.default_leaf(), first);
    clock.advance(2 * day);
    certificates.refresh();
    assert_ne!(certificates.default_leaf(), first);
    assert_eq!(
        certificates.authority_pem(),
        authority,
        "clients need not learn anew"
    );
    let names: Vec<String> = certificates.default_names();
    for name in [
        "loadline",
        "loadline.monitoring.svc",
        "loadline.monitoring.svc.cluster.local",
        "localhost",
    ] {
        assert!(names.contains(&name.to_owned()), "{name}: {names:?}");
    }
}

#[tokio::test]
async fn new_handshakes_show_the_new_files() {
    let (ca, folder) = (Authority::new("ca"), Folder::new());
    let issue = || ca.issue_for(server("x"), &[SERVER]);
    let (old, new) = (issue(), issue());
    let files = folder.write(&old);
    let server = Running::with(FakeAccess::allowing(), |config| {
        config.certificate = ServingCertificate::Files(files);
        config.limits.reload = Duration::from_millis(10);
    })
    .await;
    let mut roots = RootCertStore::empty();
    roots.add(ca.der()).unwrap();
    let roots = Arc::new(roots);
    let shown = async || {
        let config = client_config(Arc::clone(&roots), &Dial::default());
        let stream = server.connect_with(config).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    assert_eq!(shown().await, old.chain[0]);
    folder.write(&new);
    let changed = async { while shown().await != new.chain[0] {} };
    tokio::time::timeout(Duration::from_secs(20), changed)
        .await
        .unwrap();
}

#[tokio::test]
async fn server_names_choose_their_pair() {
    let ca = Authority::new("ca");
    let (plain, named, wild) = (Folder::new(), Folder::new(), Folder::new());
    let default = ca.issue_for(server("default"), &["other.example"]);
    let by_certificate = ca.issue_for(server("by-san"), &[SERVER]);
    let by_wildcard = ca.issue_for(server("wild"), &["a.wild.example"]);
    let server = Running::with(FakeAccess::allowing(), |config| {
        config.certificate = ServingCertificate::Files(plain.write(&default));
        config.sni = vec![
            SniPair {
                files: named.write(&by_certificate),
                names: Vec::new(),
            },
            SniPair {
                files: wild.write(&by_wildcard),
                names: vec!["*.wild.example".into()],
            },
        ];
    })
    .await;
    let mut roots = RootCertStore::empty();
    roots.add(ca.der()).unwrap();
    let config = Arc::new(client_config(Arc::new(roots), &Dial::default()));
    for (name, expected) in [
        (SERVER, &by_certificate),
        ("a.wild.example", &by_wildcard),
        ("other.example", &default),
    ] {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let server_name = ServerName::try_from(name).unwrap();
        let connector = TlsConnector::from(Arc::clone(&config));
        let stream = connector.connect(server_name, stream).await.unwrap();
        let shown = &stream.get_ref().1.peer_certificates().unwrap()[0];
        assert_eq!(*shown, expected.chain[0], "{name}");
    }
}
