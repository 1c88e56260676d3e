use futures_util::FutureExt;
use proptest::prelude::*;

use super::property::{Answer, Peer, check_http1};
use super::*;
use crate::kubelet::Buffers;

/// Status, body and whether the stream may be used again, with the answer cut into pieces of
/// `size`.
fn answer(bytes: &[u8], size: usize, max_body: usize) -> Result<Answer, Fault> {
    Peer::new(bytes, size).answer(max_body)
}

fn ok(bytes: &str) -> (u16, String, bool) {
    let mut results = [1, 2, 3, 7, 64, 1 << 20].map(|size| {
        let (status, body, reusable) = answer(bytes.as_bytes(), size, 100).unwrap();
        (status, String::from_utf8(body).unwrap(), reusable)
    });
    // What follows an answer is seen only when it comes in the same piece.
    let whole = results[5].clone();
    results[..5]
        .iter_mut()
        .for_each(|result| result.2 = whole.2);
    assert!(
        results.iter().all(|result| *result == whole),
        "{bytes}: {results:?}"
    );
    whole
}

/// An answer, its body, and whether the stream may be used again.
const FRAMINGS: &[(&str, &str, bool)] = &[
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "hello",
        true,
    ),
    ("HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", "", true),
    (
        "HTTP/1.1 200\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "hello",
        true,
    ),
    ("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello", true),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        "hello world",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1;a=b\r\nh\r\n0a \r\n0123456789\r\n000\r\nX: y\r\nZ: w\r\n\r\n",
        "h0123456789",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "x",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\n\r\nuntil the end",
        "until the end",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx",
        "x",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 1\r\n\r\nx",
        "x",
        false,
    ),
    ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", false),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n",
        "x",
        false,
    ),
    (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        "x",
        true,
    ),
];

#[test]
fn a_body_is_read_in_every_framing_however_it_is_cut() {
    for (bytes, body, reusable) in FRAMINGS {
        assert_eq!(ok(bytes), (200, body.to_string(), *reusable), "{bytes}");
    }
}

#[test]
fn a_status_is_told_whatever_its_body() {
    let page = "x".repeat(10_000);
    let long = format!("HTTP/1.1 500 No\r\nContent-Length: 10000\r\n\r\n{page}");
    let (status, body, reusable) = answer(long.as_bytes(), 512, 1 << 20).unwrap();
    assert_eq!((status, reusable), (500, false));
    assert!(body.len() <= MAX_ERROR_BODY && body.iter().all(|b| *b == b'x'));
    let chunked = format!(
        "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2710\r\n{page}\r\n0\r\n\r\n"
    );
    assert_eq!(
        answer(chunked.as_bytes(), 512, 1 << 20).unwrap(),
        (503, b"abc".to_vec(), false)
    );
    assert_eq!(
        ok("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
        (304, String::new(), true)
    );
    let short = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nUnauthorized";
    assert_eq!(ok(short), (401, "Unauthorized".into(), true));
}

#[test]
fn a_body_over_the_bound_is_an_error_in_every_framing() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789a",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n0123456789a",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n012345678\r\n2\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    ] {
        for size in [1, 5, 4096] {
            let refused = answer(bytes.as_bytes(), size, 10);
            assert!(
                matches!(refused, Err(Fault::TooLarge)),
                "{bytes} {refused:?}"
            );
        }
    }
}

#[test]
fn what_is_not_the_http_we_speak_is_malformed() {
    let many = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "a: b\r\n".repeat(MAX_HEADERS + 1)
    );
    let long = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(MAX_HEAD));
    let interims = "HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000);
    let trailers = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}",
        "a: b\r\n".repeat(1000)
    );
    let extension = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{}",
        "x".repeat(10_000)
    );
    for bytes in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "\x15\x03\x01\x00\x02\x02\n\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: gzip\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
        &many,
        &long,
        &trailers,
        &extension,
    ] {
        let result = answer(bytes.as_bytes(), 16 << 10, 100);
        assert!(
            matches!(result, Err(Fault::Malformed(_))),
            "{bytes} {result:?}"
        );
    }
    assert!(answer(interims.as_bytes(), 16 << 10, 100).is_err());
}

#[test]
fn an_end_before_the_end_is_told_apart_by_whether_anything_came() {
    for (bytes, was_answered) in [
        ("", false),
        ("HTTP/1.1 200", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
            true,
        ),
    ] {
        match answer(bytes.as_bytes(), 1024, 100) {
            Err(Fault::Broken { answered, .. }) => assert_eq!(answered, was_answered, "{bytes}"),
            other => panic!("{bytes}: {other:?}"),
        }
    }
}

#[test]
fn one_byte_chunks_take_no_more_room_than_their_bytes() {
    let body = "1\r\nx\r\n".repeat(50_000);
    let bytes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n");
    let mut peer = Peer::new(bytes.as_bytes(), 1400);
    let buffers = Buffers::keeping(0);
    let mut buffer = buffers.lend();
    let response = exchange(&mut peer, b"GET", &mut buffer, 50_000)
        .now_or_never()
        .unwrap()
        .unwrap();
    assert_eq!(response.body.len(), 50_000);
    let room = buffer.taken().capacity();
    assert!(room < 150_000, "{room}");
}

#[test]
fn what_fuzzing_found_stays_true() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/http1");
    let mut count = 0;
    for seed in std::fs::read_dir(seeds).unwrap() {
        check_http1(&std::fs::read(seed.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 5, "the seeds are not where they were");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_go_over_the_bound(
        head in "(HTTP/1\\.[01] (1|2)00 OK\r\n(Transfer-Encoding: chunked\r\n|Content-Length: [0-9]{1,3}\r\n)?\r\n){0,2}",
        body in prop::collection::vec(any::<u8>(), 0..300),
        size in 1usize..50,
    ) {
        let bytes = [head.as_bytes(), &body].concat();
        if let Ok((_, body, _)) = answer(&bytes, size, 100) {
            prop_assert!(body.len() <= 100);
        }
    }

    #[test]
    fn every_chunking_gives_the_same_body(
        body in prop::collection::vec(any::<u8>(), 1..400),
        sizes in prop::collection::vec(1usize..40, 1..10),
        cut in 1usize..60,
    ) {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let (mut rest, mut sizes) = (&body[..], sizes.iter().cycle());
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
            rest = after;
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        prop_assert_eq!(answer(&bytes, cut, 400).unwrap(), (200, body, true));
    }
}
