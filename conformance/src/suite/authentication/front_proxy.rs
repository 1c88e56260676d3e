//! Users presented by the front proxy.

use serde_json::{Value, json};

use crate::lab::Request;
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::verdict::{Verdict, at, equal, strings, text};
use crate::suite::world::until;

pub(super) fn checks() -> Vec<Check> {
    [headers(), names()].concat()
}

fn headers() -> Vec<Check> {
    let group = Group::Authentication;
    vec![
        group
            .check(
                1,
                "front-proxy-user",
                "the user and groups of X-Remote-User and X-Remote-Group, and system:authenticated, are authorized",
                |cx| Box::pin(user(cx)),
            )
            .in_world()
            .everywhere(),
        group
            .check(
                2,
                "front-proxy-groups",
                "several X-Remote-Group headers keep their order and none is doubled",
                |cx| Box::pin(groups(cx)),
            )
            .in_world()
            .each_protocol(),
        group
            .check(
                3,
                "front-proxy-extra",
                "X-Remote-Extra-* names are lower-cased and unescaped, and keep all their values",
                |cx| Box::pin(extra(cx)),
            )
            .in_world()
            .each_protocol(),
        group
            .check(
                4,
                "front-proxy-extra-bad-escape",
                "an extra name with a bad escape is kept as it is, lower-cased",
                |cx| Box::pin(extra_bad_escape(cx)),
            )
            .in_world(),
        group
            .check(
                5,
                "front-proxy-uid",
                "X-Remote-Uid is the uid while it is a configured header, and nothing while it is not",
                |cx| Box::pin(uid(cx)),
            )
            .alone()
            .within(150),
    ]
}

fn names() -> Vec<Check> {
    let group = Group::Authentication;
    vec![
        group
            .check(
                6,
                "front-proxy-other-name",
                "a certificate of the front proxy's CA with a name that is not allowed is refused with 401",
                |cx| Box::pin(other_name(cx)),
            )
            .in_world()
            .each_protocol(),
        group
            .check(
                7,
                "front-proxy-any-name",
                "with an empty list of allowed names every certificate of the front proxy's CA is accepted",
                |cx| Box::pin(any_name(cx)),
            )
            .alone()
            .within(150),
    ]
}

async fn user(cx: &Context<'_>) -> Verdict {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.allow(&bob);
    cx.user(&bob, &["dev"])
        .get(&cx.path("/nodes"))
        .await?
        .is(200)?;
    let review = world.review(&bob)?;
    equal(
        "groups",
        strings(&review, "/groups"),
        owned(&["dev", "system:authenticated"]),
    )?;
    equal("uid", text(&review, "/uid"), "")
}

async fn groups(cx: &Context<'_>) -> Verdict {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.allow(&bob);
    let groups = ["zeta", "system:authenticated", "alpha"];
    cx.user(&bob, &groups)
        .get(&cx.path("/nodes"))
        .await?
        .is(200)?;
    let review = world.review(&bob)?;
    equal("groups", strings(&review, "/groups"), owned(&groups))
}

async fn extra(cx: &Context<'_>) -> Verdict {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.allow(&bob);
    cx.user(&bob, &[])
        .header("X-Remote-Extra-Acme.com%2Fproject", "x")
        .header("X-Remote-Extra-Acme.com%2Fproject", "y")
        .get(&cx.path("/nodes"))
        .await?
        .is(200)?;
    let review = world.review(&bob)?;
    equal(
        "extra",
        at(&review, "/extra").clone(),
        json!({ "acme.com/project": ["x", "y"] }),
    )
}

async fn extra_bad_escape(cx: &Context<'_>) -> Verdict {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.allow(&bob);
    cx.user(&bob, &[])
        .header("X-Remote-Extra-Bad%zzName", "x")
        .get(&cx.path("/nodes"))
        .await?
        .is(200)?;
    let review = world.review(&bob)?;
    equal(
        "extra",
        at(&review, "/extra").clone(),
        json!({ "bad%zzname": ["x"] }),
    )
}

async fn uid(cx: &Context<'_>) -> Verdict {
    let world = cx.world()?;
    let seen = async |want: &str| -> Verdict {
        let bob = cx.unique("bob");
        world.allow(&bob);
        let ask = cx.user(&bob, &[]).header("X-Remote-Uid", "u1");
        ask.get(&cx.path("/nodes")).await?.is(200)?;
        equal("uid", text(&world.review(&bob)?, "/uid"), want)
    };
    seen("u1").await?;
    let _changed = world.change(|data| {
        data.insert("requestheader-uid-headers".to_owned(), "[]".to_owned());
    });
    until(70, || async {
        let bob = cx.unique("bob");
        world.allow(&bob);
        let ask = cx.user(&bob, &[]).header("X-Remote-Uid", "u1");
        ask.get(&cx.path("/nodes")).await?.is(200)?;
        equal("uid", text(&world.review(&bob)?, "/uid"), "")
    })
    .await
}

async fn other_name(cx: &Context<'_>) -> Verdict {
    let request = Request::client("another-proxy", &[]);
    let leaf = cx.world()?.lab.pki.front_proxy.issue(&request)?;
    let ask = cx.proxy(Some(&leaf)).header("X-Remote-User", "bob");
    let reply = ask.get(&cx.path("/nodes")).await?;
    reply.refusal(401, "Unauthorized", "Unauthorized")?;
    Ok(())
}

async fn any_name(cx: &Context<'_>) -> Verdict {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.allow(&bob);
    let request = Request::client("another-proxy", &[]);
    let leaf = world.lab.pki.front_proxy.issue(&request)?;
    let _changed = world.change(|data| {
        data.insert("requestheader-allowed-names".to_owned(), "[]".to_owned());
    });
    let (leaf, bob) = (&leaf, &bob);
    until(70, || async move {
        let ask = cx.proxy(Some(leaf)).header("X-Remote-User", bob);
        ask.get(&cx.path("/nodes")).await?.is(200)?;
        Ok(())
    })
    .await?;
    let review = world.reviews(bob).pop().unwrap_or(Value::Null);
    equal("user", text(&review, "/user"), bob)
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
