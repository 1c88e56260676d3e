use super::*;

fn by_uid(ring: &History, uid: &str) -> Vec<(i64, i64)> {
    memory(ring, Subject::PodId(uid.into()))
}

#[test]
fn a_uid_leads_to_the_points_of_that_life_only() {
    let ring = ring(15);
    tick(&ring, 1, &[with_uid(usage(pod("x", "p"), 1), "old")]);
    tick(&ring, 2, &[with_uid(usage(pod("x", "p"), 2), "old")]);
    tick(&ring, 3, &[with_uid(usage(pod("x", "p"), 3), "new")]);
    assert_eq!(by_uid(&ring, "old"), [(1, 1), (2, 2)]);
    assert_eq!(by_uid(&ring, "new"), [(3, 3)]);
    assert_eq!(by_uid(&ring, "other"), []);
    assert_eq!(memory(&ring, pod("x", "p")), [(1, 1), (2, 2), (3, 3)]);
}

#[test]
fn containers_are_found_by_the_uid_of_their_pod() {
    let ring = ring(15);
    let of = |uid: &str, value| with_uid(usage(container("x", "p", "c"), value), uid);
    tick(&ring, 1, &[of("old", 1)]);
    tick(&ring, 2, &[of("new", 2)]);
    let name = ContainerName::new("c").unwrap();
    let by_uid = |uid: &str| memory(&ring, Subject::PodIdContainer(uid.into(), name.clone()));
    assert_eq!(by_uid("old"), [(1, 1)]);
    assert_eq!(by_uid("new"), [(2, 2)]);
    let other = ContainerName::new("d").unwrap();
    assert_eq!(
        memory(&ring, Subject::PodIdContainer("new".into(), other)),
        []
    );
    assert_eq!(memory(&ring, Subject::PodId("new".into())), []);
    assert_eq!(ring.view().containers(&pod_key("x", "p")), [name]);
}

#[test]
fn what_died_stays_until_its_points_age_out_and_is_then_forgotten() {
    let ring = ring(3);
    tick(&ring, 1, &[with_uid(usage(pod("x", "p"), 1), "old")]);
    tick(&ring, 2, &[with_uid(usage(pod("x", "p"), 2), "new")]);
    tick(&ring, 3, &[with_uid(usage(pod("x", "p"), 3), "new")]);
    assert_eq!(by_uid(&ring, "old"), [(1, 1)]);
    tick(&ring, 4, &[]);
    assert_eq!(by_uid(&ring, "old"), []);
    assert_eq!(
        ring.index.find(&Subject::PodId("old".into())).map(|_| ()),
        None
    );
    assert_eq!(by_uid(&ring, "new"), [(2, 2), (3, 3)]);
    assert_eq!(ring.view().last_written(&pod("x", "p")), Some(minute(3)));
    tick(&ring, 6, &[]);
    assert_eq!(memory(&ring, pod("x", "p")), []);
    assert!(ring.index.find(&pod("x", "p").into()).is_none());
    assert!(ring.index.find(&Subject::PodId("new".into())).is_none());
    assert_eq!(ring.view().last_written(&pod("x", "p")), None);
}

#[test]
fn a_uid_learnt_later_names_the_whole_life() {
    let ring = ring(15);
    tick(&ring, 1, &[usage(pod("x", "p"), 1)]);
    tick(&ring, 2, &[with_uid(usage(pod("x", "p"), 2), "u")]);
    tick(&ring, 3, &[usage(pod("x", "p"), 3)]);
    assert_eq!(by_uid(&ring, "u"), [(1, 1), (2, 2), (3, 3)]);
}

#[test]
fn two_lives_that_take_turns_stay_apart() {
    let ring = ring(15);
    for (at, uid) in [(1, "a"), (2, "b"), (3, "a"), (4, "b")] {
        tick(&ring, at, &[with_uid(usage(pod("x", "p"), at), uid)]);
    }
    assert_eq!(by_uid(&ring, "a"), [(1, 1), (3, 3)]);
    assert_eq!(by_uid(&ring, "b"), [(2, 2), (4, 4)]);
    assert_eq!(
        memory(&ring, pod("x", "p")),
        [(1, 1), (2, 2), (3, 3), (4, 4)]
    );
}
