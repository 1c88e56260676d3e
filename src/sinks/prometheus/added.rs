//! The labels series bear besides Heapster's: `cluster_name`, `labels`, `objectLabels`.

use super::super::column::LABELS;
use super::super::options::Options;
use super::naming::valid;
use super::series::of_object;

/// Labels of every series, and the objects' labels that go along.
pub(super) type Added = (Vec<(String, String)>, Vec<String>);

const OPTION: &str = "labels";

/// Reads both. No name stands for two of them, nor for a label that tells series apart.
pub(super) fn read(options: &mut Options<'_>) -> Added {
    let cluster = options.text("cluster_name");
    let cluster = cluster.map(|name| ("cluster_name".to_owned(), name.to_owned()));
    let of_objects = options.list("objectLabels");
    let mut names: Vec<String> = Vec::new();
    for (at, name) in of_objects.iter().map(|name| of_object(name)).enumerate() {
        if names.contains(&name) {
            let what = format!("name {} of the list makes the label of another", at + 1);
            options.refuse(Some("objectLabels"), what);
        }
        names.push(name);
    }
    let mut labels: Vec<(String, String)> = cluster.into_iter().collect();
    for (at, pair) in options.list(OPTION).iter().enumerate() {
        let pair = pair.split_once(':');
        let Some((name, value)) = pair.filter(|(name, value)| is_label(name) && !value.is_empty())
        else {
            options.refuse(Some(OPTION), "is no list of name:value");
            continue;
        };
        let own = LABELS.iter().find(|own| **own == name);
        let same = |(other, _): &(String, String)| other == name;
        if let Some(own) = own {
            options.refuse(Some(OPTION), format!("{own} is set by the sink itself"));
        } else if name == "cluster_name" && labels.iter().any(same) {
            options.refuse(Some(OPTION), "cluster_name is given twice");
        } else if labels.iter().any(same) || names.iter().any(|other| other == name) {
            let what = format!("name {} of the list is given twice", at + 1);
            options.refuse(Some(OPTION), what);
        }
        labels.push((name.to_owned(), value.to_owned()));
    }
    (labels, of_objects)
}

/// Whether a label may bear this name; those that begin with two underscores are Prometheus' own.
fn is_label(name: &str) -> bool {
    valid(name) == name && !name.is_empty() && !name.starts_with("__")
}
