//! What Go 1.26 says to the same texts.

use crate::domain::Timestamp;
use crate::heapster::go_time::{GoTime, Stamp};

/// The text of an error that names the element that could not be read.
fn cannot(text: &str, found: &str, element: &str) -> String {
    format!(
        "parsing time \"{text}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"{found}\" as \
         \"{element}\""
    )
}

#[test]
fn times_are_read_as_go_reads_them() {
    for (text, seconds, nanos) in [
        ("2018-02-01T05:04:05Z", 1_517_461_445, 0),
        ("2018-02-01T5:04:05Z", 1_517_461_445, 0),
        ("2018-02-01T05:04:05.5Z", 1_517_461_445, 500_000_000),
        (
            "2018-02-01T05:04:05,123456789123Z",
            1_517_461_445,
            123_456_789,
        ),
        ("2018-02-01T05:04:05+08:00", 1_517_432_645, 0),
        ("2018-02-01T05:04:05-08:30", 1_517_492_045, 0),
        ("2018-02-01T05:04:05+24:60", 1_517_371_445, 0),
        ("0000-01-01T00:00:00Z", -62_167_219_200, 0),
        ("0001-01-01T00:00:00Z", GoTime::ZERO.seconds, 0),
    ] {
        assert_eq!(GoTime::parse(text), Ok(GoTime { seconds, nanos }), "{text}");
    }
    assert!(GoTime::parse("9999-12-31T23:59:59-24:00").is_ok());
}

#[test]
fn what_cannot_be_read_is_named_as_go_names_it() {
    for (text, found, element) in [
        ("x", "x", "2006"),
        ("", "", "2006"),
        ("2018", "", "-"),
        ("2018-", "", "01"),
        ("2018-1-01T00:00:00Z", "1-01T00:00:00Z", "01"),
        ("2018-02-01", "", "T"),
        ("2018-02-01T", "", "15"),
        ("2018-02-01T05:04:05", "", "Z07:00"),
        ("2018-02-01T05:04:05+0800", "+0800", "Z07:00"),
        ("2018-02-01T05:04:05 08:00", " 08:00", "Z07:00"),
        ("2018-02-01 05:04:05Z", " 05:04:05Z", "T"),
        ("1517461445", "461445", "-"),
        ("2a18-01-01T00:00:00Z", "2a18-01-01T00:00:00Z", "2006"),
        ("-018-01-01T00:00:00Z", "-018-01-01T00:00:00Z", "2006"),
        ("2018-02-01T05:04:05.Z", ".Z", "Z07:00"),
        ("2018-02-01T05:04:05.xZ", ".xZ", "Z07:00"),
        ("2018-02-01T05:04:05*08:00", "*08:00", "Z07:00"),
        ("2018-02-01T05:04:05+0a:00", "+0a:00", "Z07:00"),
        ("2018-02-01T05:04:05+08:0a", "+08:0a", "Z07:00"),
        ("2018-02-01T05:04:05+081:00", "+081:00", "Z07:00"),
    ] {
        let error = GoTime::parse(text).unwrap_err().to_string();
        assert_eq!(error, cannot(text, found, element));
    }
}

#[test]
fn what_is_out_of_range_is_named_as_go_names_it() {
    for (text, why) in [
        ("2018-13-01T00:00:00Z", "month out of range"),
        ("2018-00-01T00:00:00Z", "month out of range"),
        ("2018-02-30T00:00:00Z", "day out of range"),
        ("2018-01-00T00:00:00Z", "day out of range"),
        ("2018-02-01T25:04:05Z", "hour out of range"),
        ("2018-02-01T24:00:00Z", "hour out of range"),
        ("2018-02-01T05:64:05Z", "minute out of range"),
        ("2018-02-01T05:04:65Z", "second out of range"),
        ("2018-02-01T05:04:60+9", "second out of range"),
        (
            "2018-02-01T05:04:05+25:00",
            "time zone offset hour out of range",
        ),
        (
            "2018-02-01T05:04:05+24:61",
            "time zone offset minute out of range",
        ),
        (
            "2018-02-01T05:04:05+99:99x",
            "time zone offset minute out of range",
        ),
        ("2018-02-01T05:04:05Zx", "extra text: \"x\""),
        ("2018-02-01T05:04:05Z ", "extra text: \" \""),
    ] {
        let error = GoTime::parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("parsing time \"{text}\": {why}"));
    }
}

#[test]
fn texts_are_quoted_as_package_time_quotes_them() {
    for (text, quoted) in [
        ("ü018", "\\xc3\\xbc018"),
        ("\"\\\n\u{7f}", "\\\"\\\\\\x0a\u{7f}"),
        ("\u{fffd}x", "\\xef\\xbf\\xbdx"),
    ] {
        let error = GoTime::parse(text).unwrap_err().to_string();
        assert_eq!(error, cannot(quoted, quoted, "2006"));
    }
}

#[test]
fn bounds_between_milliseconds_are_drawn_inwards() {
    let time = GoTime::parse("1970-01-01T00:00:01.0005Z").unwrap();
    assert_eq!(time.ceil(), Timestamp::from_millis(1001));
    assert_eq!(time.floor(), Timestamp::from_millis(1000));
}

#[test]
fn stamps_show_as_much_of_a_fraction_as_there_is() {
    for (millis, text) in [
        (Some(1_767_323_045_000), "2026-01-02T03:04:05Z"),
        (Some(1_767_323_045_120), "2026-01-02T03:04:05.12Z"),
        (Some(-1), "1969-12-31T23:59:59.999Z"),
        (None, "0001-01-01T00:00:00Z"),
    ] {
        let stamp = Stamp(millis.map(Timestamp::from_millis));
        assert_eq!(stamp.to_string(), text);
    }
}
