use proptest::prelude::*;

use super::*;
use crate::domain::Inventory;
use crate::history::{HandedFamily, HandedTrack, NotTaken, RingColumns};

/// Some columns of a pod that lived twice, its container, a node, a system container and the cluster.
fn filled() -> History {
    let ring = ring(15);
    for at in 1..=5 {
        tick(&ring, at, &column(at));
    }
    ring
}

fn column(at: i64) -> Vec<MetricSet> {
    let uid = if at < 3 { "old" } else { "new" };
    let kubelet = EntityKey::SystemContainer(NodeName::new("n").unwrap(), "kubelet".into());
    let mut on_node = usage(node("n"), at * 4096);
    on_node
        .qualified
        .push(qualified(Metric::FilesystemUsage, "/", at * 7));
    vec![
        on_node,
        usage(kubelet, at),
        with_uid(usage(pod("a", "p"), at * 2), uid),
        with_uid(usage(container("a", "p", "c"), at * 3), uid),
        usage(EntityKey::Namespace(namespace("a")), at),
        usage(EntityKey::Cluster, at * 5),
    ]
}

/// Hands all of a ring over to an empty one.
fn hand_over(from: &History) -> Result<History, NotTaken> {
    let to = ring(15);
    let inventory = Inventory::new();
    let mut handing = from.hand_off().unwrap();
    let mut taking = to.take_over(handing.columns().clone(), &inventory)?;
    handing.by_ref().try_for_each(|family| taking.add(family))?;
    taking.finish();
    Ok(to)
}

fn assert_same(one: &History, other: &History) {
    assert_eq!(one.view().ticks(), other.view().ticks());
    assert_eq!(one.view().keys(), other.view().keys());
    for key in one.view().keys() {
        assert_eq!(
            one.view().metric_names(&key),
            other.view().metric_names(&key)
        );
        let memory = Series::of(Metric::MemoryUsage);
        assert_eq!(
            read(one, key.clone(), &memory),
            read(other, key.clone(), &memory)
        );
        let (mine, theirs) = (one.view().latest(&key), other.view().latest(&key));
        let (mine, theirs) = (mine.unwrap(), theirs.unwrap());
        assert_eq!(mine.points, theirs.points);
        assert_eq!(mine.qualified, theirs.qualified);
        assert_eq!(
            (mine.started, mine.sampled),
            (theirs.started, theirs.sampled)
        );
    }
    for uid in ["old", "new"] {
        let of = Subject::PodId(uid.into());
        let memory = Series::of(Metric::MemoryUsage);
        assert!(!read(one, of.clone(), &memory).is_empty());
        assert_eq!(read(one, of.clone(), &memory), read(other, of, &memory));
    }
}

#[test]
fn a_ring_that_is_handed_over_says_the_same_and_goes_on() {
    let from = filled();
    let to = hand_over(&from).unwrap();
    assert_same(&from, &to);
    assert_eq!(from.held(), to.held());
    for ring in [&from, &to] {
        tick(ring, 6, &column(6));
    }
    assert_same(&from, &to);
    assert_eq!(to.view().ticks().len(), 6);
}

#[test]
fn a_column_that_is_being_made_is_finished_by_both() {
    let from = filled();
    let sets = column(6);
    from.append(minute(6), &sets[..3]).unwrap();
    let to = hand_over(&from).unwrap();
    assert_eq!(to.view().newest(), Some(minute(5)));
    from.append(minute(6), &sets[3..]).unwrap();
    from.finish(minute(6)).unwrap();
    tick(&to, 6, &sets);
    assert_same(&from, &to);
    // Another tick than the one that was begun there is no harm either.
    let from = filled();
    from.append(minute(6), &sets[..3]).unwrap();
    let to = hand_over(&from).unwrap();
    tick(&to, 7, &column(7));
    let ticks = [1, 2, 3, 4, 5, 7].map(minute);
    assert_eq!(to.view().ticks(), ticks);
    let memory = Series::of(Metric::MemoryUsage);
    let points = [(1, 4), (2, 8), (3, 12), (4, 16), (5, 20), (7, 28)];
    assert_eq!(
        read(&to, node("n"), &memory),
        points.map(|(t, v)| (t, v * 1024))
    );
}

#[test]
fn what_is_given_up_leaves_nothing_and_the_ring_begins_by_itself() {
    let from = filled();
    let to = ring(15);
    let inventory = Inventory::new();
    let mut handing = from.hand_off().unwrap();
    let mut taking = to.take_over(handing.columns().clone(), &inventory).unwrap();
    taking.add(handing.next().unwrap()).unwrap();
    taking.add(handing.next().unwrap()).unwrap();
    drop(taking);
    assert_eq!(to.view().ticks(), []);
    assert_eq!(to.held(), 0);
    tick(&to, 2, &column(2));
    assert_eq!(to.view().ticks(), [minute(2)]);
    let memory = Series::of(Metric::MemoryUsage);
    assert_eq!(read(&to, EntityKey::Cluster, &memory), [(2, 10)]);
}

#[test]
fn what_the_inventory_knows_is_joined_and_what_it_does_not_keeps_its_uid() {
    let from = filled();
    let inventory = Inventory::new();
    let about = with_uid(usage(pod("a", "p"), 1), "new").about.pod.unwrap();
    inventory.apply_pod(PodRecord::clone(&about));
    let to = ring(15);
    let mut handing = from.hand_off().unwrap();
    let mut taking = to.take_over(handing.columns().clone(), &inventory).unwrap();
    handing.by_ref().for_each(|f| taking.add(f).unwrap());
    taking.finish();
    let latest = to.view().latest(&pod("a", "p")).unwrap();
    assert_eq!(latest.about.pod, Some(about));
    let memory = Series::of(Metric::MemoryUsage);
    let old = Subject::PodId("old".into());
    assert_eq!(read(&to, old, &memory), [(1, 2), (2, 4)]);
}

#[test]
fn only_columns_in_order_are_taken_over_and_not_while_one_is_made() {
    let inventory = Inventory::new();
    let from = filled();
    let columns = from.hand_off().unwrap().columns().clone();
    let making = ring(15);
    making.append(minute(1), &column(1)).unwrap();
    let refused = making.take_over(columns.clone(), &inventory).unwrap_err();
    assert_eq!(refused, NotTaken::Begun);
    assert!(ring(15).hand_off().is_none());
    let spoiled: [fn(&mut RingColumns); 5] = [
        |columns| columns.finished.clear(),
        |columns| columns.finished.swap(0, 1),
        |columns| columns.begun.0 = 1,
        |columns| columns.begun.1 = minute(1),
        |columns| columns.begun = (u32::MAX, minute(99)),
    ];
    for spoil in spoiled {
        let mut columns = columns.clone();
        spoil(&mut columns);
        let ring = ring(15);
        let refused = ring.take_over(columns, &inventory).unwrap_err();
        assert_eq!(refused, NotTaken::Columns);
    }
}

#[test]
fn more_than_the_memory_limit_is_not_taken() {
    let from = ring(15);
    let many = |prefix: &str| -> Vec<MetricSet> {
        let names = (0..300).map(|n| pod("a", &format!("{prefix}-{n}")));
        names.map(|key| usage(key, 7)).collect()
    };
    tick(&from, 1, &many("p"));
    tick(&from, 2, &[many("p"), many("q")].concat());
    let inventory = Inventory::new();
    let take = |limit| {
        let to = limited(15, Some(limit));
        let mut handing = from.hand_off().unwrap();
        let mut taking = to.take_over(handing.columns().clone(), &inventory).unwrap();
        handing.by_ref().try_for_each(|family| taking.add(family))?;
        taking.finish();
        Ok(to.view().ticks().len())
    };
    assert_eq!(take(from.held() / 4), Err(NotTaken::Full));
    assert_eq!(take(from.held()), Ok(2));
    // A little too much is shed, as it would be there.
    assert_eq!(take(from.held() - 100), Ok(1));
}

#[test]
fn families_that_are_none_are_refused() {
    let from = filled();
    let spoiled: [fn(&mut HandedFamily); 7] = [
        |family| family.lives.clear(),
        |family| family.key = container("a", "p", "c"),
        |family| family.key = EntityKey::Cluster,
        |family| family.lives[0].members.clone_within(),
        |family| track(family).newest = 99,
        |family| track(family).rows = Box::default(),
        |family| {
            let twice = track(family).series[0].clone();
            track(family).series.push(twice);
        },
    ];
    for (at, spoil) in spoiled.into_iter().enumerate() {
        let to = ring(15);
        let inventory = Inventory::new();
        let mut handing = from.hand_off().unwrap();
        let columns = handing.columns().clone();
        let mut taking = to.take_over(columns, &inventory).unwrap();
        let of_pod = |family: &HandedFamily| matches!(family.key, EntityKey::Pod(_));
        let mut family = handing.find(of_pod).unwrap();
        spoil(&mut family);
        assert_eq!(taking.add(family), Err(NotTaken::Rows), "{at}");
    }
}

/// Says every element twice.
trait CloneWithin {
    fn clone_within(&mut self);
}

impl<T: Clone> CloneWithin for Vec<T> {
    fn clone_within(&mut self) {
        self.extend_from_within(..);
    }
}

fn track(family: &mut HandedFamily) -> &mut HandedTrack {
    family.lives[0].own.as_mut().unwrap()
}

proptest! {
    /// Rows of another replica may hold anything: what is taken over can be read to its end.
    #[test]
    fn rows_of_any_bytes_are_refused_or_read(
        rows in prop::collection::vec(any::<u8>(), 0..200),
        keep in 0_usize..64,
        newest in 0_u32..8,
    ) {
        let from = filled();
        let to = ring(15);
        let inventory = Inventory::new();
        let handing = from.hand_off().unwrap();
        let mut taking = to.take_over(handing.columns().clone(), &inventory).unwrap();
        for mut family in handing {
            if let Some(own) = &mut family.lives[0].own {
                let kept = &own.rows[..keep.min(own.rows.len())];
                own.rows = kept.iter().chain(&rows).copied().collect();
                own.newest = newest;
            }
            let _ = taking.add(family);
        }
        taking.finish();
        for key in to.view().keys() {
            let _ = to.view().latest(&key);
            let _ = to.view().metric_names(&key);
            let _ = read(&to, key, &Series::of(Metric::MemoryUsage));
        }
        tick(&to, 6, &column(6));
    }
}

/// Hands on what is later than `after`, or later than all the other one has.
fn hand_on(from: &History, to: &History, after: Option<i64>) -> Result<usize, NotTaken> {
    let inventory = Inventory::new();
    let Some(mut handing) = from.hand_off_after(after.map(minute)) else {
        return Ok(0);
    };
    let mut taking = to.take_over(handing.columns().clone(), &inventory)?;
    let columns = taking.columns();
    handing.by_ref().try_for_each(|family| taking.add(family))?;
    taking.finish();
    Ok(columns)
}

/// A column whose series and entities are others by turns.
fn changing(at: i64) -> Vec<MetricSet> {
    let mut sets = column(at);
    if at % 3 == 0 {
        sets[0].set(Point::int(Metric::CpuUsage, at * 11));
        sets.push(with_uid(usage(pod("b", "sometimes"), at), "s"));
    }
    if at % 4 == 0 {
        sets.remove(5);
    }
    sets
}

#[test]
fn a_ring_handed_on_piece_by_piece_says_the_same() {
    for step in 1..=4 {
        let (from, to) = (ring(15), ring(15));
        for at in 1..=9 {
            tick(&from, at, &changing(at));
            if at % step == 0 {
                let newest = to.view().newest().map(|tick| tick.as_millis() / 60_000);
                let columns = usize::try_from(step).unwrap();
                assert_eq!(hand_on(&from, &to, newest), Ok(columns));
            }
        }
        hand_on(&from, &to, None).unwrap();
        assert_same(&from, &to);
        for ring in [&from, &to] {
            tick(ring, 10, &changing(10));
        }
        assert_same(&from, &to);
        let cpu = Series::of(Metric::CpuUsage);
        assert_eq!(read(&to, node("n"), &cpu), [(3, 33), (6, 66), (9, 99)]);
    }
}

#[test]
fn only_what_is_later_is_taken_and_nothing_twice() {
    let (from, to) = (ring(15), ring(15));
    (1..=6).for_each(|at| tick(&from, at, &changing(at)));
    (2..=4).for_each(|at| tick(&to, at, &changing(at)));
    assert_eq!(hand_on(&from, &to, None), Ok(2));
    assert_eq!(hand_on(&from, &to, None), Ok(0));
    let ticks = [2, 3, 4, 5, 6].map(minute);
    assert_eq!(to.view().ticks(), ticks);
    let points = [2, 3, 4, 5, 6].map(|at| (at, at * 4096));
    assert_eq!(memory(&to, node("n")), points);
    assert_eq!(
        memory(&to, Subject::PodId("new".into())),
        [(3, 6), (4, 8), (5, 10), (6, 12)]
    );
}

#[test]
fn what_follows_and_is_given_up_leaves_what_was_there() {
    let (from, to) = (ring(15), ring(15));
    (1..=6).for_each(|at| tick(&from, at, &changing(at)));
    (1..=4).for_each(|at| tick(&to, at, &changing(at)));
    let inventory = Inventory::new();
    let mut handing = from.hand_off_after(None).unwrap();
    let mut taking = to.take_over(handing.columns().clone(), &inventory).unwrap();
    taking.add(handing.next().unwrap()).unwrap();
    taking.add(handing.next().unwrap()).unwrap();
    assert_eq!(to.view().newest(), Some(minute(4)));
    drop(taking);
    tick(&to, 5, &changing(5));
    let points = [1, 2, 3, 4, 5].map(|at| (at, at * 4096));
    assert_eq!(memory(&to, node("n")), points);
    assert_eq!(hand_on(&from, &to, None), Ok(1));
    let points = [1, 2, 3, 4, 5, 6].map(|at| (at, at * 4096));
    assert_eq!(memory(&to, node("n")), points);
}

#[test]
fn a_column_being_made_is_no_part_of_the_finished_ones() {
    let (from, to) = (ring(15), ring(15));
    (1..=4).for_each(|at| tick(&from, at, &changing(at)));
    let handing = from.hand_off_after(Some(minute(2))).unwrap();
    // Begun after the columns were told, while families are being handed over.
    from.append(minute(5), &changing(5)).unwrap();
    let inventory = Inventory::new();
    let mut taking = to.take_over(handing.columns().clone(), &inventory).unwrap();
    handing.for_each(|family| taking.add(family).unwrap());
    taking.finish();
    assert_eq!(to.view().ticks(), [minute(3), minute(4)]);
    assert_eq!(memory(&to, node("n")), [(3, 3 * 4096), (4, 4 * 4096)]);
    let cpu = Series::of(Metric::CpuUsage);
    assert_eq!(read(&to, node("n"), &cpu), [(3, 33)]);
}
