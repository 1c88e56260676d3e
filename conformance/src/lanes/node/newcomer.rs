//! The installation by its document, word by word, and its end.

use anyhow::{Context, Result, ensure};

use crate::lanes::document::commands;
use crate::real::{Scratch, Table, Tools, until};
use crate::report::Lane;

use super::from_heapster::{copy, typed};
use super::install::IMAGE;
use super::take_over::unbroken;
use super::{NAMESPACE, SOON, Scene};

const DOCUMENT: &str = include_str!("../../../../docs/install.md");
/// The image the document names, where its reader has one of their own.
const THEIRS: (&str, &str) = ("registry.example/loadline", "newTag: \"0.1.0\"");

pub(super) async fn checks(lane: &Lane, scene: &Scene, scratch: &Scratch, tools: &Tools) {
    let name = "who follows docs/install.md installs loadline, finds all well, and takes it away";
    lane.check(name, SOON * 5, async {
        let folder = copy(scratch, "newcomer")?;
        let step = async |block: &str| {
            let text = replaced(commands(DOCUMENT, block)?)?;
            let said = typed(scene, tools, &folder, &text).await;
            said.with_context(|| block.to_owned())
        };
        step("folder").await?;
        step("apply").await?;
        // Nodes come some ten seconds later, as the document says.
        until(SOON, async || {
            let said = step("look").await?;
            ensure!(said.contains("Fresh") && said.contains("burn"), "{said}");
            Ok(())
        })
        .await?;
        let said = step("check").await?;
        ensure!(said.contains(" 0 failures"), "{said}");
        scene.admin.forget_discovery();
        let pods = scene.admin.run(&format!("top pod -n {NAMESPACE}")).await?;
        Table::parse(&pods)?.cell("NAME", "burn", "CPU(cores)")?;
        step("remove").await?;
        unbroken(scene).await?;
        let secrets = scene.admin.run("get secrets -A -o name").await?;
        ensure!(!secrets.contains("loadline"), "{secrets}");
        Ok(())
    })
    .await;
}

/// The block with the reader's own image.
fn replaced(block: &str) -> Result<String> {
    let ours = format!("newTag: {}", IMAGE.1);
    let text = block.replace(THEIRS.0, IMAGE.0).replace(THEIRS.1, &ours);
    ensure!(!text.contains("registry.example"), "{text}");
    Ok(text)
}
