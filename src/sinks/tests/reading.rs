//! What is given to `--sink`.

use crate::sinks::SinkConfig;

#[expect(clippy::unnecessary_wraps, reason = "stands for the environment")]
fn env(name: &str) -> Option<String> {
    Some(format!("s3cret-{name}"))
}

#[test]
fn everything_that_is_wrong_is_told_at_once_by_sink_and_option_without_the_value() {
    let values = [
        ":x",
        "graphite:host:2003",
        "graphite:tcp://host:s3cret",
        "influxdb:http://h?withfields=s3cret&concurrency=0&retention=s3cret&bucket=b",
        "statsd:tcp://h?protocolType=s3cret&numMetricsPerMsg=s3cret&renameLabels=s3cret",
        "log:?selector=s3cret%3D%3D%3D&queue=0",
        "log:?metrics=cpu/*,nvidia.com/gpu/request,memory/cache,s3cret&excludeMetrics=uptime",
        "elasticsearch:http://h?index=S3cret&bulkWorkers=0&nodes=http://h:s3cret",
        "elasticsearch:tcp://h",
        "prometheus:http://h?version=s3cret&labels=s3cret&batchSize=0",
        "gcm:tcp://h?metadata=http://s3cret:s3cret&concurrency=s3cret",
        "otlp:http://h?headers=s3cret&compression=s3cret",
        "webhook:?batchSize=0",
        "riemann:udp://h?ttl=-1&batchsize=s3cret",
        "librato:?token=s3cret",
    ];
    let problems = SinkConfig::read(&values, &env).unwrap_err();
    let told: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "missing uri key",
            "graphite: the address must begin with tcp:// or udp://",
            "graphite-2: invalid port after host",
            "influxdb: option retention: is no duration from 1h to 106751d, as 30d",
            "influxdb: option token: is needed with bucket",
            "influxdb: option withfields: is neither true nor false",
            "influxdb: option concurrency: is no number from 1 to 64",
            "statsd: the address must begin with udp://",
            "statsd: option protocolType: is no protocol: etsystatsd or influxstatsd",
            "statsd: option renameLabels: is no list of old:new",
            "statsd: option numMetricsPerMsg: is no number from 1 to 1000",
            "log: option selector: is no label selector",
            "log: option queue: is no number from 1 to 1000",
            "log-2: option metrics: name 4 of the list is no metric's",
            "elasticsearch: option nodes: invalid port after host",
            "elasticsearch: option index: is no name of an index",
            "elasticsearch: option bulkWorkers: is no number from 1 to 64",
            "elasticsearch-2: the address must begin with http:// or https://",
            "prometheus: option version: is neither 1 nor 2",
            "prometheus: option labels: is no list of name:value",
            "prometheus: option batchSize: is no number from 1 to 50000",
            "gcm: the address must begin with http:// or https://",
            "gcm: option metadata: is no address of a server, as http://metadata.google.internal is",
            "gcm: option concurrency: is no number from 1 to 64",
            "otlp: option headers: is no list of name:value",
            "otlp: option compression: is neither none nor gzip",
            "webhook: the address names no host",
            "webhook: option batchSize: is no number from 1 to 100000",
            "riemann: the address must begin with tcp://",
            "riemann: option ttl: is no number of seconds",
            "riemann: option batchsize: is no number from 1 to 100000",
            "librato: is no sink of this version",
        ]
    );
}

#[test]
fn sinks_of_a_kind_are_numbered_and_unknown_options_kept_aside() {
    let values = [
        "influxdb",
        "log",
        "influxdb:http://h?old=1&db=x",
        "influxdb",
    ];
    let sinks = SinkConfig::read(&values, &env).unwrap();
    let names: Vec<_> = sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["influxdb", "log", "influxdb-2", "influxdb-3"]);
    assert_eq!(sinks[2].remarks.ignored, ["old"]);
}

#[test]
fn of_an_option_that_is_given_twice_the_first_counts_and_lists_may_be_repeated() {
    let values = [
        "influxdb:http://h?db=first&pw=s3cret&db=second&pw=other&metrics=cpu/*&metrics=uptime",
        "elasticsearch:?nodes=http://a&nodes=http://b&index=x&index=x",
    ];
    let sinks = SinkConfig::read(&values, &env).unwrap();
    assert_eq!(sinks[0].remarks.twice, ["db", "pw"]);
    assert_eq!(sinks[1].remarks.twice, ["index"]);
    let once = "influxdb:http://h?db=first&pw=s3cret&metrics=cpu/*,uptime";
    let once = SinkConfig::read(&[once], &env).unwrap();
    assert_eq!(sinks[0].backend, once[0].backend);
    assert_eq!(sinks[0].filter, once[0].filter);
}

#[test]
fn an_address_that_can_be_nowhere_is_refused_whatever_the_sink() {
    let host = "the host is neither a name nor an address";
    let port = "nothing listens on port 0";
    let path = "invalid character in the path";
    let option = "an option cannot be read: a percent sign without two hexadecimal digits, or a \
                  semicolon that is not written as %3B";
    let scheme = "the address must begin with http:// or https://";
    for (value, problem) in [
        ("webhook:http://a..b/", format!("webhook: {host}")),
        (
            "webhook:/path",
            "webhook: the address names no host".to_owned(),
        ),
        (
            "webhook:http:collector",
            "webhook: invalid port after host".to_owned(),
        ),
        ("otlp:https://10.0.0.256", format!("otlp: {host}")),
        ("prometheus:http://a%20b/x", format!("prometheus: {host}")),
        (
            "prometheus:http://a/\u{e4} b",
            format!("prometheus: {path}"),
        ),
        ("opentsdb:http://[::g]:1", format!("opentsdb: {host}")),
        ("opentsdb:tcp://h", format!("opentsdb: {scheme}")),
        ("influxdb:udp://h", format!("influxdb: {scheme}")),
        ("influxdb:http://h:0", format!("influxdb: {port}")),
        (
            "influxdb:http://h?pw=s3cret%z",
            format!("influxdb: {option}"),
        ),
        (
            "influxdb:http://h?pw=s3;cret",
            format!("influxdb: {option}"),
        ),
        ("graphite:tcp://-h:1", format!("graphite: {host}")),
        ("statsd:udp://h,i:1", format!("statsd: {host}")),
        ("riemann:tcp://h_:0", format!("riemann: {port}")),
        (
            "elasticsearch:?nodes=http://a&nodes=http://b..c",
            format!("elasticsearch: option nodes: {host}"),
        ),
        (
            "gcm:?metadata=http://a..b",
            "gcm: option metadata: is no address of a server, as http://metadata.google.internal is".to_owned(),
        ),
    ] {
        let problems = SinkConfig::read(&[value], &env).unwrap_err();
        assert_eq!(problems.to_string(), problem, "{value}");
    }
    #[cfg(feature = "kafka")]
    for broker in ["a..b:1", "h:0", "h:1,[::g]:2"] {
        let value = format!("kafka:?brokers={broker}");
        let problems = SinkConfig::read(&[value], &env).unwrap_err();
        let told = "kafka: option brokers: is no list of host:port";
        assert_eq!(problems.to_string(), told, "{broker}");
    }
}

#[test]
fn a_secret_with_a_uris_own_signs_is_one_value_and_no_part_of_it_is_told() {
    let env = |_: &str| Some("a&s3cret=1#%+/@ b".to_owned());
    for value in [
        "influxdb:http://me:$PW@h:80?db=after&old=1",
        "influxdb:http://h:80?user=x&pw=$PW&db=after&old=1",
    ] {
        let sinks = SinkConfig::read(&[value], &env).unwrap();
        assert_eq!(sinks[0].remarks.ignored, ["old"]);
        let printed = format!("{sinks:?}");
        assert!(printed.contains("\"after\"") && printed.contains("h:80"));
        assert!(!printed.contains("s3cret"), "{printed}");
    }
    let env = |_: &str| Some("a&s3cret=1%25+/@ b".to_owned());
    let options = SinkConfig::read(&["influxdb:http://h?$OPTIONS"], &env).unwrap();
    assert_eq!(options[0].remarks.ignored, ["(in a variable)"]);
}

#[test]
fn no_secret_is_ever_printed() {
    let values = [
        "influxdb:http://me:$PW@h",
        "influxdb:https://h?user=me&pw=${PW}",
        "influxdb:http://h?bucket=b&org=o&token=$TOKEN",
        "opentsdb:http://me:$PW@h",
        "elasticsearch:http://me:$PW@h",
        "elasticsearch:http://h?nodes=http://me:$PW@h&nodes=http://me:$PW@i",
        "elasticsearch:http://h?esUserName=me&esUserSecret=$PW",
        "elasticsearch:http://h?apiKey=$KEY",
        "prometheus:https://me:$PW@h",
        "prometheus:https://h?token=$TOKEN",
        "otlp:https://me:$PW@h?headers=api-key:$KEY",
        "webhook:https://me:$PW@h",
        "gcm:?project=p&token=$TOKEN",
    ];
    let sinks = SinkConfig::read(&values, &env).unwrap();
    let printed = format!("{sinks:?}");
    assert!(
        printed.contains("\"me\"") && !printed.contains("s3cret"),
        "{printed}"
    );
}

#[cfg(feature = "kafka")]
#[test]
fn what_is_wrong_with_kafka_is_told_without_its_secrets() {
    let values = [
        "kafka:",
        "kafka:?brokers=h&compression=s3cret&password=s3cret&key=s3cret",
        "kafka:?brokers=a:1,b:2&brokers=c:3&user=me&password=s3cret&eventstopic=e",
    ];
    let problems = SinkConfig::read(&values, &env).unwrap_err();
    let told: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "kafka: option brokers: is needed",
            "kafka-2: option brokers: is no list of host:port",
            "kafka-2: option user: is of no use without password, nor that without it",
            "kafka-2: option cert: is of no use without key, nor that without it",
            "kafka-2: option compression: is no codec: none, gzip, snappy or lz4",
        ]
    );
    let good = SinkConfig::read(&values[2..], &env).unwrap();
    let printed = format!("{good:?}");
    assert!(!printed.contains("s3cret"), "{printed}");
    assert!(printed.contains("[\"a:1\", \"b:2\", \"c:3\"]"), "{printed}");
    assert!(good[0].remarks.ignored.is_empty());
}
