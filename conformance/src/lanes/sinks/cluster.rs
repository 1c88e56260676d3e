//! OpenSearch as a cluster whose nodes come and go, over TLS, with users.

use anyhow::{Context, Result, ensure};

use super::elasticsearch::{MARK, PIPELINE, points};
use super::outage::stamps;
use super::told::{DENIED, UNTRUSTED, kept_out, metric, more_columns, nothing_lost};
use super::{Check, Ground};
use crate::databases::{Elastic, Guard, LOGIN, TOKEN, WRONG};

pub(super) const CHECKS: &[Check] = &[Check::new(
    "elasticsearch: an OpenSearch of two nodes takes all over HTTPS, by password and by token, while a node is killed, and \
     nothing from others",
    |ground| Box::pin(nodes(ground)),
)];

async fn nodes(ground: &Ground) -> Result<()> {
    let folder = ground.scratch.folder();
    let guard = Guard::new(folder)?;
    let [mut one, mut two] = Elastic::cluster(&ground.programs, folder, &guard)?;
    tokio::try_join!(one.database.start(), two.database.start())?;
    one.whole(2).await?;
    two.whole(2).await?;
    one.pipeline(PIPELINE, MARK).await?;
    let to = |node: &Elastic| format!("https://{}", node.address);
    let (ca, stranger) = (guard.ca.display(), guard.stranger.display());
    // The one that will be killed is asked first.
    let sink = format!(
        "elasticsearch:{two}?nodes={two}&nodes={one}&queue=100&metrics=memory/*&esUserName={user}",
        one = to(&one),
        two = to(&two),
        user = LOGIN.0
    );
    let sinks = [
        format!("{sink}&esUserSecret=$RIGHT&cacert={ca}&pipeline={PIPELINE}"),
        format!(
            "elasticsearch:{}?index=token&token=$TOKEN&cacert={ca}&metrics=memory/*",
            to(&one)
        ),
        format!("{sink}&esUserSecret=$WRONG&cacert={ca}"),
        format!("{sink}&esUserSecret=$RIGHT&cacert={stranger}"),
        format!("{sink}&esUserSecret=$RIGHT"),
        // What it has no word for.
        format!(
            "elasticsearch:{}?apiKey=$TOKEN&cacert={ca}&metrics=memory/*",
            to(&one)
        ),
    ];
    let variables = [("RIGHT", LOGIN.1), ("WRONG", WRONG), ("TOKEN", TOKEN)];
    let door = one.door.clone();
    let arrived = async || {
        let points = points(&door, true, "memory/usage", &[("type", "cluster")]).await?;
        Ok(stamps(&points))
    };
    ground
        .beside(&sinks, &[], &variables, async |stage| {
            nothing_lost(stage, &arrived).await?;
            // Each document has its copy on the other node.
            one.whole(2).await?;
            two.database.kill().await?;
            more_columns(stage, 3).await?;
            nothing_lost(stage, &arrived)
                .await
                .context("a node is gone")?;
            two.database.start().await?;
            one.whole(2).await?;
            more_columns(stage, 1).await?;
            nothing_lost(stage, &arrived).await.context("it is back")?;
            for sink in ["elasticsearch", "elasticsearch-2"] {
                ensure!(metric(stage, "up", sink).await? == 1.0, "{sink} is not up");
                for lost in ["dropped_total", "refused_points_total"] {
                    let lost_points = metric(stage, lost, sink).await?;
                    ensure!(lost_points == 0.0, "{lost} of {sink} is {lost_points}");
                }
            }
            let outside = [
                ("elasticsearch-3", DENIED),
                ("elasticsearch-4", UNTRUSTED),
                ("elasticsearch-5", UNTRUSTED),
                ("elasticsearch-6", DENIED),
            ];
            kept_out(stage, &outside).await?;
            // Nothing of theirs, which no pipeline would have marked.
            let others = points(&door, false, "memory/usage", &[("type", "cluster")]).await?;
            ensure!(others.is_empty(), "{others:?} came from others");
            let sent = metric(stage, "sent_points_total", "elasticsearch-2").await?;
            ensure!(sent > 0.0, "nothing was sent by token");
            let log = stage.loadline.process.log();
            for secret in [WRONG, LOGIN.1, TOKEN] {
                ensure!(!log.contains(secret), "the log holds a secret");
            }
            Ok(())
        })
        .await
}
