//! What fuzzing has found stays true: every seed in `fuzz/corpus` against the property it belongs
//! to. The one of the private HTTP client is held beside it.

#[path = "../fuzz/src/lib.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken property is a panic, and the whole crate of the targets is here"
)]
mod properties;

use std::fs;
use std::path::Path;

#[test]
fn every_seed_keeps_its_property() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, property) in properties::PROPERTIES {
        let mut seeds: Vec<_> = fs::read_dir(corpus.join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        seeds.sort();
        assert!(seeds.len() > 5, "{name} has no seeds");
        for seed in seeds {
            println!("{}", seed.display());
            property(&fs::read(seed).unwrap());
        }
    }
}

#[test]
fn every_property_has_a_target_that_asks_for_it() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    for (name, _) in properties::PROPERTIES {
        let target = fs::read_to_string(targets.join(format!("{name}.rs"))).unwrap();
        assert!(
            target.contains(&format!("check(\"{name}\", data)")),
            "{name}"
        );
    }
}
