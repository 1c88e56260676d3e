use proptest::prelude::*;

use super::*;
use crate::domain::{Bytes, Nanocores};

fn cpu(n: u64) -> String {
    CanonicalQuantity::cpu(Nanocores::new(n)).to_string()
}

fn memory(n: u64) -> String {
    CanonicalQuantity::memory(Bytes::new(n)).to_string()
}

#[test]
fn cpu_is_printed_in_decimal_si_from_nano_upwards() {
    for (nanocores, text) in [
        (0, "0"),
        (1, "1n"),
        (12_345_678, "12345678n"),
        (20_000, "20u"),
        (250_000_000, "250m"),
        (500_000_000, "500m"),
        (1_000_000_000, "1"),
        (1_500_000_000, "1500m"),
        (1_000_000_000_000, "1k"),
        (u64::MAX, "18446744073709551615n"),
    ] {
        assert_eq!(cpu(nanocores), text);
    }
}

#[test]
fn memory_is_printed_in_binary_si_and_below_1024_in_decimal() {
    for (bytes, text) in [
        (0, "0"),
        (1, "1"),
        (1000, "1k"),
        (1023, "1023"),
        (1024, "1Ki"),
        (5000, "5000"),
        (1_048_576, "1Mi"),
        (1_048_577, "1048577"),
        (12_345_344, "12056Ki"),
        (52_428_800, "50Mi"),
        (1 << 60, "1Ei"),
        (u64::MAX, "18446744073709551615"),
    ] {
        assert_eq!(memory(bytes), text);
    }
}

#[test]
fn the_written_bytes_are_the_displayed_text() {
    let mut out = b"x".to_vec();
    CanonicalQuantity::memory(Bytes::new(12_345_344)).write_to(&mut out);
    assert_eq!(out, b"x12056Ki");
}

#[test]
fn reads_every_form_the_api_server_admits() {
    for (text, nano) in [
        ("4", 4_000_000_000),
        ("3900m", 3_900_000_000),
        ("0.5", 500_000_000),
        (".5", 500_000_000),
        ("5.", 5_000_000_000),
        ("+1", 1_000_000_000),
        ("007", 7_000_000_000),
        ("1e3", 1_000_000_000_000),
        ("1E3", 1_000_000_000_000),
        ("12e-3", 12_000_000),
        ("1E+1", 10_000_000_000),
        ("250u", 250_000),
        ("7n", 7),
        ("0.1n", 1),
        ("1k", 1_000_000_000_000),
        ("1.5Ki", 1_536_000_000_000),
        ("0", 0),
        ("0e99", 0),
        ("-4", 0),
    ] {
        assert_eq!(text.parse::<Quantity>().unwrap().nano(), nano, "{text}");
    }
}

#[test]
fn whole_and_milli_round_up_as_in_go() {
    let q = |text: &str| text.parse::<Quantity>().unwrap();
    assert_eq!((q("1n").milli(), q("1n").whole()), (1, 1));
    assert_eq!((q("1001m").milli(), q("1001m").whole()), (1001, 2));
    assert_eq!(q("128Mi").whole(), 134_217_728);
    assert_eq!(q("1E").whole(), 1_000_000_000_000_000_000);
    assert_eq!(q("1Ei").whole(), 1 << 60);
    assert_eq!(q("0.00000000000000000000001Ki").nano(), 1);
}

#[test]
fn what_is_larger_than_go_holds_stays_at_the_most() {
    for text in ["1e30", "99999999999999999999999999999999999999999", "100Ei"] {
        let q: Quantity = text.parse().unwrap();
        assert_eq!(q.whole(), i64::MAX.unsigned_abs(), "{text}");
    }
    assert_eq!(
        "100000000000000000000000000000000000000000e-41"
            .parse::<Quantity>()
            .unwrap()
            .whole(),
        1
    );
}

#[test]
fn says_in_gos_words_what_is_no_quantity() {
    for (text, error) in [
        ("", InvalidQuantity::Format),
        ("1 ", InvalidQuantity::Format),
        ("1e3x", InvalidQuantity::Format),
        ("ü", InvalidQuantity::Format),
        ("m", InvalidQuantity::Numeric),
        (".", InvalidQuantity::Numeric),
        ("-", InvalidQuantity::Numeric),
        ("1K", InvalidQuantity::Suffix),
        ("1e", InvalidQuantity::Suffix),
        ("1mm", InvalidQuantity::Suffix),
        ("1m3", InvalidQuantity::Suffix),
    ] {
        assert_eq!(text.parse::<Quantity>(), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "[-+]?[0-9.]{0,50}[eEinumkKMGTP]{0,3}[-+]?[0-9]{0,25}|\\PC*") {
        let _ = text.parse::<Quantity>().map(|q| (q.nano(), q.milli(), q.whole()));
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same(n in 0..=i64::MAX.unsigned_abs()) {
        prop_assert_eq!(cpu(n).parse::<Quantity>().unwrap().nano(), n);
        prop_assert_eq!(memory(n).parse::<Quantity>().unwrap().whole(), n);
    }
}
