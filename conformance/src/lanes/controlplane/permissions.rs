//! What Loadline's account may do, as the API server sees it and as docs/permissions.md says.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use crate::report::Lane;

use super::{CALL, Scene};

const DOCUMENT: &str = include_str!("../../../../docs/permissions.md");
const ACCOUNT: &str = "system:serviceaccount:kube-system:loadline";

pub(super) async fn checks(lane: &Lane, scene: &Scene) {
    for namespace in ["kube-system", "default"] {
        let name = format!("in {namespace} loadline may do what docs/permissions.md says");
        let documented = as_documented(scene, ACCOUNT, namespace, namespace);
        lane.check(&name, CALL, documented).await;
    }
}

/// Makes sure that an account may do in a namespace what the block of this name says, no more and no less.
pub(super) async fn as_documented(
    scene: &Scene,
    account: &str,
    namespace: &str,
    block: &str,
) -> Result<()> {
    let call = format!("auth can-i --list -n {namespace} --as={account}");
    let answer = scene.admin.run(&call).await?;
    let (may, documented) = (rules(&answer), rules(documented(block)?));
    let new: Vec<_> = may.difference(&documented).collect();
    let gone: Vec<_> = documented.difference(&may).collect();
    ensure!(
        new.is_empty() && gone.is_empty(),
        "not in the document: {new:#?}\nonly in the document: {gone:#?}\n{answer}"
    );
    Ok(())
}

fn documented(block: &str) -> Result<&'static str> {
    let begin = format!("```text {block}\n");
    let (_, rest) = DOCUMENT.split_once(&begin).context("no such block")?;
    let (block, _) = rest.split_once("```").context("the block has no end")?;
    Ok(block)
}

/// The lines, however wide their columns are.
fn rules(text: &str) -> BTreeSet<String> {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect()
}
