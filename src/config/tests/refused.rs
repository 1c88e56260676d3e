use super::super::*;
use super::{errors, run, settings};

#[test]
fn wrong_combinations_name_both_flags() {
    const CA: &str = "--kubelet-certificate-authority=a";
    const CERT: &str = "--kubelet-client-certificate=c";
    const KEY: &str = "--kubelet-client-key=k";
    const INSECURE: &str = "--kubelet-insecure-tls";
    const PIN: &str = "--kubelet-certificate-verification=pin";
    const ANY: &str = "--kubelet-certificate-verification=insecure";
    const PINS: &str = "--kubelet-pins=p";
    const VIA: &str = "--kubelet-via-apiserver";
    const COMPLETELY: &str = "--deprecated-kubelet-completely-insecure";
    let name = |flag: &str| flag.split('=').next().unwrap().to_owned();
    for (one, other, more) in [
        (CA, INSECURE, None),
        (CA, COMPLETELY, None),
        (INSECURE, COMPLETELY, None),
        (CA, VIA, None),
        (PIN, VIA, None),
        (PIN, INSECURE, None),
        (PIN, COMPLETELY, None),
        (INSECURE, VIA, None),
        (COMPLETELY, VIA, None),
        (CA, ANY, None),
        (PINS, ANY, None),
        (CERT, COMPLETELY, Some(KEY)),
        (KEY, COMPLETELY, Some(CERT)),
    ] {
        let flags: Vec<&str> = [one, other].into_iter().chain(more).collect();
        let told = errors(&flags);
        assert!(
            told.iter()
                .any(|line| line.contains(&name(one)) && line.contains(&name(other))),
            "{flags:?}: {told:?}"
        );
    }
    assert_eq!(
        errors(&[CERT]),
        ["--kubelet-client-certificate needs --kubelet-client-key"]
    );
    assert_eq!(
        errors(&[KEY]),
        ["--kubelet-client-key needs --kubelet-client-certificate"]
    );
    assert_eq!(
        errors(&[PIN, "--kubelet-pins="]),
        ["--kubelet-pins must name a ConfigMap"]
    );
    let told = errors(&["--kubelet-certificate-verification=maybe"]);
    assert!(told[0].contains("verify, pin or insecure"), "{told:?}");
    assert_eq!(
        errors(&["--tls-cert-file=c"]),
        ["--tls-cert-file needs --tls-private-key-file"]
    );
}

#[test]
fn resolution_and_timeout_fit_together() {
    settings(&["--metric-resolution=12s"]);
    settings(&["--metric-resolution=10s", "--kubelet-request-timeout=9s"]);
    for (flags, named) in [
        (&["--metric-resolution=9999ms"][..], "--metric-resolution"),
        (&["--metric-resolution=0"], "--metric-resolution"),
        (&["--metric-resolution=10s"], "--kubelet-request-timeout"),
        (
            &["--kubelet-request-timeout=13501ms"],
            "--kubelet-request-timeout",
        ),
        (
            &["--kubelet-request-timeout=0s"],
            "--kubelet-request-timeout",
        ),
        (
            &["--kubelet-request-timeout=-1s"],
            "--kubelet-request-timeout",
        ),
    ] {
        let told = errors(flags);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(named), "{told:?}");
    }
}

#[test]
fn a_value_that_cannot_be_read_is_told_in_gos_words() {
    for (flag, problem) in [
        (
            "--kubelet-insecure-tls=maybe",
            r#"invalid argument "maybe" for "--kubelet-insecure-tls" flag: strconv.ParseBool: parsing "maybe": invalid syntax"#,
        ),
        (
            "-v=loud",
            r#"invalid argument "loud" for "-v, --v" flag: strconv.ParseInt: parsing "loud": invalid syntax"#,
        ),
        (
            "--metric-resolution=15",
            r#"invalid argument "15" for "--metric-resolution" flag: time: missing unit in duration "15""#,
        ),
        (
            "--bind-address=here",
            r#"invalid argument "here" for "--bind-address" flag: failed to parse IP: "here""#,
        ),
        (
            "--tls-min-version=1.2",
            r#"invalid argument "1.2" for "--tls-min-version" flag: unknown tls version "1.2""#,
        ),
        (
            "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,ROT13",
            r#"invalid argument "ROT13" for "--tls-cipher-suites" flag: Cipher suite ROT13 not supported or doesn't exist"#,
        ),
    ] {
        assert_eq!(errors(&[flag]), [problem]);
    }
}

#[test]
fn other_wrong_values_name_their_flag() {
    for flag in [
        "--node-selector=a b",
        "--kubelet-port=0",
        "--kubelet-port=65536",
        "--secure-port=0",
        "--secure-port=-1",
        "--kubelet-preferred-address-types=",
        "--kubelet-preferred-address-types=Hostname,,InternalIP",
        "--http2-max-streams-per-connection=-1",
        "--tls-curve-preferences=22",
        "--tls-curve-preferences=25",
        "--tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA",
        "--tls-sni-cert-key=only.crt",
        "--tls-sni-cert-key=a,b,c:x",
        "--strict-transport-security-directives=includeSubDomains",
        "--strict-transport-security-directives=max-age=1,evil",
        "--authorization-always-allow-paths=/a*/b",
        "--authorization-webhook-cache-authorized-ttl=-1s",
        "--authentication-token-webhook-cache-ttl=ten",
        "--max-requests-inflight=-1",
        "--request-timeout=0s",
        "--shutdown-delay-duration=-1s",
        "--logging-format=xml",
        "--requestheader-group-headers=a b",
        "--audit-log-maxage=old",
        "--goaway-chance=often",
    ] {
        let told = errors(&[flag]);
        let name = flag.split('=').next().unwrap();
        assert_eq!(told.len(), 1, "{flag}: {told:?}");
        assert!(told[0].contains(name), "{flag}: {told:?}");
    }
    let told = errors(&[
        "--requestheader-client-ca-file=/ca",
        "--requestheader-username-headers=",
    ]);
    assert!(
        told[0].contains("--requestheader-username-headers"),
        "{told:?}"
    );
}

#[test]
fn all_errors_are_told_at_once() {
    let told = errors(&[
        "--metric-resolution=1s",
        "--kubelet-port=x",
        "--kubelet-client-key=k",
        "--kubelet-insecure-tls",
        "--deprecated-kubelet-completely-insecure",
        "--secure-port=0",
        "--tls-cipher-suites=A,B",
        "--request-timeout=fast",
        "--audit-log-maxage=x",
    ]);
    for named in [
        "--metric-resolution",
        "--kubelet-port",
        "--kubelet-client-key",
        "--kubelet-insecure-tls",
        "--secure-port",
        "suite A",
        "suite B",
        "--request-timeout",
        "--audit-log-maxage",
    ] {
        assert!(
            told.iter().any(|line| line.contains(named)),
            "{named}: {told:?}"
        );
    }
}

#[test]
fn an_unknown_flag_is_refused_by_name() {
    for unknown in ["--no-such-flag", "--no_such_flag=1", "stray"] {
        let exit = run(&[unknown]).unwrap_err();
        assert_eq!((exit.code, exit.stream), (2, Stream::Stderr));
        assert!(
            exit.text.contains(unknown.split('=').next().unwrap()),
            "{exit}"
        );
    }
}

#[test]
fn an_unknown_flag_hides_nothing_else_that_is_wrong() {
    let args = [
        "--bogus",
        "--secure-port=99999",
        "--other=1",
        "--metric-resolution=1s",
    ];
    let exit = run(&args).unwrap_err();
    for told in ["--bogus", "--secure-port", "--other", "--metric-resolution"] {
        assert!(exit.text.contains(told), "{told} is not in {}", exit.text);
    }
    assert_eq!(exit.code, 2);
}

#[test]
fn an_unknown_flag_of_one_dash_hides_nothing_else_that_is_wrong() {
    let told = errors(&["-bogus", "--secure-port=99999", "-x=1"]);
    assert_eq!(told[..2], ["unknown flag: -bogus", "unknown flag: -x"]);
    assert!(told[2].contains("--secure-port"), "{told:?}");
}

#[test]
fn a_wrong_value_beside_it_hides_no_wrong_length_of_the_history() {
    let told = errors(&[
        "--history-dir=/h",
        "--history-length=9h",
        "--history-dir-retention=8h",
        "--history-dir-max-bytes=1",
        "--history-memory-limit=1",
        "--rollup-resolution=5h",
        "--store-label==x",
        "--sink-export-data-timeout=x",
    ]);
    for told_of in [
        "--history-dir-retention (8h0m0s) must be at least --history-length (9h0m0s)",
        "--history-length (9h0m0s) must hold at least two times --rollup-resolution (5h0m0s)",
        "\"--history-dir-max-bytes\"",
        "\"--history-memory-limit\"",
        "--store-label must be",
        "\"--sink-export-data-timeout\"",
    ] {
        assert!(
            told.iter().any(|line| line.contains(told_of)),
            "{told_of}: {told:?}"
        );
    }
}

#[test]
fn one_port_is_not_listened_on_twice() {
    let both = "--heapster-port and --secure-port are both 8443: give each a port of its own";
    let at = |ip: &str, bind: &str| {
        let (ip, bind) = (
            format!("--listen-ip={ip}"),
            format!("--bind-address={bind}"),
        );
        [ip, bind]
    };
    let flags = ["--heapster-port=8443", "--secure-port=8443"];
    assert_eq!(errors(&flags), [both]);
    for (ip, bind, meet) in [
        ("127.0.0.1", "::", true),
        ("", "127.0.0.1", true),
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.2", "127.0.0.1", false),
    ] {
        let places = at(ip, bind);
        let flags: Vec<&str> = flags
            .into_iter()
            .chain(places.iter().map(String::as_str))
            .collect();
        match meet {
            true => assert_eq!(errors(&flags), [both], "{ip} {bind}"),
            false => drop(settings(&flags)),
        }
    }
}

#[test]
fn a_stored_label_takes_no_others_place() {
    settings(&["--store-label=app,tier=app,app=app"]);
    assert_eq!(
        errors(&["--store-label=type=app,a=x", "--store-label=a=y"]),
        [
            "--store-label: type is a label everything has already",
            "--store-label: a is given twice",
        ]
    );
    assert_eq!(
        errors(&["--store-label==", "--store-label==x"]),
        ["--store-label must be label or name=label"]
    );
    for three in ["--store-label=a=b=c", "--store-label=app,a=b="] {
        let told = errors(&[three]);
        assert_eq!(told, ["--store-label must be label or name=label"]);
    }
}

#[test]
fn a_serving_secret_is_an_objects_name_and_no_second_source() {
    for bad in ["a/b/c", "/b", "a/", "-a", "a_b", "A"] {
        let flag = format!("--serving-secret={bad}");
        let errors = errors(&[&flag]);
        assert!(
            errors[0].contains("is not the name of an object"),
            "{errors:?}"
        );
    }
    assert!(errors(&["--service-name="])[0].contains("is not the name of an object"));
    assert_eq!(
        errors(&["--serving-certificate-lifetime=19s"]),
        ["--serving-certificate-lifetime must be at least 20s"]
    );
    let both = [
        "--tls-cert-file=c",
        "--tls-private-key-file=k",
        "--serving-secret=s",
    ];
    assert_eq!(
        errors(&both),
        ["--serving-secret and --tls-cert-file cannot be used together"]
    );
}
