//! Bearer tokens and their TokenReviews.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;

use crate::client::Protocol;
use crate::lab::Fault;
use crate::suite::check::{Check, Group};
use crate::suite::context::{Context, send};
use crate::suite::verdict::{Verdict, ensure, equal};
use crate::suite::world::{TOKEN_REVIEWS, until};

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Authentication;
    vec![
        group
            .check(
                15,
                "token-scheme",
                "the scheme Bearer is read in any case, and another scheme leaves the caller anonymous",
                |cx| Box::pin(scheme(cx)),
            )
            .in_world()
            .each_protocol(),
        group
            .check(
                16,
                "token-invalid",
                "an invalid token gets 401, and is reviewed again only after ten seconds",
                |cx| Box::pin(invalid(cx)),
            )
            .in_world(),
        group
            .check(
                17,
                "token-reviewed-once",
                "fifty requests at once with a new token make one TokenReview",
                |cx| Box::pin(reviewed_once(cx)),
            )
            .in_world(),
        group
            .check(
                18,
                "token-review-down",
                "while TokenReviews fail a token gets 401, and at once 200 when they work again",
                |cx| Box::pin(review_down(cx)),
            )
            .alone()
            .within(90),
        group
            .check(
                19,
                "token-refused",
                "a token that is not authenticated gets 401 with the bare Status",
                |cx| Box::pin(refused(cx)),
            )
            .each_protocol(),
    ]
}

async fn scheme(cx: &Context<'_>) -> Verdict {
    let (world, dave) = (cx.world()?, cx.unique("dave"));
    world.allow(&dave);
    let token = format!("token-of-{dave}");
    world.lab.add_user(&dave, &[], &token);
    let path = cx.path("/nodes");
    for value in [format!("bearer {token}"), format!("BEARER {token}")] {
        let ask = cx.anonymous().header("Authorization", &value);
        ask.get(&path).await?.is(200)?;
    }
    let ask = cx.anonymous().header("Authorization", "Basic eDp5");
    let reply = ask.get(&path).await?;
    let status = reply.status(403, "Forbidden")?;
    ensure(
        status.to_string().contains("system:anonymous"),
        "a refusal of system:anonymous",
        reply.seen(),
    )
}

async fn invalid(cx: &Context<'_>) -> Verdict {
    let (world, token) = (cx.world()?, cx.unique("nobodys-token"));
    let path = cx.path("/nodes");
    for _ in 0..3 {
        cx.token(&token).get(&path).await?.is(401)?;
    }
    equal("TokenReviews", world.token_reviews(&token), 1)?;
    tokio::time::sleep(Duration::from_secs(11)).await;
    cx.token(&token).get(&path).await?.is(401)?;
    equal(
        "TokenReviews after ten seconds",
        world.token_reviews(&token),
        2,
    )
}

async fn reviewed_once(cx: &Context<'_>) -> Verdict {
    let (world, dave) = (cx.world()?, cx.unique("dave"));
    world.allow(&dave);
    let token = format!("token-of-{dave}");
    world.lab.add_user(&dave, &[], &token);
    let client = cx.token(&token).over(Protocol::Http2).client()?;
    let path = cx.path("/nodes");
    let replies = join_all((0..50).map(|_| send(&client, Method::GET, &path))).await;
    for reply in replies {
        reply?.is(200)?;
    }
    equal("TokenReviews", world.token_reviews(&token), 1)
}

async fn review_down(cx: &Context<'_>) -> Verdict {
    let (world, dave) = (cx.world()?, cx.unique("dave"));
    world.allow(&dave);
    let token = format!("token-of-{dave}");
    world.lab.add_user(&dave, &[], &token);
    let path = cx.path("/nodes");
    let faulty = world.fault(TOKEN_REVIEWS, Fault::Status(500));
    let reply = cx.token(&token).get(&path).await?;
    reply.refusal(401, "Unauthorized", "Unauthorized")?;
    drop(faulty);
    cx.token(&token).get(&path).await?.is(200)?;
    Ok(())
}

async fn refused(cx: &Context<'_>) -> Verdict {
    let token = cx.unique("nobodys-token");
    let path = cx.path("/nodes");
    let (token, path) = (&token, &path);
    // The API server behind a foreign target may be slow to answer at first.
    until(5, || async move {
        let reply = cx.token(token).get(path).await?;
        reply.refusal(401, "Unauthorized", "Unauthorized")?;
        Ok(())
    })
    .await
}
