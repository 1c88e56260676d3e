//! Who asks where nobody said so: `check`, `why` and `take-over` are asked by people, who have a kubeconfig.

use std::path::PathBuf;

use crate::cluster;

/// Where a person's kubeconfig is, below the home directory.
const USUAL: &str = ".kube/config";

/// Who is asked as, when no flag says it: in a pod its service account, anywhere else whom kubectl would take. Of several
/// files in `KUBECONFIG` the first one that is there counts; they are not merged.
pub(super) fn as_kubectl(
    said: cluster::Config,
    environment: impl Fn(&str) -> Option<String>,
) -> cluster::Config {
    let in_pod = environment("KUBERNETES_SERVICE_HOST").is_some();
    if in_pod || said != cluster::Config::default() {
        return said;
    }
    let named = environment("KUBECONFIG").filter(|paths| !paths.is_empty());
    let paths = match named {
        Some(paths) => std::env::split_paths(&paths).collect(),
        None => environment("HOME")
            .map(|home| PathBuf::from(home).join(USUAL))
            .into_iter()
            .collect::<Vec<_>>(),
    };
    let found = paths.into_iter().find(|path| path.is_file());
    found.map_or(said, cluster::Config::kubeconfig)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cluster::Identity;

    fn asked(said: cluster::Config, variables: &[(&str, &str)]) -> Identity {
        let environment = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        as_kubectl(said, environment).identity
    }

    #[test]
    fn a_person_is_asked_for_as_kubectl_would() {
        let home = std::env::temp_dir().join(format!("loadline-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(home.join(".kube")).unwrap();
        let (usual, other) = (home.join(USUAL), home.join("other"));
        for file in [&usual, &other] {
            std::fs::write(file, "").unwrap();
        }
        let text = |path: &Path| path.display().to_string();
        let folder = home.clone();
        let (home, both) = (
            text(&home),
            format!("{}/none:{}", text(&home), text(&other)),
        );
        let of = |path: &Path| Identity::Kubeconfig(path.into());
        let nothing = cluster::Config::default;
        let given = cluster::Config::kubeconfig("/given".into());
        let service = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");
        for (said, variables, expected) in [
            (nothing(), &[("HOME", &*home)][..], of(&usual)),
            (
                nothing(),
                &[("HOME", &*home), ("KUBECONFIG", "")],
                of(&usual),
            ),
            (
                nothing(),
                &[("HOME", &*home), ("KUBECONFIG", &*both)],
                of(&other),
            ),
            (nothing(), &[("HOME", "/nowhere")], Identity::ServiceAccount),
            (
                nothing(),
                &[("HOME", &*home), service],
                Identity::ServiceAccount,
            ),
            (given, &[("HOME", &*home)], of(Path::new("/given"))),
        ] {
            assert_eq!(asked(said, variables), expected, "{variables:?}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
