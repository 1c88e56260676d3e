//! The golden vectors that a real kubectl has decoded.

use super::*;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf, */*";

fn hex(response: &Response<Bytes>) -> String {
    assert_eq!(
        response.headers()["content-type"],
        "application/vnd.kubernetes.protobuf"
    );
    response.body().iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn node_metrics_are_byte_for_byte_the_golden_vectors() {
    let served = Served::new(seen(0, vec![node("n1", &[], usage(250, 12_056))], vec![]));
    let one = "6b3873000a250a166d6574726963732e6b38732e696f2f76316265746131120b4e6f64654d65747269637312520a1a0a026e3112001a0022002a0032003800420808aaebdcca061000120808a5ebdcca0610001a060880acc7f037220d0a0363707512060a043235306d22130a066d656d6f727912090a0731323035364b691a002200";
    assert_eq!(hex(&served.get("nodes/n1", PROTOBUF)), one);
    let list = "6b3873000a290a166d6574726963732e6b38732e696f2f76316265746131120f4e6f64654d6574726963734c697374125c0a060a0012001a0012520a1a0a026e3112001a0022002a0032003800420808aaebdcca061000120808a5ebdcca0610001a060880acc7f037220d0a0363707512060a043235306d22130a066d656d6f727912090a0731323035364b691a002200";
    assert_eq!(hex(&served.get("nodes", PROTOBUF)), list);
}

#[test]
fn pod_metrics_are_byte_for_byte_the_golden_vector() {
    let record = pod_record("d", "p", "n1", &[("a", "b")]);
    let pod = pod(record, &[("c", usage(1000, 1024 * 1024))]);
    let served = Served::new(seen(1, vec![], vec![pod]));
    let one = "6b3873000a240a166d6574726963732e6b38732e696f2f76316265746131120a506f644d65747269637312580a220a017012001a016422002a0032003800420808aaebdcca0610005a060a0161120162120808a5ebdcca0610001a060880acc7f03722200a0163120a0a0363707512030a0131120f0a066d656d6f727912050a033147691a002200";
    assert_eq!(hex(&served.get("namespaces/d/pods/p", PROTOBUF)), one);
}

#[test]
fn swap_is_a_third_entry_after_memory() {
    let with_swap = Usage {
        swap: Some(Amount::new(0)),
        ..usage(250, 12_056)
    };
    let served = Served::new(seen(1, vec![node("n1", &[], with_swap)], vec![]));
    let entry = "22130a066d656d6f727912090a0731323035364b69220b0a047377617012030a0130";
    assert!(hex(&served.get("nodes/n1", PROTOBUF)).contains(entry));
}

#[test]
fn an_empty_list_is_its_metadata_alone() {
    let served = Served::new(seen(0, vec![], vec![]));
    let body = hex(&served.get("pods", PROTOBUF));
    let tail = "12080a060a0012001a001a002200";
    assert!(body.ends_with(tail), "{body}");
}
