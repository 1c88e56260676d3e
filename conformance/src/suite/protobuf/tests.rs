use serde_json::{Value, json};

use super::{decode, encode};

/// What kubectl 1.32 decoded: a node, a list of it, a pod.
const GOLDEN: [&str; 3] = [
    "6b3873000a250a166d6574726963732e6b38732e696f2f76316265746131120b4e6f64654d65747269637312520a1a0a026e3112001a0022002a0032003800420808aaebdcca061000120808a5ebdcca0610001a060880acc7f037220d0a0363707512060a043235306d22130a066d656d6f727912090a0731323035364b691a002200",
    "6b3873000a290a166d6574726963732e6b38732e696f2f76316265746131120f4e6f64654d6574726963734c697374125c0a060a0012001a0012520a1a0a026e3112001a0022002a0032003800420808aaebdcca061000120808a5ebdcca0610001a060880acc7f037220d0a0363707512060a043235306d22130a066d656d6f727912090a0731323035364b691a002200",
    "6b3873000a240a166d6574726963732e6b38732e696f2f76316265746131120a506f644d65747269637312580a220a017012001a016422002a0032003800420808aaebdcca0610005a060a0161120162120808a5ebdcca0610001a060880acc7f03722200a0163120a0a0363707512030a0131120f0a066d656d6f727912050a033147691a002200",
];

fn objects() -> [Value; 3] {
    let node = json!({
        "metadata": { "name": "n1", "creationTimestamp": "2026-01-02T03:04:10Z" },
        "timestamp": "2026-01-02T03:04:05Z",
        "window": "15s",
        "usage": { "cpu": "250m", "memory": "12056Ki" },
    });
    let typed = |kind: &str, object: &Value| {
        let mut object = object.clone();
        object["kind"] = kind.into();
        object["apiVersion"] = "metrics.k8s.io/v1beta1".into();
        object
    };
    let pod = json!({
        "metadata": {
            "name": "p",
            "namespace": "d",
            "creationTimestamp": "2026-01-02T03:04:10Z",
            "labels": { "a": "b" },
        },
        "timestamp": "2026-01-02T03:04:05Z",
        "window": "15s",
        "containers": [{ "name": "c", "usage": { "cpu": "1", "memory": "1Gi" } }],
    });
    let list = json!({ "metadata": {}, "items": [node.clone()] });
    [
        typed("NodeMetrics", &node),
        typed("NodeMetricsList", &list),
        typed("PodMetrics", &pod),
    ]
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
        .collect()
}

#[test]
fn reads_what_a_go_server_wrote() {
    for (hex, object) in GOLDEN.iter().zip(objects()) {
        assert_eq!(decode(&bytes(hex)).unwrap(), object);
    }
}

#[test]
fn writes_what_a_go_server_writes() {
    for (hex, object) in GOLDEN.iter().zip(objects()) {
        assert_eq!(encode(&object).unwrap(), bytes(hex));
    }
}

#[test]
fn refuses_every_truncation() {
    for hex in GOLDEN {
        let whole = bytes(hex);
        for end in 0..whole.len() {
            // Without its two last, empty fields the envelope is still one.
            if ![whole.len() - 2, whole.len() - 4].contains(&end) {
                assert!(decode(&whole[..end]).is_err(), "{end} of {}", whole.len());
            }
        }
    }
}

#[test]
fn refuses_what_is_not_in_the_message() {
    let node = bytes(GOLDEN[0]);
    let raw = &node[4 + 2 + 37 + 2..node.len() - 4];
    let enveloped = |raw: &[u8]| {
        let mut out = node[..4 + 2 + 37].to_vec();
        out.extend([0x12, u8::try_from(raw.len()).unwrap()]);
        out.extend(raw);
        out
    };
    assert!(decode(&enveloped(raw)).is_ok());
    let additions: [(&str, &[u8]); 5] = [
        ("an unknown field", &[0x2a, 0]),
        ("a fixed64", &[0x09, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("the window again", &[0x1a, 0]),
        ("a number for bytes", &[0x20, 1]),
        (
            "a usage key out of order",
            b"\x22\x0a\x0a\x03abc\x12\x03\x0a\x011",
        ),
    ];
    for (what, addition) in additions {
        assert!(
            decode(&enveloped(&[raw, addition].concat())).is_err(),
            "{what}"
        );
    }
}
