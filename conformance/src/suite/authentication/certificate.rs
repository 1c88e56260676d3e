//! Users with a client certificate of their own.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::lab::{Authority, Request};
use crate::suite::check::{Check, Group};
use crate::suite::context::{Context, send};
use crate::suite::verdict::{Verdict, at, ensure, equal, strings, text};
use crate::suite::world::until;

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Authentication;
    vec![
        group
            .check(
                8,
                "certificate-ignores-headers",
                "a certificate of the client CA is the user itself, whatever X-Remote-User says",
                |cx| Box::pin(ignores_headers(cx)),
            )
            .in_world()
            .each_protocol(),
        group
            .check(
                9,
                "certificate-user",
                "a client certificate is its CN, every O a group, and its fingerprint the credential-id",
                |cx| Box::pin(user(cx)),
            )
            .in_world()
            .each_protocol(),
        group
            .check(
                10,
                "certificate-uid",
                "the subject attribute 1.3.6.1.4.1.57683.2 is the uid, and twice it is an error",
                |cx| Box::pin(uid(cx)),
            )
            .in_world(),
        group
            .check(
                11,
                "certificate-of-a-stranger",
                "a certificate of an unknown CA passes the handshake and gets 401",
                |cx| Box::pin(stranger(cx)),
            )
            .each_protocol(),
        group
            .check(
                12,
                "certificate-of-a-stranger-with-token",
                "a valid token next to a certificate of an unknown CA is accepted",
                |cx| Box::pin(stranger_with_token(cx)),
            )
            .in_world(),
        group
            .check(
                13,
                "certificate-expired",
                "an expired certificate gets 401, and so does one whose CA was replaced after it connected",
                |cx| Box::pin(expired(cx)),
            )
            .alone()
            .within(150),
    ]
}

async fn ignores_headers(cx: &Context<'_>) -> Verdict {
    let (world, carol) = (cx.world()?, cx.unique("carol"));
    world.allow(&carol);
    let leaf = world.lab.issue_user(&carol, &[])?;
    let ask = cx.certificate(Some(&leaf)).header("X-Remote-User", "bob");
    let ask = ask.header("X-Remote-Group", "system:masters");
    ask.get(&cx.path("/nodes")).await?.is(200)?;
    let review = world.review(&carol)?;
    equal(
        "groups",
        strings(&review, "/groups"),
        vec!["system:authenticated".to_owned()],
    )
}

async fn user(cx: &Context<'_>) -> Verdict {
    let (world, carol) = (cx.world()?, cx.unique("carol"));
    world.allow(&carol);
    let leaf = world.lab.issue_user(&carol, &["a", "b"])?;
    let ask = cx.certificate(Some(&leaf));
    ask.get(&cx.path("/nodes")).await?.is(200)?;
    let review = world.review(&carol)?;
    equal(
        "groups",
        strings(&review, "/groups"),
        ["a", "b", "system:authenticated"]
            .map(ToOwned::to_owned)
            .to_vec(),
    )?;
    let id = format!("X509SHA256={}", leaf.fingerprint());
    equal(
        "extra",
        at(&review, "/extra").clone(),
        json!({ "authentication.kubernetes.io/credential-id": [id] }),
    )
}

async fn uid(cx: &Context<'_>) -> Verdict {
    let (world, carol) = (cx.world()?, cx.unique("carol"));
    world.allow(&carol);
    let authority = &world.lab.pki.cluster;
    let leaf = authority.issue(&Request::client(&carol, &[]).uid("u-7"))?;
    let ask = cx.certificate(Some(&leaf));
    ask.get(&cx.path("/nodes")).await?.is(200)?;
    equal("uid", text(&world.review(&carol)?, "/uid"), "u-7")?;
    let twice = Request::client(&carol, &[]).uid("u-7").uid("u-8");
    let leaf = authority.issue(&twice)?;
    let ask = cx.certificate(Some(&leaf));
    ask.get(&cx.path("/nodes")).await?.is(401)?;
    Ok(())
}

async fn stranger(cx: &Context<'_>) -> Verdict {
    let authority = Authority::new("nobody-knows-this-ca")?;
    let leaf = authority.issue(&Request::client("mallory", &["system:masters"]))?;
    let ask = cx.certificate(Some(&leaf));
    let reply = ask.get(&cx.path("/nodes")).await?;
    reply.refusal(401, "Unauthorized", "Unauthorized")?;
    Ok(())
}

async fn stranger_with_token(cx: &Context<'_>) -> Verdict {
    let (world, dave) = (cx.world()?, cx.unique("dave"));
    world.allow(&dave);
    let token = format!("token-of-{dave}");
    world.lab.add_user(&dave, &[], &token);
    let leaf = world
        .lab
        .pki
        .stranger
        .issue(&Request::client("mallory", &[]))?;
    let ask = cx.certificate(Some(&leaf));
    let ask = ask.header("Authorization", &format!("Bearer {token}"));
    ask.get(&cx.path("/nodes")).await?.is(200)?;
    Ok(())
}

async fn expired(cx: &Context<'_>) -> Verdict {
    let (world, carol) = (cx.world()?, cx.unique("carol"));
    world.allow(&carol);
    let authority = &world.lab.pki.cluster;
    let leaf = authority.issue(&Request::client(&carol, &[]).expired())?;
    let ask = cx.certificate(Some(&leaf));
    ask.get(&cx.path("/nodes")).await?.is(401)?;
    ends_while_connected(cx).await?;

    let leaf = world.lab.issue_user(&carol, &[])?;
    let client = cx.certificate(Some(&leaf)).client()?;
    let path = cx.path("/nodes");
    send(&client, Method::GET, &path).await?.is(200)?;
    let other = Authority::new("another-client-ca")?;
    let _changed = world.change(|data| {
        data.insert("client-ca-file".to_owned(), other.pem().to_owned());
    });
    let (client, path) = (&client, &path);
    until(70, || async move {
        send(client, Method::GET, path).await?.is(401)?;
        Ok(())
    })
    .await
}

/// The time is looked at with every request, not in the handshake alone.
async fn ends_while_connected(cx: &Context<'_>) -> Verdict {
    let (world, carol) = (cx.world()?, cx.unique("carol"));
    world.allow(&carol);
    let request = Request::client(&carol, &[]).ends_in(Duration::from_secs(3));
    let leaf = world.lab.pki.cluster.issue(&request)?;
    let client = cx.certificate(Some(&leaf)).client()?;
    let path = cx.path("/nodes");
    let first = send(&client, Method::GET, &path).await?;
    ensure(
        first.code() == 200,
        "200 before the certificate ends",
        first.seen(),
    )?;
    let (client, path) = (&client, &path);
    until(10, || async move {
        send(client, Method::GET, path).await?.is(401)?;
        Ok(())
    })
    .await
}
