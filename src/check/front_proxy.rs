//! Does the cluster say whom to believe who a caller is?

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::{Finding, Preflight, Report, ask};

const NAME: &str = "extension-apiserver-authentication";
const SUBJECT: &str = "ConfigMap kube-system/extension-apiserver-authentication";
const AGGREGATION: &str = "start kube-apiserver with --requestheader-client-ca-file, --requestheader-allowed-names, \
     --requestheader-username-headers, --requestheader-group-headers, --requestheader-extra-headers-prefix, \
     --proxy-client-cert-file and --proxy-client-key-file (kubeadm does): the aggregation layer needs them";

pub(super) async fn check(preflight: &Preflight, report: &mut Report) {
    let Ok(client) = &preflight.authentication else {
        // Told of with the rights.
        return;
    };
    let api = Api::<ConfigMap>::namespaced(client.clone(), "kube-system");
    // As the server does: a list of one, which is what the reader role grants.
    let params = ListParams::default().fields(&format!("metadata.name={NAME}"));
    match ask(api.list(&params)).await {
        Err(error) => report.add(Finding::failure(
            "front-proxy",
            SUBJECT,
            error,
            "kubectl apply -k apiservice binds the Role extension-apiserver-authentication-reader",
        )),
        Ok(list) => {
            let map = list.items.into_iter().next();
            let data = map.map(|map| map.data.unwrap_or_default());
            report.add(judge(data.as_ref()));
        }
    }
}

fn judge(data: Option<&BTreeMap<String, String>>) -> Finding {
    let failure = |message: &str| Finding::failure("front-proxy", SUBJECT, message, AGGREGATION);
    let Some(data) = data else {
        return failure("it is not there, so nobody the API server sends can be believed");
    };
    let text = |key: &str| data.get(key).map(String::as_str).unwrap_or_default();
    let authorities =
        CertificateDer::pem_slice_iter(text("requestheader-client-ca-file").as_bytes());
    let authorities = authorities.filter_map(Result::ok).count();
    if authorities == 0 {
        return failure("it holds no requestheader-client-ca-file: the aggregation layer is off");
    }
    let listed = |key: &str| serde_json::from_str::<Vec<String>>(text(key)).unwrap_or_default();
    for key in [
        "requestheader-username-headers",
        "requestheader-group-headers",
    ] {
        if listed(key).is_empty() {
            return failure(&format!("it holds no {key}"));
        }
    }
    let names = listed("requestheader-allowed-names");
    let names = if names.is_empty() {
        "any name".to_owned()
    } else {
        names.join(", ")
    };
    if text("client-ca-file").is_empty() {
        return Finding::warning(
            "front-proxy",
            SUBJECT,
            format!(
                "front proxy: {names}; it holds no client-ca-file, so client certificates shown to us directly say nothing"
            ),
            "this is as the cluster wants it; callers may use tokens",
        );
    }
    Finding::ok("front-proxy", SUBJECT, format!("front proxy: {names}"))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn the_config_map_must_lead_to_a_front_proxy() {
        let key = rcgen::KeyPair::generate().unwrap();
        let ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let ca = ca.self_signed(&key).unwrap().pem();
        let whole: &[(&str, &str)] = &[
            ("requestheader-client-ca-file", &ca),
            ("requestheader-username-headers", r#"["X-Remote-User"]"#),
            ("requestheader-group-headers", r#"["X-Remote-Group"]"#),
            ("requestheader-allowed-names", r#"["front-proxy-client"]"#),
            ("client-ca-file", &ca),
        ];
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            pairs.iter().map(owned).collect()
        };
        assert_eq!(judge(None).verdict, Verdict::Failure);
        assert_eq!(judge(Some(&map(&[]))).verdict, Verdict::Failure);
        assert_eq!(judge(Some(&map(&whole[..1]))).verdict, Verdict::Failure);
        assert_eq!(judge(Some(&map(&whole[..4]))).verdict, Verdict::Warning);
        let good = judge(Some(&map(whole)));
        assert_eq!(good.verdict, Verdict::Ok);
        assert!(good.message.contains("front-proxy-client"));
    }
}
