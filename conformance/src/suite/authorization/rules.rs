//! Who decides, and for how long a decision holds.

use std::time::Duration;

use serde_json::json;

use crate::lab::Fault;
use crate::suite::check::{Check, Group};
use crate::suite::context::{Context, query};
use crate::suite::verdict::{Verdict, ensure, equal, text};
use crate::suite::world::ACCESS_REVIEWS;

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Authorization;
    vec![
        group
            .check(
                36,
                "masters",
                "system:masters may do everything without a question",
                |cx| Box::pin(masters(cx)),
            )
            .in_world()
            .each_protocol(),
        group
            .check(
                37,
                "health-for-everybody",
                "/healthz, /livez and /readyz answer everybody without a question, their parts do not",
                |cx| Box::pin(health(cx)),
            )
            .each_protocol(),
        group
            .check(
                43,
                "decisions-are-cached",
                "a question is asked once in ten seconds, a refusal too, and every different one by itself",
                |cx| Box::pin(cached(cx)),
            )
            .in_world(),
        group
            .check(
                44,
                "access-review-down",
                "while SubjectAccessReviews fail requests get 500 as text, and work again at once after",
                |cx| Box::pin(review_down(cx)),
            )
            .alone()
            .within(120),
        group
            .check(
                45,
                "odd-decisions",
                "allowed wins over an evaluation error, allowed and denied is 500, neither is 403",
                |cx| Box::pin(odd(cx)),
            )
            .in_world()
            .within(60),
    ]
}

async fn masters(cx: &Context<'_>) -> Verdict {
    let (world, root) = (cx.world()?, cx.unique("root"));
    let ask = cx.user(&root, &["system:masters"]);
    for path in [cx.path("/nodes"), "/metrics".to_owned(), "/apis".to_owned()] {
        ask.get(&path).await?.is(200)?;
    }
    equal("SubjectAccessReviews", world.reviews(&root).len(), 0)
}

async fn health(cx: &Context<'_>) -> Verdict {
    for path in ["/healthz", "/livez", "/readyz"] {
        let reply = cx.anonymous().get(path).await?;
        reply.is(200)?.body_is("ok")?;
        reply.has("content-type", "text/plain; charset=utf-8")?;
    }
    cx.anonymous().get("/readyz/ping").await?.is(403)?;
    let Some(world) = cx.world else {
        return Ok(());
    };
    let reviews = world.reviews("system:anonymous");
    let path = |review| text(review, "/nonResourceAttributes/path");
    let asked = reviews.iter().filter(|r| !path(r).is_empty());
    for review in asked.clone() {
        let path = path(review);
        ensure(
            !["/healthz", "/livez", "/readyz"].contains(&path),
            "no question about health",
            review,
        )?;
    }
    ensure(
        asked.clone().any(|r| path(r) == "/readyz/ping"),
        "a question about /readyz/ping",
        json!(reviews),
    )
}

async fn cached(cx: &Context<'_>) -> Verdict {
    let (world, bob, eve) = (cx.world()?, cx.unique("bob"), cx.unique("eve"));
    world.allow(&bob);
    let different = [
        cx.path("/nodes"),
        cx.path("/nodes/n1"),
        cx.path("/pods"),
        cx.path("/namespaces/a/pods"),
        cx.path("/namespaces/b/pods"),
        cx.path(&format!("/pods{}", query("labelSelector", "a=b"))),
        cx.path(&format!("/pods{}", query("labelSelector", "a=c"))),
    ];
    for path in &different {
        for _ in 0..3 {
            cx.user(&bob, &[]).get(path).await?;
        }
    }
    equal(
        "SubjectAccessReviews of seven questions asked thrice",
        world.reviews(&bob).len(),
        different.len(),
    )?;
    for _ in 0..3 {
        cx.user(&eve, &[]).get(&cx.path("/nodes")).await?.is(403)?;
    }
    equal("reviews of a refusal", world.reviews(&eve).len(), 1)?;
    tokio::time::sleep(Duration::from_secs(11)).await;
    for user in [&bob, &eve] {
        let before = world.reviews(user).len();
        cx.user(user, &[]).get(&cx.path("/nodes")).await?;
        let after = world.reviews(user).len();
        equal("reviews after ten seconds", after, before + 1)?;
    }
    Ok(())
}

async fn review_down(cx: &Context<'_>) -> Verdict {
    let (world, bob) = (cx.world()?, cx.unique("bob"));
    world.allow(&bob);
    let path = cx.path("/nodes");
    let faulty = world.fault(ACCESS_REVIEWS, Fault::Status(500));
    let reply = cx.user(&bob, &[]).get(&path).await?;
    reply
        .is(500)?
        .has("content-type", "text/plain; charset=utf-8")?;
    reply.has("x-content-type-options", "nosniff")?;
    reply.body_has(&format!("Internal Server Error: \"{path}\": "))?;
    drop(faulty);
    cx.user(&bob, &[]).get(&path).await?.is(200)?;
    Ok(())
}

async fn odd(cx: &Context<'_>) -> Verdict {
    let world = cx.world()?;
    let cases = [
        (
            json!({ "allowed": true, "evaluationError": "half blind" }),
            200,
        ),
        (json!({ "allowed": true, "denied": true }), 500),
        (json!({ "allowed": false, "denied": true }), 403),
        (json!({ "allowed": false }), 403),
    ];
    for (verdict, code) in cases {
        let bob = cx.unique("bob");
        world.verdict(&bob, verdict);
        cx.user(&bob, &[]).get(&cx.path("/nodes")).await?.is(code)?;
    }
    Ok(())
}
