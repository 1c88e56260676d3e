//! What a node was set up with, as far as its labels tell.

use crate::domain::Labels;

/// What a node was set up with. It decides where the same remedy is to be applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Platform {
    /// Amazon's nodes.
    Eks,
    /// Amazon's nodes of one pod each.
    Fargate,
    /// K3s.
    K3s,
    /// kOps.
    Kops,
    /// Minikube.
    Minikube,
    /// RKE2, and RKE before it.
    Rke,
    /// Talos Linux.
    Talos,
    /// kubeadm and kind, which label nodes with nothing of their own, and whatever else there is.
    #[default]
    Kubeadm,
}

/// Labels, by the beginning of `key=value`, that only nodes of one platform have. The first that
/// matches decides.
const LABELS: [(&str, Platform); 13] = [
    ("eks.amazonaws.com/compute-type=fargate", Platform::Fargate),
    ("eks.amazonaws.com/", Platform::Eks),
    ("alpha.eksctl.io/", Platform::Eks),
    ("kops.k8s.io/", Platform::Kops),
    ("minikube.k8s.io/", Platform::Minikube),
    ("node.kubernetes.io/instance-type=k3s", Platform::K3s),
    ("node.kubernetes.io/instance-type=rke2", Platform::Rke),
    ("k3s.io/", Platform::K3s),
    ("egress.k3s.io/", Platform::K3s),
    ("rke.cattle.io/", Platform::Rke),
    ("extensions.talos.dev/", Platform::Talos),
    ("talos.dev/", Platform::Talos),
    ("node.cattle.io/", Platform::Rke),
];

impl Platform {
    /// The platform of a node with these labels.
    #[must_use]
    pub fn of(labels: &Labels) -> Self {
        let found = LABELS.iter().find(|(begin, _)| {
            labels
                .iter()
                .any(|(key, value)| format!("{key}={value}").starts_with(begin))
        });
        found.map_or(Self::Kubeadm, |(_, platform)| *platform)
    }

    /// Its name, as its makers write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eks => "EKS",
            Self::Fargate => "EKS on Fargate",
            Self::K3s => "K3s",
            Self::Kops => "kOps",
            Self::Minikube => "Minikube",
            Self::Rke => "RKE",
            Self::Talos => "Talos",
            Self::Kubeadm => "kubeadm, kind",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_known_by_its_labels() {
        for (key, value, platform) in [
            (
                "eks.amazonaws.com/compute-type",
                "fargate",
                Platform::Fargate,
            ),
            ("eks.amazonaws.com/nodegroup", "a", Platform::Eks),
            ("kops.k8s.io/instancegroup", "nodes", Platform::Kops),
            ("node.kubernetes.io/instance-type", "k3s", Platform::K3s),
            ("node.kubernetes.io/instance-type", "rke2", Platform::Rke),
            ("minikube.k8s.io/name", "minikube", Platform::Minikube),
            ("kubernetes.io/os", "linux", Platform::Kubeadm),
        ] {
            let labels: Labels = [(key, value)].into_iter().collect();
            assert_eq!(Platform::of(&labels), platform, "{key}={value}");
        }
    }
}
