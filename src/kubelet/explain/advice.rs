//! The table of faults: what each means and what to do about it, in general and where a platform
//! has a way of its own.

use super::Platform::{self, Eks, Fargate, K3s, Kops, Kubeadm, Minikube, Rke, Talos};

/// A fault that has a remedy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NoAddress,
    BadAddress,
    BadPath,
    ConnectionRefused,
    Unreachable,
    NameUnknown,
    Ourselves,
    SelfSigned,
    UnknownIssuer,
    WrongName,
    Expired,
    NotYetValid,
    KeyChanged,
    PinsUnknown,
    ClientRefused,
    OtherTls,
    SlowToConnect,
    SlowToAnswer,
    Unauthorized,
    Forbidden,
    ProxyForbidden,
    Proxy,
    NotFound,
    OtherStatus,
    TooLarge,
    Garbled,
    Broken,
    Empty,
}

/// What is said of a [`Fault`].
pub(super) struct Advice {
    pub(super) fault: Fault,
    /// What the metric, the log and `kubectl get nodecoverages` call it.
    pub(super) cause: &'static str,
    /// What it is, for the reference.
    pub(super) title: &'static str,
    /// What to do.
    pub(super) remedy: &'static str,
    /// What to do instead on these.
    pub(super) on: &'static [(Platform, &'static str)],
}

const fn advice(
    fault: Fault,
    cause: &'static str,
    title: &'static str,
    remedy: &'static str,
) -> Advice {
    Advice {
        fault,
        cause,
        title,
        remedy,
        on: &[],
    }
}

const FIREWALL: &[(Platform, &str)] = &[
    (
        Eks,
        "let the security group of the nodes take TCP 10250 from the security group of the node (or pod) Loadline runs on",
    ),
    (
        Fargate,
        "let the cluster's security group take TCP 10250 from where Loadline runs; Loadline itself, when it runs on \
         Fargate, needs another port than the kubelet there: --secure-port=10251",
    ),
];

const WEBHOOK: &[(Platform, &str)] = &[
    (
        Kops,
        "kops edit cluster: spec.kubelet.authenticationTokenWebhook: true and authorizationMode: Webhook, then kops \
         update cluster and kops rolling-update cluster",
    ),
    (
        Rke,
        "RKE: services.kubelet.extra_args authentication-token-webhook: \"true\" and authorization-mode: Webhook in \
         cluster.yml; RKE2: the same as kubelet-arg in /etc/rancher/rke2/config.yaml",
    ),
    (
        K3s,
        "remove a kubelet-arg authentication-token-webhook=false from /etc/rancher/k3s/config.yaml",
    ),
    (
        Minikube,
        "minikube start --extra-config=kubelet.authentication-token-webhook=true \
         --extra-config=kubelet.authorization-mode=Webhook",
    ),
];

pub(super) const TABLE: [Advice; 28] = [
    advice(
        Fault::NoAddress,
        "address",
        "The Node object has no address of a preferred type",
        "name a type the node has (kubectl get node -o wide) in --kubelet-preferred-address-types",
    ),
    advice(
        Fault::BadAddress,
        "address",
        "The Node's address is neither an IP address nor a host name",
        "correct it where the node registers itself (the kubelet's --hostname-override or --node-ip, the cloud provider), \
         or prefer another type with --kubelet-preferred-address-types",
    ),
    advice(
        Fault::BadPath,
        "address",
        "The Node's annotation for the path is too long",
        "correct or remove the annotation metrics.k8s.io/resource-metrics-path of the node",
    ),
    Advice {
        fault: Fault::ConnectionRefused,
        cause: "connect",
        title: "The node is there, and nothing listens on the kubelet's port, or a firewall says no",
        remedy: "is the kubelet running there, on this port? --kubelet-port and --kubelet-use-node-status-port choose the \
                 port, --kubelet-preferred-address-types the address",
        on: FIREWALL,
    },
    Advice {
        fault: Fault::Unreachable,
        cause: "connect",
        title: "No way to the node",
        remedy: "let pods (or the node Loadline runs on) reach the kubelet's port: routes, firewalls, NetworkPolicies \
                 for egress; hostNetwork helps where the pod network does not reach nodes; \
                 --kubelet-preferred-address-types chooses another address",
        on: FIREWALL,
    },
    advice(
        Fault::NameUnknown,
        "connect",
        "The node's host name cannot be resolved",
        "put InternalIP first in --kubelet-preferred-address-types: node names are often not in the cluster's DNS; a node \
         without an IP address (kubectl get node -o wide) needs one (the kubelet's --node-ip), or its name in the DNS \
         that is asked here",
    ),
    advice(
        Fault::Ourselves,
        "tls",
        "The node's address and port lead to Loadline's own secure port",
        "give Loadline another --secure-port than the kubelet's, or look at the node's addresses (kubectl get node -o wide) \
         and at --kubelet-preferred-address-types",
    ),
    Advice {
        fault: Fault::SelfSigned,
        cause: "tls",
        title: "The kubelet made its serving certificate itself, so nobody vouches for it",
        remedy: "let the cluster's CA sign it: serverTLSBootstrap: true in the kubelet's configuration, restart the \
                 kubelet, then approve its request (kubectl get csr; kubectl certificate approve NAME)",
        on: &[
            (
                Kubeadm,
                "let the cluster's CA sign it: serverTLSBootstrap: true in the ConfigMap kube-system/kubelet-config and \
                 in /var/lib/kubelet/config.yaml of each node (kind: in a kubeadmConfigPatch of kind \
                 KubeletConfiguration), systemctl restart kubelet, then approve each request: kubectl get csr; kubectl \
                 certificate approve NAME",
            ),
            (
                Talos,
                "machine.kubelet.extraArgs.rotate-server-certificates: true in the machine configuration, and something \
                 that approves the requests, such as kubelet-serving-cert-approver",
            ),
            (
                Kops,
                "kOps signs these certificates itself where kops-controller bootstraps nodes: replace nodes older than \
                 that with kops rolling-update cluster",
            ),
            (
                Rke,
                "RKE: services.kubelet.generate_serving_certificate: true in cluster.yml, then rke up; RKE2 signs them \
                 itself: restart rke2-agent on the node",
            ),
            (
                K3s,
                "K3s signs these certificates itself: restart k3s-agent on the node, and see that no kubelet-arg sets \
                 other ones",
            ),
            (
                Eks,
                "EKS signs them when asked: use an AMI whose kubelet has serverTLSBootstrap: true, and look for pending \
                 requests with kubectl get csr",
            ),
            (
                Minikube,
                "minikube start --extra-config=kubelet.rotate-server-certificates=true, then kubectl get csr and kubectl \
                 certificate approve NAME",
            ),
        ],
    },
    Advice {
        fault: Fault::UnknownIssuer,
        cause: "tls",
        title: "The kubelet's serving certificate is signed by a CA Loadline does not know",
        remedy: "give the file of the CA that signed it with --kubelet-certificate-authority, or let the cluster's CA sign \
                 it (serverTLSBootstrap: true, then approve its request)",
        on: &[
            (
                Rke,
                "give the CA that signed it with --kubelet-certificate-authority; RKE signs with kube-ca.pem \
                 (/etc/kubernetes/ssl), RKE2 with /var/lib/rancher/rke2/server/tls/server-ca.crt",
            ),
            (
                K3s,
                "give the CA that signed it with --kubelet-certificate-authority; K3s signs with \
                 /var/lib/rancher/k3s/server/tls/server-ca.crt: after its rotation restart k3s-agent on the node",
            ),
        ],
    },
    Advice {
        fault: Fault::WrongName,
        cause: "tls",
        title: "The kubelet's serving certificate is for other names",
        remedy: "issue it anew with the node's name in it: remove kubelet-server-current.pem from the kubelet's \
                 certificate folder, restart the kubelet, approve its request; Loadline takes the node's name also when \
                 it dials an IP address",
        on: &[(
            Fargate,
            "Fargate's kubelets show a certificate for 127.0.0.1; leave these nodes out with --node-selector='eks.amazonaws.com/compute-type!=fargate', \
             or run a second Loadline for them with --kubelet-insecure-tls",
        )],
    },
    Advice {
        fault: Fault::Expired,
        cause: "tls",
        title: "The kubelet's serving certificate has expired",
        remedy: "renew it: rotateCertificates and serverTLSBootstrap in the kubelet's configuration do so by themselves \
                 once requests are approved (kubectl get csr); if it has not expired yet, the clock here is ahead",
        on: &[
            (
                K3s,
                "restart k3s-agent: it renews certificates that end within 90 days",
            ),
            (
                Rke,
                "RKE: rke cert rotate; RKE2: restart rke2-agent, which renews certificates that end soon",
            ),
        ],
    },
    advice(
        Fault::NotYetValid,
        "tls",
        "The kubelet's serving certificate is not valid yet",
        "set the clocks right (NTP), here and where it was signed",
    ),
    advice(
        Fault::KeyChanged,
        "tls",
        "The kubelet shows another key than the one that was pinned (--kubelet-certificate-verification=pin)",
        "was the kubelet's certificate replaced on purpose (a new /var/lib/kubelet/pki)? then take the node's line out of the \
         ConfigMap, and it is pinned anew within half a minute: kubectl -n kube-system edit configmap \
         loadline-kubelet-pins; if not, find out who answers at the node's address",
    ),
    advice(
        Fault::PinsUnknown,
        "tls",
        "The ConfigMap with the kubelets' pins cannot be read",
        "kubectl apply -k deploy/overlays/pin makes the ConfigMap and grants get and patch on it; a line that is no pin is to \
         be taken out of it",
    ),
    advice(
        Fault::ClientRefused,
        "tls",
        "The kubelet ended the TLS handshake",
        "does the kubelet's clientCAFile know who signed --kubelet-client-certificate (or the kubeconfig's certificate)? do \
         its tlsMinVersion and tlsCipherSuites leave TLS 1.2 or 1.3 with a common cipher?",
    ),
    advice(
        Fault::OtherTls,
        "tls",
        "No TLS session",
        "is it a kubelet that listens there? openssl s_client -connect ADDRESS:PORT shows what it says",
    ),
    Advice {
        fault: Fault::SlowToConnect,
        cause: "timeout",
        title: "Connecting takes too long: packets are dropped on the way",
        remedy: "let pods (or the node Loadline runs on) reach the kubelet's port: a firewall or NetworkPolicy that drops \
                 packets looks like this, and so does a node that is down",
        on: FIREWALL,
    },
    advice(
        Fault::SlowToAnswer,
        "timeout",
        "The kubelet takes too long to answer",
        "look at the node's load and at the kubelet's and the container runtime's logs; --kubelet-request-timeout bounds an \
         attempt",
    ),
    Advice {
        fault: Fault::Unauthorized,
        cause: "401",
        title: "The kubelet does not know who we are",
        remedy: "let the kubelet ask the API server: authentication.webhook.enabled: true and authorization.mode: Webhook \
                 in its configuration",
        on: WEBHOOK,
    },
    advice(
        Fault::Forbidden,
        "403",
        "The kubelet knows who we are, and we may not",
        "grant get on nodes/metrics to Loadline's ServiceAccount: kubectl apply -k apiservice; \
         kubectl auth can-i get nodes/metrics --as=system:serviceaccount:kube-system:loadline tells whether it is granted",
    ),
    advice(
        Fault::ProxyForbidden,
        "403",
        "The API server does not let us ask the kubelet through it (--kubelet-via-apiserver)",
        "grant get on nodes/proxy to Loadline's ServiceAccount: kubectl apply -k deploy/overlays/via-apiserver; whoever has it \
         can do much more than read numbers, so leave the flag out where kubelets can be reached directly",
    ),
    advice(
        Fault::Proxy,
        "proxy",
        "The API server cannot get the kubelet's answer either (--kubelet-via-apiserver)",
        "the message has the API server's own words: it dials the node by its own --kubelet-preferred-address-types, verifies \
         by its own --kubelet-certificate-authority, and may need Konnectivity; kubectl get --raw \
         /api/v1/nodes/NODE/proxy/metrics/resource asks the same",
    ),
    advice(
        Fault::NotFound,
        "404",
        "Nothing at the path",
        "is it a kubelet of Kubernetes 1.19 or newer? the annotation metrics.k8s.io/resource-metrics-path of the node names \
         another path",
    ),
    advice(
        Fault::OtherStatus,
        "4xx, 5xx, 3xx, status",
        "The kubelet answers with an error",
        "look at the kubelet's log on the node (journalctl -u kubelet) at this time; redirects are not followed on purpose",
    ),
    advice(
        Fault::TooLarge,
        "too_large",
        "The answer is too large",
        "look at what the kubelet writes at /metrics/resource: it should have a few lines a container",
    ),
    advice(
        Fault::Garbled,
        "malformed",
        "The answer cannot be read",
        "is it a kubelet that listens there, and no proxy in between?",
    ),
    advice(
        Fault::Broken,
        "broken",
        "The connection broke",
        "did the kubelet restart? if it goes on, look at its log (journalctl -u kubelet) and at proxies in between",
    ),
    advice(
        Fault::Empty,
        "empty",
        "The answer holds no number",
        "look at the kubelet's and the container runtime's logs: cAdvisor or the CRI gives it no statistics",
    ),
];
