//! Segments that are torn, turned, of another release or left over.

use super::*;

/// A folder with a segment for each of so many columns, and the bytes of the last.
fn written(columns: i64) -> (TempDir, Vec<u8>) {
    let folder = tempdir().unwrap();
    Process::start(folder.path()).run(0..columns);
    let last = segments(folder.path()).pop().unwrap();
    let bytes = fs::read(last).unwrap();
    (folder, bytes)
}

#[test]
fn a_segment_torn_at_any_byte_or_with_any_bit_turned_is_noticed() {
    let (_folder, bytes) = written(3);
    let families = usize::try_from(1 + 1 + 3 + PODS).unwrap();
    assert_eq!(read_any(&bytes).unwrap(), families);
    for length in 0..bytes.len() {
        assert!(read_any(&bytes[..length]).is_err(), "{length}");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut turned = bytes.clone();
            turned[at] ^= 1 << bit;
            assert!(read_any(&turned).is_err(), "{at} {bit}");
        }
    }
    assert!(read_any(&[bytes.as_slice(), b"x"].concat()).is_err());
}

#[tokio::test]
async fn a_write_torn_at_any_byte_costs_that_tick_and_never_a_start() {
    let (folder, bytes) = written(5);
    let files = segments(folder.path());
    let last = files.last().unwrap();
    let step = if bytes.len() > 400 {
        bytes.len() / 200
    } else {
        1
    };
    for length in (0..bytes.len()).step_by(step) {
        fs::write(last, &bytes[..length]).unwrap();
        let process = Process::start(folder.path());
        assert_eq!(process.restore(5), 4, "{length}");
        assert_eq!(process.ask(node(), 0, 100).await, of_node(0..4));
        assert_eq!(process.metric("loadline_history_dir_segments"), 5);
    }
    let process = Process::start(folder.path());
    process.restore(5);
    process.run(5..9);
    assert_eq!(
        process.ask(node(), 0, 100).await,
        of_node((0..4).chain(5..9))
    );
    // As it is when the process ends before a segment has its name.
    fs::remove_file(last).unwrap();
    fs::write(folder.path().join("unfinished"), &bytes[..100]).unwrap();
    drop(process);
    let process = Process::start(folder.path());
    process.restore(9);
    assert_eq!(
        process.ask(node(), 0, 100).await,
        of_node((0..4).chain(5..9))
    );
    assert!(!folder.path().join("unfinished").exists());
}

#[tokio::test]
async fn a_turned_bit_costs_what_it_stands_in_and_is_counted() {
    let (folder, _) = written(70);
    let joined = segments(folder.path()).remove(0);
    let bytes = fs::read(&joined).unwrap();
    for at in (5..bytes.len()).step_by(97) {
        let mut turned = bytes.clone();
        turned[at] ^= 16;
        fs::write(&joined, &turned).unwrap();
        let process = Process::start(folder.path());
        process.restore(70);
        // Only the list of UIDs is not needed to find a node.
        let answer = process.ask(node(), 0, 100).await;
        let of_uid = process.ask(Subject::PodId(uid(0, 0)), 0, 100).await;
        let all = answer == of_node(0..70);
        assert!(all || answer == of_node(60..70), "{at} {answer:?}");
        assert_eq!(of_uid, of_pod(0, 60..70), "{at}");
        let errors = process.metric("loadline_history_dir_errors_total{operation=\"read\"}");
        assert!(errors > 0, "{at}");
    }
}

#[tokio::test]
async fn a_segment_of_another_version_is_left_alone_until_its_time_is_over() {
    let (folder, mut bytes) = written(5);
    bytes[4] = 9;
    assert!(matches!(read_any(&bytes), Err(Broken::Version(9))));
    let newer = &segments(folder.path())[1];
    fs::write(newer, &bytes).unwrap();
    let process = Process::start(folder.path());
    process.restore(5);
    assert_eq!(process.ask(node(), 0, 100).await, of_node([0, 2, 3, 4]));
    process.run(5..80);
    assert!(newer.exists());
    let expected = of_node([0].into_iter().chain(2..80));
    assert_eq!(process.ask(node(), 0, 100).await, expected);
    drop(process);
    let process = Process::with(folder.path(), 16, 10, Box::new(Disk));
    process.restore(80);
    process.run(80..82);
    assert!(!newer.exists());
}

#[tokio::test]
async fn segments_left_over_from_joining_are_removed_and_answer_nothing_twice() {
    let (folder, _) = written(59);
    let small = segments(folder.path());
    let saved: BTreeMap<_, _> = small.iter().map(|f| (f, fs::read(f).unwrap())).collect();
    let process = Process::start(folder.path());
    process.restore(59);
    process.run(59..60);
    assert_eq!(segments(folder.path()).len(), 1);
    drop(process);
    for (file, bytes) in saved.iter().skip(20) {
        fs::write(file, bytes).unwrap();
    }
    let process = Process::start(folder.path());
    process.restore(60);
    assert_eq!(segments(folder.path()).len(), 1);
    assert_eq!(process.on_disk(node()).await, of_node(0..60));
}

#[tokio::test]
async fn other_files_are_nobodys_business() {
    let (folder, _) = written(5);
    let foreign = ["x.segment", "lost+found", "0-1.segment", "README"];
    for name in foreign {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let process = Process::start(folder.path());
    assert_eq!(process.restore(5), 5);
    process.run(5..80);
    assert!(foreign.iter().all(|name| folder.path().join(name).exists()));
}

#[test]
#[ignore = "writes the seeds of the fuzz target segment"]
fn write_the_seeds() {
    let (_folder, small) = written(2);
    let (folder, _) = written(60);
    let joined = fs::read(segments(folder.path()).remove(0)).unwrap();
    let mut newer = small.clone();
    newer[4] = 2;
    let mut turned = small.clone();
    turned[40] ^= 1;
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/segment");
    fs::create_dir_all(seeds).unwrap();
    for (name, seed) in [
        ("cut-short", &small[..small.len() - 1]),
        ("head-alone", &small[..5]),
        ("joined", &joined),
        ("newer", &newer),
        ("one-column", &small),
        ("turned", &turned),
    ] {
        fs::write(format!("{seeds}/{name}"), seed).unwrap();
    }
}
