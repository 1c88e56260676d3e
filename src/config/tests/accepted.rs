use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::super::*;
use super::{run, settings};
use crate::domain::AddressType;
use crate::server::{CipherSuite, KeyExchange, MinTlsVersion, TlsPolicy};
use crate::telemetry::{LogFormat, LogLevel};

#[test]
fn what_metrics_servers_manifests_say_is_understood() {
    let settings = settings(&[
        "--cert-dir=/tmp",
        "--secure-port=10250",
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
        "--kubelet-use-node-status-port",
        "--metric-resolution=15s",
    ]);
    assert_eq!(
        settings.kubelet.preferred_address_types,
        [
            AddressType::InternalIp,
            AddressType::ExternalIp,
            AddressType::Hostname
        ]
    );
    assert!(settings.kubelet.use_node_status_port);
    assert_eq!(settings.serving.cert_dir, PathBuf::from("/tmp"));
    assert_eq!(settings.inert, [""; 0]);
}

#[test]
fn the_defaults_are_metrics_servers_but_for_resolution_and_port() {
    let s = settings(&[]);
    assert_eq!(s.api_server, cluster::Config::default());
    assert_eq!(s.scrape.resolution, Duration::from_secs(15));
    assert_eq!(s.scrape.request_timeout, Duration::from_secs(10));
    assert!(s.scrape.node_selector.is_empty());
    assert_eq!(s.kubelet.port, 10250);
    assert!(!s.kubelet.use_node_status_port);
    assert_eq!(
        s.kubelet.preferred_address_types,
        [
            AddressType::Hostname,
            AddressType::InternalDns,
            AddressType::InternalIp,
            AddressType::ExternalDns,
            AddressType::ExternalIp
        ]
    );
    assert_eq!(s.kubelet.tls, KubeletTls::Verify { ca_file: None });
    assert_eq!(s.kubelet.client_certificate, None);
    assert_eq!(s.serving.bind_address, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    assert_eq!(s.serving.port, 10250);
    assert_eq!(s.serving.certificate, None);
    assert_eq!(
        s.serving.cert_dir,
        PathBuf::from("apiserver.local.config/certificates")
    );
    assert_eq!(s.serving.named_certificates, []);
    assert_eq!(
        s.serving.tls,
        TlsPolicy {
            min_version: MinTlsVersion::Tls12,
            cipher_suites: None,
            key_exchanges: None
        }
    );
    assert_eq!(s.serving.http2_max_streams, Some(100));
    assert_eq!(s.serving.strict_transport_security, None);
    assert_eq!(s.authentication.token_cache_ttl, Duration::from_secs(10));
    assert!(!s.authentication.skip_lookup && !s.authentication.tolerate_lookup_failure);
    assert_eq!(s.authentication.request_header, None);
    assert_eq!(
        s.authorization.always_allow_paths,
        ["/healthz", "/readyz", "/livez"]
    );
    assert_eq!(s.authorization.allow_ttl, Duration::from_secs(10));
    assert_eq!(s.authorization.deny_ttl, Duration::from_secs(10));
    assert_eq!(s.limits.max_requests_inflight.unwrap().get(), 400);
    assert_eq!(s.limits.max_mutating_requests_inflight.unwrap().get(), 200);
    assert_eq!(s.limits.request_timeout, Duration::from_secs(60));
    assert_eq!(s.limits.shortest_watch, Duration::from_secs(1800));
    assert_eq!(s.shutdown.delay, Duration::ZERO);
    assert_eq!(s.logging.format, LogFormat::Text);
    assert_eq!(s.logging.level, LogLevel(0));
    assert_eq!(s.inert, [""; 0]);
}

#[test]
fn front_proxy_headers_default_only_beside_their_authority() {
    let s = settings(&["--requestheader-client-ca-file=/ca"]);
    let header = s.authentication.request_header.unwrap();
    assert_eq!(header.username_headers, ["x-remote-user"]);
    assert_eq!(header.group_headers, ["x-remote-group"]);
    assert_eq!(header.uid_headers, [""; 0]);
    assert_eq!(header.extra_header_prefixes, ["x-remote-extra-"]);
    assert_eq!(header.allowed_names, [""; 0]);

    let s = settings(&["--requestheader-allowed-names=x"]);
    assert_eq!(s.authentication.request_header, None);
    assert_eq!(s.inert, ["requestheader-allowed-names"]);
}

#[test]
fn flags_that_do_nothing_are_named_once() {
    let s = settings(&[
        "--profiling=false",
        "--audit-log-path=-",
        "--audit-log-path=x",
    ]);
    assert_eq!(s.inert, ["audit-log-path", "profiling"]);
}

#[test]
fn booleans_and_short_names_are_written_as_in_go() {
    assert!(
        settings(&["--kubelet-use-node-status-port=T"])
            .kubelet
            .use_node_status_port
    );
    assert!(
        !settings(&["--kubelet-use-node-status-port=false"])
            .kubelet
            .use_node_status_port
    );
    for v in [
        &["-v", "4"][..],
        &["-v=4"],
        &["-v4"],
        &["--v=4"],
        &["--v", "4"],
    ] {
        assert_eq!(settings(v).logging.level, LogLevel(4), "{v:?}");
    }
    assert_eq!(settings(&["-v=1000"]).logging.level, LogLevel(255));
    for l in [&["-l", "a=b"][..], &["-l=a=b"], &["--node-selector", "a=b"]] {
        assert_eq!(
            settings(l).scrape.node_selector,
            "a=b".parse().unwrap(),
            "{l:?}"
        );
    }
}

#[test]
fn lists_add_up_and_single_values_replace_each_other() {
    let s = settings(&[
        "--authorization-always-allow-paths=/a,/b",
        "--authorization-always-allow-paths=/c",
        "--secure-port=1",
        "--secure-port=2",
    ]);
    assert_eq!(s.authorization.always_allow_paths, ["/a", "/b", "/c"]);
    assert_eq!(s.serving.port, 2);
    let none = settings(&["--authorization-always-allow-paths="]);
    assert_eq!(none.authorization.always_allow_paths, [""; 0]);
}

#[test]
fn kubelet_tls_says_one_of_five_things() {
    for (flags, tls) in [
        (
            "--kubelet-certificate-authority=/ca",
            KubeletTls::Verify {
                ca_file: Some("/ca".into()),
            },
        ),
        (
            "--kubelet-certificate-verification=verify",
            KubeletTls::Verify { ca_file: None },
        ),
        ("--kubelet-insecure-tls", KubeletTls::Insecure),
        (
            "--kubelet-certificate-verification=insecure",
            KubeletTls::Insecure,
        ),
        ("--kubelet-via-apiserver", KubeletTls::ViaApiServer),
        (
            "--deprecated-kubelet-completely-insecure",
            KubeletTls::CompletelyInsecure,
        ),
    ] {
        assert_eq!(settings(&[flags]).kubelet.tls, tls);
    }
    const PIN: &str = "--kubelet-certificate-verification=pin";
    for (more, ca_file, namespace, name) in [
        (&[][..], None, None, "loadline-kubelet-pins"),
        (
            &[
                "--kubelet-certificate-authority=/ca",
                "--kubelet-pins=there/p",
            ],
            Some("/ca"),
            Some("there"),
            "p",
        ),
    ] {
        let pins = ConfigMapReference {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        let ca_file = ca_file.map(Into::into);
        let tls = settings(&[&[PIN], more].concat()).kubelet.tls;
        assert_eq!(tls, KubeletTls::Pin { ca_file, pins });
    }
    let s = settings(&["--kubelet-client-certificate=/c", "--kubelet-client-key=/k"]);
    assert_eq!(
        s.kubelet.client_certificate,
        Some(CertificatePaths {
            certificate: "/c".into(),
            key: "/k".into()
        })
    );
}

#[test]
fn tls_choices_are_kept_and_what_we_lack_is_left_out() {
    let tls = |flags: &[&str]| settings(flags).serving.tls;
    assert_eq!(
        tls(&["--tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"])
            .cipher_suites,
        Some(vec![CipherSuite::EcdsaAes256Gcm])
    );
    assert_eq!(
        tls(&["--tls-cipher-suites=TLS_AES_128_GCM_SHA256"]).cipher_suites,
        Some(vec![])
    );
    assert_eq!(
        tls(&["--tls-curve-preferences=4588,25,23"]).key_exchanges,
        Some(vec![KeyExchange::X25519MlKem768, KeyExchange::P256])
    );
    assert_eq!(
        tls(&["--tls-min-version=VersionTLS10"]).min_version,
        MinTlsVersion::Tls12
    );
    assert_eq!(
        tls(&["--tls-min-version=VersionTLS13"]).min_version,
        MinTlsVersion::Tls13
    );
}

#[test]
fn serving_options_are_kept() {
    let s = settings(&[
        "--tls-sni-cert-key=a.crt,a.key",
        "--tls-sni-cert-key=foo.crt,foo.key:*.foo.com,foo.com",
        "--http2-max-streams-per-connection=1000",
        "--strict-transport-security-directives=max-age=60,preload",
    ])
    .serving;
    assert_eq!(s.named_certificates.len(), 2);
    assert_eq!(s.named_certificates[0].names, [""; 0]);
    assert_eq!(s.named_certificates[1].names, ["*.foo.com", "foo.com"]);
    assert_eq!(s.named_certificates[1].paths.key, PathBuf::from("foo.key"));
    assert_eq!(s.http2_max_streams, Some(1000));
    assert_eq!(s.strict_transport_security.unwrap(), "max-age=60; preload");
    let off = settings(&["--disable-http2-serving"]).serving;
    assert_eq!(off.http2_max_streams, None);
}

#[test]
fn no_limit_is_written_as_zero() {
    let s = settings(&["--max-requests-inflight=0"]);
    assert_eq!(s.limits.max_requests_inflight, None);
}

#[test]
fn version_and_help_end_well_on_standard_output() {
    let version = run(&["--version"]).unwrap_err();
    assert_eq!(
        version.text,
        format!("loadline {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!((version.code, version.stream), (0, Stream::Stdout));

    let help = run(&["--help"]).unwrap_err();
    assert_eq!((help.code, help.stream), (0, Stream::Stdout));
    for topic in &TOPICS {
        assert!(help.text.contains(topic.title), "{}", topic.title);
        for flag in topic.flags {
            assert!(
                help.text.contains(&format!("--{}", flag.name)),
                "{}",
                flag.name
            );
        }
    }
}

#[test]
fn a_certificate_is_kept_in_a_secret_in_a_pod_or_when_asked_to() {
    let reference = |namespace: Option<&str>, name: &str| {
        Some(SecretReference {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        })
    };
    for (flags, expected) in [
        (&[][..], reference(None, "loadline-serving")),
        (&["--serving-secret="], None),
        (&["--serving-secret=mine"], reference(None, "mine")),
        (&["--serving-secret=a/b"], reference(Some("a"), "b")),
        (&["--kubeconfig=k"], None),
        (
            &["--kubeconfig=k", "--serving-secret=a/b"],
            reference(Some("a"), "b"),
        ),
        (&["--tls-cert-file=c", "--tls-private-key-file=k"], None),
    ] {
        let own = settings(flags).serving.own_certificate;
        assert_eq!(own.secret, expected, "{flags:?}");
        assert_eq!(own.service, "loadline");
        assert_eq!(own.lifetime, Duration::from_secs(90 * 86_400));
    }
}

#[test]
fn sinks_wait_for_a_lease_when_that_is_asked_for() {
    assert_eq!(settings(&[]).leader_elect, None);
    let named = ["--leader-elect", "--leader-elect-resource-namespace=n"];
    let lease = LeaseReference {
        namespace: Some("n".into()),
        name: "loadline".into(),
    };
    assert_eq!(settings(&named).leader_elect, Some(lease));
    assert_eq!(settings(&["--leader-elect=false"]).leader_elect, None);
}
