//! What is refused at start because it would be passed over in silence.

use super::HTTP_SINKS;
use crate::sinks::{EventSinkConfig, SinkConfig};

/// Everything that is told of one sink.
fn told(value: &str, env: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let problems = match SinkConfig::read(&[value], env) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0,
    };
    problems.iter().map(ToString::to_string).collect()
}

fn plain(value: &str) -> Vec<String> {
    told(value, &|_| None)
}

/// The variable `PW` is empty, all others are not.
#[expect(clippy::unnecessary_wraps, reason = "stands for the environment")]
fn empty_pw(name: &str) -> Option<String> {
    Some(if name == "PW" { "" } else { "x" }.to_owned())
}

#[test]
fn an_empty_variable_is_refused_where_something_else_would_be_said_in_its_place() {
    for (value, problem) in [
        (
            "influxdb:http://h?user=me&pw=$PW",
            "influxdb: option pw: variable PW is empty",
        ),
        (
            "influxdb:http://h?user=${PW}&pw=x",
            "influxdb: option user: variable PW is empty",
        ),
        (
            "influxdb:http://h?bucket=b&token=$PW",
            "influxdb: option token: variable PW is empty",
        ),
        ("influxdb:http://h?pw=", "influxdb: option pw: is empty"),
        ("influxdb:http://me:$PW@h", "influxdb: variable PW is empty"),
        ("influxdb:$PW", "influxdb: variable PW is empty"),
        ("opentsdb:http://$PW@h", "opentsdb: variable PW is empty"),
        ("webhook:http://$PW/x", "webhook: variable PW is empty"),
        (
            "webhook:http://h?token=$PW",
            "webhook: option token: variable PW is empty",
        ),
        (
            "prometheus:http://h?token=$PW",
            "prometheus: option token: variable PW is empty",
        ),
        (
            "otlp:http://h?headers=api-key:$PW",
            "otlp: option headers: variable PW is empty",
        ),
    ] {
        assert_eq!(told(value, &empty_pw), [problem], "{value}");
    }
    for well in [
        "influxdb:http://h/$PW?user=me&pw=$X&cluster_name=$PW&$PW",
        "prometheus:http://h?prefix=$PW",
    ] {
        assert_eq!(told(well, &empty_pw), [""; 0], "{well}");
    }
}

#[test]
fn an_empty_variable_is_refused_whatever_the_credentials_are() {
    for (value, problem) in [
        (
            "elasticsearch:?esUserName=me&esUserSecret=$PW",
            "elasticsearch: option esUserSecret: variable PW is empty",
        ),
        (
            "elasticsearch:http://h?apiKey=$PW",
            "elasticsearch: option apiKey: variable PW is empty",
        ),
        (
            "elasticsearch:?nodes=http://me:$PW@h",
            "elasticsearch: option nodes: variable PW is empty",
        ),
        (
            "gcm:?project=p&credentials=$PW",
            "gcm: option credentials: variable PW is empty",
        ),
        #[cfg(feature = "kafka")]
        (
            "kafka:?brokers=h:1&user=me&password=$PW",
            "kafka: option password: variable PW is empty",
        ),
        #[cfg(feature = "kafka")]
        (
            "kafka:?brokers=h:1&cert=c&key=$PW",
            "kafka: option key: variable PW is empty",
        ),
    ] {
        assert_eq!(told(value, &empty_pw), [problem], "{value}");
    }
}

#[test]
fn two_ways_to_say_who_we_are_are_refused_by_their_names() {
    let user = "a user before the host";
    for (value, option, other) in [
        ("influxdb:http://me:pw@h?user=me", "user", user),
        ("influxdb:http://me:pw@h?pw=x", "pw", user),
        ("influxdb:http://me:pw@h?bucket=b&token=t", "token", user),
        ("influxdb:http://h?pw=x&bucket=b&token=t", "token", "pw"),
        ("prometheus:http://me:pw@h?token=t", "token", user),
        ("webhook:http://me:pw@h?token=t", "token", user),
        ("otlp:http://me:pw@h?token=t", "token", user),
        ("elasticsearch:http://me:pw@h?apiKey=k", "apiKey", user),
        ("elasticsearch:http://h?token=t&apiKey=k", "token", "apiKey"),
        (
            "elasticsearch:?nodes=http://me:pw@h&nodes=http://i&token=t",
            "token",
            user,
        ),
        (
            "elasticsearch:http://h?esUserName=me&esUserSecret=x&apiKey=k",
            "apiKey",
            "esUserName",
        ),
        (
            "gcm:?project=p&token=t&credentials=f",
            "credentials",
            "token",
        ),
    ] {
        let key = value.split(':').next().unwrap();
        let problem = format!("{key}: option {option}: is given besides {other}: give one of them");
        assert_eq!(plain(value), [problem], "{value}");
    }
    for (value, way) in [
        ("otlp:http://h?token=t&headers=Authorization:x", "token"),
        ("otlp:http://me:pw@h?headers=authorization:x", user),
    ] {
        let problem =
            format!("otlp: option headers: authorization is given besides {way}: give one of them");
        assert_eq!(plain(value), [problem], "{value}");
    }
    assert_eq!(plain("otlp:http://h?headers=authorization:x"), [""; 0]);
    assert_eq!(
        plain("elasticsearch:http://h?esUserName=me"),
        [
            "elasticsearch: option esUserName: is of no use without esUserSecret, nor that without it"
        ]
    );
    assert_eq!(
        plain("elasticsearch:http://me:pw@h?nodes=http://i").len(),
        1
    );
}

#[test]
fn half_a_user_before_the_host_is_refused_as_half_of_a_pair_of_options_is() {
    let half = "a user before the host needs a name and a password, as in user:password@";
    for user in ["uuu", "uuu:", ":ppp", ":", ""] {
        for key in HTTP_SINKS {
            let value = format!("{key}:http://{user}@h");
            assert_eq!(plain(&value), [format!("{key}: {half}")], "{value}");
        }
        let value = format!("elasticsearch:?nodes=http://{user}@h&nodes=http://a:b@i");
        let nodes = format!("elasticsearch: option nodes: {half}");
        assert_eq!(plain(&value), [nodes], "{value}");
    }
    let env = |name: &str| (name == "LOGIN").then(|| "token".to_owned());
    assert_eq!(
        told("webhook:http://$LOGIN@h", &env),
        [format!("webhook: {half}")]
    );
    let gone = "webhook: variable GONE is not set";
    assert_eq!(told("webhook:http://me:$GONE@h", &env), [gone]);
}

#[test]
fn what_no_line_and_no_name_can_hold_is_refused() {
    let character = "holds a character that cannot stand there";
    one_problem(&[
        ("graphite:tcp://h?prefix=a b", character),
        ("graphite:udp://h?prefix=a%0Ab", character),
        ("graphite:tcp://h?prefix=a%3Bb%3Dc", character),
        ("statsd:udp://h?prefix=a%0Ab", character),
        (
            "statsd:udp://h?protocolType=influxstatsd&prefix=a,b",
            character,
        ),
    ]);
    for well in [
        "graphite:tcp://h?prefix=a.b-c_d/e",
        "statsd:udp://h?prefix=a:b",
    ] {
        assert_eq!(plain(well), [""; 0], "{well}");
    }
    #[cfg(feature = "kafka")]
    {
        let topic = "is no name of a topic: at most 249 letters, digits, '.', '_' and '-'";
        let long = format!("kafka:?brokers=h:1&eventstopic={}", "a".repeat(250));
        one_problem(&[
            ("kafka:?brokers=h:1&timeseriestopic=a b", topic),
            ("kafka:?brokers=h:1&timeseriestopic=..", topic),
            ("kafka:?brokers=h:1&eventstopic=a/b", topic),
            (&long, topic),
        ]);
        let well = format!("kafka:?brokers=h:1&eventstopic=A.b_-{}", "1".repeat(244));
        assert_eq!(plain(&well), [""; 0]);
    }
}

#[test]
fn a_path_is_refused_where_none_is_spoken_of() {
    let path = "takes no path behind the host";
    one_problem(&[
        ("graphite:tcp://h:2003/sub", path),
        ("riemann:tcp://h/sub/", path),
        ("statsd:udp://h/sub", path),
    ]);
    assert_eq!(plain("graphite:tcp://h:2003/"), [""; 0]);
}

#[test]
fn what_says_two_things_or_none_is_refused() {
    let server = "is no address of a server, as http://metadata.google.internal is";
    let http = "the address must begin with http:// or https://";
    one_problem(&[
        ("gcm:?metadata=foo", server),
        ("gcm:?metadata=ftp://h", server),
        ("gcm:?metadata=http://h/x", server),
        ("gcm:?metadata=http://me:pw@h", server),
        ("gcm:?project=", "is empty"),
        ("gcm:?project=$PW", "variable PW is not set"),
        ("gcm:?project=a/b", "is no name of a project"),
        ("gcm:?token=t", "is needed with token"),
        (
            "influxdb:https://h?secure=false",
            "is false, and the address says https://",
        ),
        ("webhook://u:s3cret@h", http),
        ("influxdb:h:8086", http),
        ("gcm:h?project=p", http),
        ("elasticsearch:?nodes=h:9200", http),
    ]);
    for well in [
        "gcm:",
        "gcm:?project=example.com:p-1&token=t",
        "gcm:?metadata=http://h:80/",
        "influxdb:https://h?secure=true",
        "influxdb:?db=x",
        "prometheus:",
    ] {
        assert_eq!(plain(well), [""; 0], "{well}");
    }
}

#[test]
fn who_takes_no_user_and_no_address_says_so() {
    for value in [
        "graphite:tcp://me:pw@h",
        "statsd:udp://me:pw@h",
        "riemann:tcp://me:pw@h",
        "gcm:https://me:pw@h?project=p&token=t",
    ] {
        let key = value.split(':').next().unwrap();
        let problem = format!("{key}: takes no user before the host");
        assert_eq!(plain(value), [problem], "{value}");
    }
    let log = "log: takes no address: give log, or log:?OPTIONS";
    for value in ["log:foo", "log://h", "log:/var/log/x"] {
        assert_eq!(plain(value), [log], "{value}");
        let problems = EventSinkConfig::read(&[value], &|_| None).unwrap_err();
        assert_eq!(problems.to_string(), log);
    }
    for value in ["log", "log:", "log:?queue=5", "log:''"] {
        assert_eq!(plain(value), [""; 0], "{value}");
    }
    #[cfg(feature = "kafka")]
    assert_eq!(
        plain("kafka:h:9092?brokers=h:9092"),
        ["kafka: takes no address: brokers names where it is"]
    );
    #[cfg(feature = "kafka")]
    assert_eq!(
        plain("kafka:h:9092"),
        ["kafka: takes no address: brokers names where it is"]
    );
}

#[test]
fn what_stands_behind_a_hash_is_never_left_out_in_silence() {
    let hash = "'#' is written %23, for what stands behind one is not sent";
    for (value, place) in [
        (
            "influxdb:http://h?user=me&pw=a#s3cret&queue=0",
            "option pw: ",
        ),
        ("influxdb:http://h?db=x&s3cret#y=z&queue=0", ""),
        ("influxdb:http://me:a#s3cret@h:80/x?queue=0", ""),
        ("graphite:tcp://h:80#s3cret?queue=0", ""),
        ("webhook:http://h/#/s3cret?queue=0", ""),
    ] {
        let key = value.split(':').next().unwrap();
        let expected = [
            format!("{key}: {place}{hash}"),
            format!("{key}: option queue: is no number from 1 to 1000"),
        ];
        assert_eq!(plain(value), expected, "{value}");
    }
    let options = |_: &str| Some("token=a#s3cret".to_owned());
    assert_eq!(
        told("webhook:http://h?$OPTIONS", &options),
        [format!("webhook: option token: {hash}")]
    );
    let node = "elasticsearch:?nodes=http://me:a%23b@h";
    let nodes = format!("elasticsearch: option nodes: {hash}");
    assert_eq!(plain(node), [nodes]);
    for well in [
        "influxdb:http://h?pw=a%23b",
        "webhook:http://me:a%23b@h/%23",
    ] {
        assert_eq!(plain(well), [""; 0], "{well}");
    }
}

#[test]
fn options_without_a_colon_are_told_as_such_and_read_all_the_same() {
    let colon = "a colon is missing before '?', as in log:?queue=5";
    for (value, expected) in [
        ("log?queue=5", vec![format!("log: {colon}")]),
        (
            "influxdb?pw=s3cret&queue=0",
            vec![
                format!("influxdb: {colon}"),
                "influxdb: option queue: is no number from 1 to 1000".to_owned(),
            ],
        ),
    ] {
        assert_eq!(plain(value), expected, "{value}");
    }
    let problems = EventSinkConfig::read(&["log?types=Warning"], &|_| None).unwrap_err();
    assert_eq!(problems.to_string(), format!("log: {colon}"));
}

#[test]
fn an_address_that_is_wrong_hides_nothing_of_the_options() {
    for (value, expected) in [
        (
            "influxdb:http://h:s3cret?withfields=s3cret&queue=0",
            &[
                "influxdb: invalid port after host",
                "influxdb: option withfields: is neither true nor false",
                "influxdb: option queue: is no number from 1 to 1000",
            ][..],
        ),
        (
            "graphite:http://a..b:0?queue=0",
            &[
                "graphite: the host is neither a name nor an address",
                "graphite: nothing listens on port 0",
                "graphite: the address must begin with tcp:// or udp://",
                "graphite: option queue: is no number from 1 to 1000",
            ],
        ),
        (
            "webhook:http://[::1?batchSize=0",
            &[
                "webhook: missing ']' in host",
                "webhook: option batchSize: is no number from 1 to 100000",
            ],
        ),
        // What comes of a variable that is not there is not told besides.
        (
            "webhook:$SCHEME://$HOST/?batchSize=$SIZE&token=$T&queue=x",
            &[
                "webhook: variable SCHEME is not set",
                "webhook: variable HOST is not set",
                "webhook: option batchSize: variable SIZE is not set",
                "webhook: option token: variable T is not set",
                "webhook: option queue: is no number from 1 to 1000",
            ],
        ),
        (
            "influxdb:http://h?bucket=b&token=$T&db=a;b",
            &[
                "influxdb: option token: variable T is not set",
                "influxdb: an option cannot be read: a percent sign without two hexadecimal \
                 digits, or a semicolon that is not written as %3B",
            ],
        ),
    ] {
        assert_eq!(plain(value), expected, "{value}");
    }
}

/// Holds each value to one problem, that ends so.
fn one_problem(cases: &[(&str, &str)]) {
    for (value, problem) in cases {
        let told = plain(value);
        assert_eq!(told.len(), 1, "{value}: {told:?}");
        assert!(
            told[0].ends_with(&format!(": {problem}")),
            "{value}: {told:?}"
        );
    }
}

#[test]
fn a_header_the_sink_sets_itself_or_that_is_there_twice_is_refused() {
    one_problem(&[
        (
            "otlp:http://h?headers=Host:x",
            "host is set by the sink itself",
        ),
        (
            "otlp:http://h?headers=a:b,Content-Length:1",
            "content-length is set by the sink itself",
        ),
        (
            "otlp:http://h?headers=content-type:a",
            "content-type is set by the sink itself",
        ),
        (
            "otlp:http://h?headers=Transfer-Encoding:a",
            "transfer-encoding is set by the sink itself",
        ),
        (
            "otlp:http://h?headers=connection:close",
            "connection is set by the sink itself",
        ),
        (
            "otlp:http://h?headers=user-agent:me",
            "user-agent is set by the sink itself",
        ),
        (
            "otlp:http://h?headers=x:1,y:2,X:3",
            "name 3 of the list stands there twice",
        ),
    ]);
    assert_eq!(
        plain("otlp:http://h?headers=api-key:a,x-scope-orgid:b"),
        [""; 0]
    );
}

#[test]
fn a_label_the_sink_sets_itself_or_that_is_there_twice_is_refused() {
    one_problem(&[
        (
            "prometheus:http://h?labels=type:pod",
            "type is set by the sink itself",
        ),
        (
            "prometheus:http://h?labels=a:b,pod_name:x",
            "pod_name is set by the sink itself",
        ),
        (
            "prometheus:http://h?labels=a:b,a:c",
            "name 2 of the list is given twice",
        ),
        (
            "prometheus:http://h?labels=a:b&labels=a:b",
            "name 2 of the list is given twice",
        ),
        (
            "prometheus:http://h?labels=__name__:x",
            "is no list of name:value",
        ),
        (
            "prometheus:http://h?labels=label_app:x&objectLabels=app",
            "name 1 of the list is given twice",
        ),
        (
            "prometheus:http://h?labels=cluster_name:a&cluster_name=b",
            "cluster_name is given twice",
        ),
        (
            "prometheus:http://h?objectLabels=a.b,a/b",
            "name 2 of the list makes the label of another",
        ),
    ]);
    let well = "prometheus:http://h?labels=cluster_name:a,env:b&objectLabels=app";
    assert_eq!(plain(well), [""; 0]);
}

#[test]
fn no_label_is_renamed_to_another() {
    one_problem(&[
        (
            "statsd:udp://h?renameLabels=a:b,a:c",
            "name 2 of the list is given twice",
        ),
        (
            "statsd:udp://h?renameLabels=a:c,b:c",
            "name 2 of the list is given twice",
        ),
        (
            "statsd:udp://h?protocolType=influxstatsd&renameLabels=app:type",
            "type is set by the sink itself",
        ),
        (
            "statsd:udp://h?protocolType=influxstatsd&labelStyle=lowerCamelCase\
             &renameLabels=app:podName",
            "pod_name is set by the sink itself",
        ),
    ]);
    for well in [
        "statsd:udp://h?renameLabels=app:type",
        "statsd:udp://h?protocolType=influxstatsd&renameLabels=type:kind,app:type",
    ] {
        assert_eq!(plain(well), [""; 0], "{well}");
    }
}

#[test]
fn what_is_said_of_tls_where_none_is_spoken_is_refused_and_the_file_looked_at() {
    const SINKS: [&str; 7] = [
        "elasticsearch",
        "gcm",
        "influxdb",
        "opentsdb",
        "otlp",
        "prometheus",
        "webhook",
    ];
    let effect = "has no effect without TLS: write https://, or leave it out";
    for key in SINKS {
        let value = format!("{key}:http://h?cacert=/nowhere&project=p&token=t");
        let (sinks, problems) = SinkConfig::gather(&[&value], &|_| None);
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told, [format!("{key}: option cacert: {effect}")]);
        let files = sinks[0].unusable_files();
        let file = format!("{key}: option cacert: cannot use /nowhere: ");
        assert!(files[0].to_string().starts_with(&file), "{files:?}");
        let insecure = format!("{key}:http://h?insecuressl=true");
        assert_eq!(
            plain(&insecure),
            [format!("{key}: option insecuressl: {effect}")]
        );
        let both = format!("{key}:https://h?insecuressl=true&cacert=/nowhere");
        let one = "has no effect with insecuressl=true: give one of them";
        assert_eq!(plain(&both), [format!("{key}: option cacert: {one}")]);
    }
    for well in [
        "influxdb:http://h?secure=true&cacert=/f",
        "influxdb:http://h?insecuressl=false",
        "elasticsearch:http://h?nodes=https://a&nodes=http://b&cacert=/f",
        // Where tokens come from is another server.
        "gcm:http://h?credentials=/f&cacert=/f",
        "gcm:http://h?metadata=https://m&cacert=/f",
    ] {
        assert_eq!(plain(well), [""; 0], "{well}");
    }
}
