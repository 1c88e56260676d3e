//! How bearer tokens are reviewed and remembered.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;

use super::*;
use crate::domain::Clock;

#[tokio::test]
async fn a_good_token_names_its_holder() {
    let world = World::new();
    let user = world
        .ask(&[("authorization", "bearer T")], None)
        .await
        .unwrap();
    assert_eq!(user.name, "tina");
    assert_eq!(user.groups, ["token-holders", ALL_AUTHENTICATED]);
}

#[tokio::test]
async fn a_verdict_on_a_token_is_repeated_for_ten_seconds() {
    let world = World::new();
    for (token, expected) in [("Bearer T", "tina"), ("Bearer wrong", "401")] {
        let list = [("Authorization", token)];
        let before = world.tokens.count();
        for _ in 0..2 {
            assert_eq!(world.name(&list, None).await, expected);
        }
        world.clock.advance(Duration::from_millis(9_900));
        assert_eq!(world.name(&list, None).await, expected);
        assert_eq!(world.tokens.count(), before + 1, "{token}");
        world.clock.advance(Duration::from_millis(200));
        assert_eq!(world.name(&list, None).await, expected);
        assert_eq!(world.tokens.count(), before + 2, "{token}");
    }
}

#[tokio::test]
async fn a_token_is_believed_no_longer_than_it_says_itself() {
    let clock = TestClock::new();
    let claims = serde_json::json!({"exp": clock.now().as_secs() + 3});
    let key = jsonwebtoken::EncodingKey::from_secret(b"x");
    let jwt = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let tokens = FakeTokens::knowing(&[(&jwt, "sa")]);
    let auth = Authentication::new(
        &Config::default(),
        LiveTrust::new(TrustConfig::default()).unwrap(),
        Arc::clone(&tokens) as _,
        Arc::clone(&clock) as _,
        Tasks::new(Stop::channel().0),
        Arc::default(),
    );
    let list = headers(&[("Authorization", &format!("Bearer {jwt}"))]);
    for (pass, reviews) in [(0, 1), (1, 1), (2, 2)] {
        clock.advance(Duration::from_secs(pass));
        assert_eq!(auth.authenticate(&list, None).await.unwrap().name, "sa");
        assert_eq!(tokens.count(), reviews, "after {pass} s more");
    }
}

#[tokio::test]
async fn fifty_first_uses_of_a_token_are_one_review() {
    let world = World::new();
    let list = [("Authorization", "Bearer T")];
    let all = join_all((0..50).map(|_| world.name(&list, None))).await;
    assert!(all.iter().all(|name| name == "tina"));
    assert_eq!(world.tokens.count(), 1);
}

#[tokio::test]
async fn a_review_goes_on_when_its_caller_gives_up() {
    let world = World::new();
    let list = [("Authorization", "Bearer T")];
    {
        let mut asking = std::pin::pin!(world.name(&list, None));
        assert!(futures_util::poll!(asking.as_mut()).is_pending());
    }
    assert_eq!(world.name(&list, None).await, "tina");
    assert_eq!(world.tokens.count(), 1);
}

#[tokio::test]
async fn a_review_that_failed_is_not_remembered() {
    let world = World::new();
    let list = [("Authorization", "Bearer T")];
    world.tokens.down.store(true, Ordering::SeqCst);
    assert_eq!(world.name(&list, None).await, "401");
    world.tokens.down.store(false, Ordering::SeqCst);
    assert_eq!(world.name(&list, None).await, "tina");
}
