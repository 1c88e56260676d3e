//! Nobody, and what those get who are not let in.

use http::Method;

use crate::client::Protocol;
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::protobuf;
use crate::suite::raw;
use crate::suite::verdict::{Verdict, at, ensure, equal, strings, text};

const UNAUTHORIZED: &str = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\
    \"message\":\"Unauthorized\",\"reason\":\"Unauthorized\",\"code\":401}\n";
const ANONYMOUS: &str = "system:anonymous";

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Authentication;
    vec![
        group
            .check(
                14,
                "anonymous",
                "without credentials the user is system:anonymous of system:unauthenticated, and gets 403",
                |cx| Box::pin(anonymous(cx)),
            )
            .each_protocol(),
        group
            .check(
                20,
                "unauthorized-body",
                "a 401 is the bare Status, byte for byte, and the same Status in protobuf",
                |cx| Box::pin(unauthorized_body(cx)),
            )
            .everywhere(),
        group
            .check(
                21,
                "headers-without-certificate",
                "X-Remote-User without a client certificate is ignored",
                |cx| Box::pin(headers_without_certificate(cx)),
            )
            .each_protocol(),
        group
            .check(
                25,
                "credentials-stay-secret",
                "tokens and X-Remote-* values never appear in the server's log",
                |cx| Box::pin(stay_secret(cx)),
            )
            .in_world(),
        group
            .check(
                26,
                "impersonation",
                "Impersonate-User by somebody who may not impersonate gets 403 and is never ignored",
                |cx| Box::pin(impersonation(cx)),
            )
            .by_proxy()
            .each_protocol(),
        group.check(
            27,
            "anonymous-goaway",
            "an anonymous request over HTTP/2 is answered, then the connection is ended with GOAWAY",
            |cx| Box::pin(goaway(cx)),
        ),
    ]
}

async fn anonymous(cx: &Context<'_>) -> Verdict {
    let path = cx.path(&format!("/nodes/{}", cx.unique("n")));
    let reply = cx.anonymous().get(&path).await?;
    let status = reply.status(403, "Forbidden")?;
    ensure(
        text(&status, "/message").contains("User \"system:anonymous\" cannot get"),
        "User \"system:anonymous\" cannot get",
        reply.seen(),
    )?;
    if let Some(world) = cx.world {
        let name = path.rsplit('/').next().unwrap_or_default();
        let mut reviews = world.reviews(ANONYMOUS);
        reviews.retain(|r| text(r, "/resourceAttributes/name") == name);
        let review = reviews.pop().unwrap_or_default();
        equal(
            "groups",
            strings(&review, "/groups"),
            vec!["system:unauthenticated".to_owned()],
        )?;
    }
    Ok(())
}

async fn unauthorized_body(cx: &Context<'_>) -> Verdict {
    let path = cx.path("/nodes");
    let ask = || cx.token("nobodys-token");
    let reply = ask().get(&path).await?;
    reply.is(401)?.has("content-type", "application/json")?;
    reply.lacks("www-authenticate")?;
    reply.body_is(UNAUTHORIZED)?;
    let accept = "application/vnd.kubernetes.protobuf, */*";
    let reply = ask().accept(accept).get(&path).await?;
    reply
        .is(401)?
        .has("content-type", "application/vnd.kubernetes.protobuf")?;
    let status = protobuf::decode(&reply.answer.body)?;
    equal("reason", text(&status, "/reason"), "Unauthorized")?;
    equal("code", at(&status, "/code").as_i64(), Some(401))
}

async fn headers_without_certificate(cx: &Context<'_>) -> Verdict {
    let ask = cx.anonymous().header("X-Remote-User", "bob");
    let ask = ask.header("X-Remote-Group", "system:masters");
    let reply = ask.get(&cx.path("/nodes")).await?;
    let status = reply.status(403, "Forbidden")?;
    ensure(
        text(&status, "/message").contains("User \"system:anonymous\""),
        "system:anonymous is refused",
        reply.seen(),
    )
}

async fn stay_secret(cx: &Context<'_>) -> Verdict {
    let world = cx.world()?;
    let token = cx.unique("secret-token-aw5kb3v");
    let value = cx.unique("secret-extra-pbnrlcm");
    cx.token(&token).get(&cx.path("/nodes")).await?.is(401)?;
    cx.user("bob", &[])
        .header("X-Remote-Extra-Secret", &value)
        .get(&cx.path("/nodes"))
        .await?;
    // Refused paths with a token are the likeliest to be logged.
    cx.token(&token).get("/nope").await?;
    let log = world.server.process.log();
    for secret in [&token, &value] {
        ensure(
            !log.contains(secret.as_str()),
            "no secret in the log",
            format!("{secret} is in the log"),
        )?;
    }
    Ok(())
}

async fn impersonation(cx: &Context<'_>) -> Verdict {
    let bob = cx.unique("bob");
    // Viewers may read in a lab; elsewhere the answer to an ignored header would be 403 too, but another one.
    let ask = || cx.user(&bob, &["viewers"]);
    let path = cx.path("/nodes");
    let reply = ask().header("Impersonate-User", "x").get(&path).await?;
    reply.status(403, "Forbidden")?;
    reply.body_has("impersonate")?;
    let reply = ask().header("Impersonate-Group", "x").get(&path).await?;
    ensure(
        [400, 403].contains(&reply.code()),
        "400 or 403 for a group without a user",
        reply.seen(),
    )
}

async fn goaway(cx: &Context<'_>) -> Verdict {
    let client = cx.anonymous().over(Protocol::Http2);
    let frames = raw::http2(&client, Method::GET, &cx.path("/nodes")).await?;
    ensure(
        frames.ended && frames.goaway,
        "HEADERS, the end of the stream, then GOAWAY",
        format!("{frames:?}"),
    )
}
