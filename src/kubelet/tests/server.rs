//! A kubelet's server as tests want it: real TLS on a free port, each answer scripted.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What to do once a request has been read.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Send this and wait for the next request.
    Send(String),
    /// Send this and close the connection.
    SendAndClose(String),
    /// Send this and nothing more, ever.
    SendAndHang(String),
}

/// The requests so far, each with the number of the connection it came on.
pub(super) type Seen = Arc<Mutex<Vec<(usize, String)>>>;

/// Answers the n-th request with what the script says for n.
pub(super) struct Server {
    pub address: SocketAddr,
    pub seen: Seen,
    pub resumed: Arc<Mutex<Vec<bool>>>,
    _tasks: JoinSet<()>,
}

/// A certificate authority.
pub(super) struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(super) struct Identity {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

impl Ca {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names, valid through the years given.
    pub(super) fn issue(&self, names: &[&str], from: i32, to: i32) -> Identity {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { certificate, key }
    }
}

impl Server {
    /// Speaks TLS with this identity; asks for client certificates of `client_ca` if one is given.
    pub(super) async fn tls<S>(identity: &Identity, client_ca: Option<&Ca>, script: S) -> Self
    where
        S: Fn(usize) -> Reply + Send + Sync + 'static,
    {
        let config = server_config(identity, client_ca, rustls::DEFAULT_VERSIONS);
        Self::of(config, script).await
    }

    /// Speaks TLS as this says.
    pub(super) async fn of<S>(config: rustls::ServerConfig, script: S) -> Self
    where
        S: Fn(usize) -> Reply + Send + Sync + 'static,
    {
        Self::start(Some(TlsAcceptor::from(Arc::new(config))), script).await
    }

    /// Speaks plain HTTP.
    pub(super) async fn plain<S>(script: S) -> Self
    where
        S: Fn(usize) -> Reply + Send + Sync + 'static,
    {
        Self::start(None, script).await
    }

    async fn start<S>(tls: Option<TlsAcceptor>, script: S) -> Self
    where
        S: Fn(usize) -> Reply + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, resumed) = (Seen::default(), Arc::new(Mutex::new(Vec::new())));
        let mut tasks = JoinSet::new();
        let (their_seen, their_resumed) = (Arc::clone(&seen), Arc::clone(&resumed));
        tasks.spawn(async move {
            let script = Arc::new(script);
            let mut connections = JoinSet::new();
            for connection in 0.. {
                let (tcp, _) = listener.accept().await.unwrap();
                let (tls, script) = (tls.clone(), Arc::clone(&script));
                let (seen, resumed) = (Arc::clone(&their_seen), Arc::clone(&their_resumed));
                connections.spawn(async move {
                    let Some(tls) = tls else {
                        return serve(tcp, connection, &seen, &*script).await;
                    };
                    if let Ok(stream) = tls.accept(tcp).await {
                        let kind = stream.get_ref().1.handshake_kind();
                        resumed
                            .lock()
                            .push(kind == Some(rustls::HandshakeKind::Resumed));
                        serve(stream, connection, &seen, &*script).await;
                    }
                });
            }
        });
        Self {
            address,
            seen,
            resumed,
            _tasks: tasks,
        }
    }

    /// The numbers of the connections the requests came on.
    pub(super) fn connections(&self) -> Vec<usize> {
        self.seen.lock().iter().map(|(number, _)| *number).collect()
    }
}

/// TLS of these versions with this identity; asks for client certificates of `client_ca` if one is
/// given.
pub(super) fn server_config(
    identity: &Identity,
    client_ca: Option<&Ca>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap();
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(ca.0.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
    let chain = vec![identity.certificate.der().clone()];
    builder.with_single_cert(chain, key).unwrap()
}

async fn serve<S>(mut stream: S, connection: usize, seen: &Seen, script: impl Fn(usize) -> Reply)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => request.push(byte),
                Err(_) => return,
            }
        }
        let number = {
            let mut seen = seen.lock();
            seen.push((connection, String::from_utf8(request).unwrap()));
            seen.len() - 1
        };
        let (answer, then) = match script(number) {
            Reply::Send(answer) => (answer, Then::Continue),
            Reply::SendAndClose(answer) => (answer, Then::Close),
            Reply::SendAndHang(answer) => (answer, Then::Hang),
        };
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.flush().await;
        match then {
            Then::Continue => {}
            Then::Close => {
                let _ = stream.shutdown().await;
                return;
            }
            Then::Hang => std::future::pending().await,
        }
    }
}

enum Then {
    Continue,
    Close,
    Hang,
}
