//! Users presented by the front proxy.

use serde_json::{Value, json};

use crate::client::Protocol;
use crate::lab::Request;
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::raw;
use crate::suite::verdict::{Verdict, at, ensure, equal, strings, text};
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
                1,
                "front-proxy-user-no-text",
                "an X-Remote-User that is no UTF-8 is a user nobody allowed anything, not a failed authentication",
                |cx| Box::pin(no_text(cx)),
            )
            .by_proxy(),
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

/// The API server is asked about a name with U+FFFD in it; how the answer prints it is another matter.
async fn no_text(cx: &Context<'_>) -> Verdict {
    let proxy = cx.proxy(cx.target.proxy.as_deref()).over(Protocol::Http1);
    let path = cx.path("/nodes");
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Remote-User: bob");
    let head = [head.as_bytes(), b"\xe2\x82\xff\r\n"].concat();
    let answer = raw::http1(&proxy, head).await?;
    let name = "is forbidden: User \\\"bob";
    ensure(
        answer.starts_with("HTTP/1.1 403 ") && answer.contains(name),
        format!("403, and {name}"),
        &answer,
    )
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
