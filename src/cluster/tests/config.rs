//! Where the client and the credentials come from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::cluster::{Config, Credentials, Error, Material, connect};

/// A folder of its own that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let id = std::process::id();
        let path = std::env::temp_dir().join(format!("loadline-cluster-{id}-{name}"));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn kubeconfig(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         contexts: [{{name: here, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: other, cluster: {{server: 'https://no'}}}}, {{name: c, cluster: {cluster}}}]\n\
         users: [{{name: u, user: {user}}}]\n"
    )
}

async fn load(folder: &Folder, text: &str) -> Result<Credentials, Error> {
    let path = folder.write("config", text);
    let config = Config {
        identity: super::super::Identity::Kubeconfig(path),
        ..Config::default()
    };
    connect(config).await.map(|(_, credentials)| credentials)
}

fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["x".into()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[tokio::test]
async fn files_are_named_so_that_a_rotation_is_seen() {
    let folder = Folder::new("files");
    let (certificate, key) = pair();
    let ca = folder.write("ca.crt", &certificate);
    let (certificate, key) = (
        folder.write("c.crt", &certificate),
        folder.write("c.key", &key),
    );
    let token = folder.write("token", "s3cret\n");
    let text = kubeconfig(
        "{server: 'https://127.0.0.1:1', certificate-authority: ca.crt}",
        "{tokenFile: token, client-certificate: c.crt, client-key: c.key}",
    );
    let credentials = load(&folder, &text).await.unwrap();
    assert_eq!(credentials.ca, Some(Material::File(ca)));
    assert_eq!(credentials.token, Some(Material::File(token)));
    let client = credentials.client_certificate.unwrap();
    assert_eq!(client.certificate, Material::File(certificate));
    assert_eq!(client.key, Material::File(key));
    assert!(!credentials.insecure_skip_tls_verify);
}

#[tokio::test]
async fn inline_data_wins_over_files_and_is_never_printed() {
    let folder = Folder::new("inline");
    let (certificate, key) = pair();
    let data = |pem: &str| serde_json::to_value(k8s_openapi::ByteString(pem.into())).unwrap();
    let text = kubeconfig(
        &format!(
            "{{server: 'https://127.0.0.1:1', certificate-authority-data: {}, certificate-authority: no}}",
            data(&certificate)
        ),
        &format!(
            "{{token: s3cret, tokenFile: no, client-certificate-data: {}, client-key-data: {}}}",
            data(&certificate),
            data(&key)
        ),
    );
    let credentials = load(&folder, &text).await.unwrap();
    assert_eq!(
        inline(credentials.ca.as_ref().unwrap()),
        certificate.as_bytes()
    );
    assert_eq!(
        credentials.token,
        Some(Material::Inline(b"s3cret".as_slice().into()))
    );
    let client = credentials.client_certificate.as_ref().unwrap();
    assert_eq!(inline(&client.key), key.as_bytes());
    let printed = format!("{credentials:?}");
    assert!(
        !printed.contains("s3cret") && !printed.contains("BEGIN"),
        "{printed}"
    );
    assert!(
        !printed.contains(&format!("{:?}", key.as_bytes())),
        "{printed}"
    );
}

#[tokio::test]
async fn a_cluster_that_skips_verification_says_so() {
    let folder = Folder::new("insecure");
    let text = kubeconfig(
        "{server: 'https://127.0.0.1:1', insecure-skip-tls-verify: true}",
        "{}",
    );
    let credentials = load(&folder, &text).await.unwrap();
    assert!(credentials.insecure_skip_tls_verify);
    assert_eq!((credentials.ca, credentials.token), (None, None));
}

#[tokio::test]
async fn faults_are_told_without_the_text_around_them() {
    let folder = Folder::new("faults");
    let cases = [
        "users: [{name: u, user: {token: s3cret}}}".into(),
        "users:\n- name: u\n  user: {token: s3cret, exec: s3cret}\n".into(),
        kubeconfig(
            "{server: 'https://a'}",
            "{token: s3cret, client-key-data: s3cret}",
        ),
        kubeconfig(
            "{server: 'https://a', proxy-url: 'http://u:s3cret@p'}",
            "{}",
        ),
        kubeconfig(
            "{server: 'https://a', certificate-authority: absent}",
            "{token: s3cret}",
        ),
    ];
    for text in &cases {
        let error = anyhow::Error::from(load(&folder, text).await.unwrap_err());
        let told = format!("{error:#} {error:?}");
        assert!(told.contains("--kubeconfig"), "{told}");
        assert!(!told.contains("s3cret"), "{told}");
    }
}

#[tokio::test]
async fn outside_of_a_pod_the_flag_is_named() {
    let error = connect(Config::default()).await.err().unwrap();
    assert!(error.to_string().contains("--kubeconfig"), "{error}");
}

/// Answers one request over TLS with an empty object; returns the request's head.
async fn answer_once(listener: TcpListener, certificate: &str, key: &str) -> String {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else {
        return "refused".into();
    };
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(answer).await.unwrap();
    stream.flush().await.unwrap();
    String::from_utf8(head).unwrap()
}

async fn ask(folder: &Folder, cluster: &str, port: u16) -> Result<String, kube::Error> {
    let text = kubeconfig(
        &format!("{{server: 'https://127.0.0.1:{port}', {cluster}}}"),
        "{tokenFile: token}",
    );
    folder.write("token", "s3cret\n");
    let config = Config {
        identity: super::super::Identity::Kubeconfig(folder.write("config", &text)),
        ..Config::default()
    };
    let (client, _) = connect(config).await.unwrap();
    let request = http::Request::get("/version").body(Vec::new()).unwrap();
    client.request_text(request).await
}

#[tokio::test]
async fn the_api_server_is_verified_and_told_who_asks() {
    let folder = Folder::new("tls");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    folder.write("ca.crt", &certificate);
    folder.write("other.crt", &pair().0);
    for (ca, trusted) in [("ca.crt", true), ("other.crt", false)] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cluster = format!("certificate-authority: {ca}");
        let both = async {
            tokio::join!(
                answer_once(listener, &certificate, &key),
                ask(&folder, &cluster, port)
            )
        };
        let both = tokio::time::timeout(Duration::from_secs(10), both).await;
        let (head, answer) = both.unwrap();
        assert_eq!(answer.is_ok(), trusted, "{ca}: {answer:?}");
        let head = head.to_ascii_lowercase();
        assert_eq!(
            head.contains("authorization: bearer s3cret\r\n"),
            trusted,
            "{head}"
        );
        assert_eq!(head.contains("user-agent: loadline/"), trusted, "{head}");
    }
}

#[tokio::test]
async fn a_token_no_header_could_hold_is_an_error_without_the_token() {
    let folder = Folder::new("token");
    let text = kubeconfig("{server: 'http://127.0.0.1:1'}", r#"{token: "SEC\nRET"}"#);
    let error = load(&folder, &text).await.unwrap_err();
    assert!(matches!(error, Error::Token { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("SEC"));
}

fn inline(material: &Material) -> &[u8] {
    match material {
        Material::Inline(text) => text,
        Material::File(path) => panic!("{} is a file", path.display()),
    }
}
