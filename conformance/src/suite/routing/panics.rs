//! A handler that panics.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;

use crate::client::{self, Client, Trust};
use crate::loadline::SERVER_NAME;
use crate::process::{Launch, free_address};
use crate::suite::check::{Check, Group};
use crate::suite::context::{Context, send};
use crate::suite::verdict::{Verdict, equal, skipped};
use crate::suite::world::until;

const WORDS: &str = "This request caused apiserver to panic. Look in the logs for details.\n";

pub(super) fn checks() -> Vec<Check> {
    vec![
        Group::Routing
            .check(
                57,
                "panic",
                "a handler that panics costs its own request a 500 and nobody else anything; no request is known to make one \
                 panic, so it is asked of a server of the same code with a handler that always does",
                |cx| Box::pin(panic(cx)),
            )
            .in_world()
            .each_protocol()
            .within(60),
    ]
}

async fn panic(cx: &Context<'_>) -> Verdict {
    let world = cx.world()?;
    let program = world.panicking.as_ref();
    let program = program.ok_or_else(|| skipped("no request is known to make a handler panic"))?;
    let name = cx.unique("panicking");
    let (address, serving) = (free_address()?, world.lab.issue_serving(&name)?);
    let mut launch = Launch::new(program, world.lab.file(&format!("{name}.log")));
    let files = [&serving.certificate, &serving.key];
    launch.arguments = vec![address.to_string()];
    launch
        .arguments
        .extend(files.map(|file| file.display().to_string()));
    let mut process = launch.start()?;
    let client = Client::new(&client::Target {
        address,
        name: SERVER_NAME,
        trust: Trust::Ca(world.lab.pki.serving.der().clone()),
        certificate: None,
        protocol: cx.protocol,
    })?;
    let client = client.with_deadline(Duration::from_secs(20));
    let asking = &client;
    until(20, || async move {
        send(asking, Method::GET, "/fine")
            .await?
            .is(200)
            .map(|_| ())
    })
    .await?;
    let paths = ["/fine", "/panic"].into_iter().cycle().take(60);
    let replies = join_all(paths.map(|path| send(&client, Method::GET, path))).await;
    for reply in replies {
        let reply = reply?;
        if reply.asked.ends_with("/fine") {
            reply.is(200)?.body_is("fine")?;
            continue;
        }
        reply
            .is(500)?
            .has("content-type", "text/plain; charset=utf-8")?;
        reply.has("cache-control", "no-cache, private")?;
        equal("audit-id", reply.header("audit-id").len(), 36)?;
        reply.body_is(WORDS)?;
    }
    send(&client, Method::GET, "/fine").await?.is(200)?;
    process.expect_running()?;
    Ok(())
}
