//! What Kubernetes' own code answers, recorded.
//!
//! `testdata/kubernetes-1.37.1.jsonl` was written by a program that called, on random and on
//! malicious input, the functions each arm below names (`k8s.io/apimachinery` and
//! `k8s.io/apiserver` v0.37.1, `sigs.k8s.io/yaml` v1.6.0, Go 1.26).

use http::Request;
use serde::Deserialize;

use super::*;
use crate::domain::{Bytes, Labels, Nanocores};

#[derive(Deserialize)]
struct Recorded {
    op: String,
    #[serde(rename = "in")]
    input: Vec<String>,
    out: Vec<String>,
}

#[test]
fn everything_answers_as_kubernetes_does() {
    let recorded = include_str!("testdata/kubernetes-1.37.1.jsonl").lines();
    let mut checked = 0;
    for line in recorded {
        let Recorded { op, input, out } = serde_json::from_str(line).unwrap();
        let found = answer(&op, &input);
        // The original could not say how many billionths or thousandths a large quantity has.
        let said = |(found, out): (&String, &String)| out == "-" || found == out;
        let same = found.len() == out.len() && found.iter().zip(&out).all(said);
        assert!(same, "{op} {input:?}\n  is {out:?}\n not {found:?}");
        checked += 1;
    }
    assert!(checked > 800, "{checked}");
}

fn answer(op: &str, input: &[String]) -> Vec<String> {
    let text = input[0].as_str();
    let number = || text.parse::<u64>().unwrap();
    match op {
        // resource.ParseQuantity; ScaledValue(Nano), MilliValue, Value
        "quantity" => read(text, |q: Quantity| {
            [q.nano(), q.milli(), q.whole()]
                .map(|n| n.to_string())
                .to_vec()
        }),
        // resource.NewScaledQuantity(n, -9).String
        "cpu" => vec![CanonicalQuantity::cpu(Nanocores::new(number())).to_string()],
        // resource.NewQuantity(n, BinarySI).String
        "memory" => vec![CanonicalQuantity::memory(Bytes::new(number())).to_string()],
        // time.Duration.String, time.ParseDuration
        "durfmt" => vec![GoDuration::from_nanos(text.parse().unwrap()).to_string()],
        "durparse" => read(text, |d: GoDuration| vec![d.as_nanos().to_string()]),
        // labels.Parse, Selector.Matches
        "label" => read(text, |selector: LabelSelector| vec![matches(&selector)]),
        // fields.ParseSelector, Selector.Requirements
        "field" => read(text, |selector: FieldSelector| fields(&selector)),
        // yaml.JSONToYAML
        "yaml" => vec![String::from_utf8(yaml::from_json(text.as_bytes())).unwrap()],
        // strconv.Quote, json.Marshal
        "quote" => vec![Quoted(text).to_string()],
        "json" => vec![json::quoted(text)],
        // RequestInfoFactory.NewRequestInfo
        "info" => request_info(text, &input[1]),
        // negotiation.NegotiateMediaTypeOptions
        "nego" => negotiated(text),
        // ParameterCodec.DecodeParameters, ValidateListOptions, NewInvalid
        "list" => match ListOptions::from_query(&Query::parse(Some(text)), &["a", "x"]) {
            Err(status) => vec![status.code().to_string(), status.message().to_owned()],
            Ok(options) => vec!["200".to_owned(), options.watch.to_string()],
        },
        other => panic!("nobody knows {other}"),
    }
}

/// What a parser answers: its error, or an empty text and what `tell` makes of the value.
fn read<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
    tell: impl FnOnce(T) -> Vec<String>,
) -> Vec<String> {
    match text.parse::<T>() {
        Err(error) => vec![error.to_string()],
        Ok(value) => [vec![String::new()], tell(value)].concat(),
    }
}

/// Whether the selector selects each of six sets of labels, as ones and zeros.
fn matches(selector: &LabelSelector) -> String {
    let sets: [&[(&str, &str)]; 6] = [
        &[],
        &[("a", "b")],
        &[("a", "")],
        &[("a", "5"), ("c", "x")],
        &[("in", "notin")],
        &[("x.y/z", "1"), ("c", "d")],
    ];
    let bit = |set: &&[(&str, &str)]| {
        let labels: Labels = set.iter().copied().collect();
        if selector.matches(&labels) { '1' } else { '0' }
    };
    sets.iter().map(bit).collect()
}

fn fields(selector: &FieldSelector) -> Vec<String> {
    let requirements = selector.requirements().iter();
    let tell = |one: &FieldRequirement| {
        let operator = match one.operator {
            FieldOperator::Equals => "=",
            FieldOperator::NotEquals => "!=",
        };
        [&one.field, operator, &one.value].map(str::to_owned)
    };
    requirements.flat_map(tell).collect()
}

fn request_info(method: &str, uri: &str) -> Vec<String> {
    let (path, query) = match uri.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (uri, None),
    };
    let Ok(info) = RequestInfo::new(&method.parse().unwrap(), path, query) else {
        return vec!["error".to_owned()];
    };
    let is_resource = info.is_resource_request().to_string();
    let resource = info.resource.unwrap_or_default();
    vec![
        String::new(),
        info.verb,
        info.path,
        is_resource,
        resource.prefix,
        resource.group,
        resource.version,
        resource.namespace,
        resource.resource,
        resource.subresource,
        resource.name,
        resource.parts.join("|"),
        resource.field_selector,
        resource.label_selector,
    ]
}

fn negotiated(accept: &str) -> Vec<String> {
    let request = Request::builder().header("accept", accept);
    let parts = request.body(()).unwrap().into_parts().0;
    let Ok(negotiated) = Negotiated::for_resource(&parts) else {
        return vec!["no".to_owned()];
    };
    let form = |kind: &str, version: MetaVersion| {
        let version = version.api_version().trim_start_matches("meta.k8s.io/");
        format!("{kind}/{version}")
    };
    let transform = match negotiated.transform {
        Transform::None => String::new(),
        Transform::Table(version) => form("Table", version),
        Transform::PartialObjectMetadata(version) => form("PartialObjectMetadata", version),
        Transform::PartialObjectMetadataList(version) => form("PartialObjectMetadataList", version),
    };
    let media_type = negotiated.media_type.as_str().to_owned();
    vec![media_type, transform, negotiated.pretty.to_string()]
}
