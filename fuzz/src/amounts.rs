//! Quantities and durations.

use std::time::Duration;

use loadline::apimachinery::{CanonicalQuantity, GoDuration, Quantity};

/// The first line is read as a quantity and as a duration, the second is a duration behind it; as
/// numbers, the first bytes are printed and read.
pub(super) fn check(data: &[u8]) {
    if let Some(number) = data.first_chunk().copied().map(u64::from_le_bytes) {
        printed(number);
    }
    let Some(mut lines) = super::lines(data) else {
        return;
    };
    let (first, second) = (lines.next().unwrap_or_default(), lines.next());
    quantity(first);
    duration(first, second.unwrap_or_default());
}

/// What is printed reads back as what it was.
fn printed(number: u64) {
    let cpu = loadline::domain::Nanocores::new(number);
    let text = CanonicalQuantity::cpu(cpu).to_string();
    assert_eq!(text.parse().map(Quantity::as_nanocores), Ok(cpu), "{text}");
    let held = number.min(i64::MAX.cast_unsigned());
    let memory = loadline::domain::Bytes::new(held);
    let text = CanonicalQuantity::memory(memory).to_string();
    assert_eq!(text.parse().map(Quantity::as_bytes), Ok(memory), "{text}");
    let nanos = number.cast_signed();
    let text = GoDuration::from_nanos(nanos).to_string();
    let read = text.parse().map(GoDuration::as_nanos);
    assert_eq!(read.as_ref(), Ok(&nanos), "{text}");
}

/// A sign, zeros in front and zeros behind the point change nothing but the sign, and every form of
/// the amount is rounded up from the same.
fn quantity(text: &str) {
    let Ok(quantity) = text.parse::<Quantity>() else {
        return;
    };
    let bare = text.trim_start_matches(['+', '-']);
    let parse = |text: String| -> Quantity {
        text.parse()
            .unwrap_or_else(|error| panic!("{text:?}: {error}"))
    };
    let positive = parse(format!("+{bare}"));
    let negative = parse(format!("-{bare}"));
    assert!(quantity == positive || quantity == negative);
    assert!(negative <= positive && negative.nano() == 0);
    assert_eq!(parse(format!("00{bare}")), positive);
    let digits = bare
        .bytes()
        .take_while(|b| b.is_ascii_digit() || *b == b'.');
    let (number, suffix) = bare.split_at(digits.count());
    let point = if number.contains('.') { "" } else { "." };
    assert_eq!(parse(format!("{number}{point}000{suffix}")), positive);
    let nano = positive.nano();
    if nano < u64::MAX {
        assert_eq!(positive.milli(), nano.div_ceil(1_000_000));
        assert_eq!(positive.whole(), nano.div_ceil(1_000_000_000));
    }
    assert!(positive.whole() <= i64::MAX.cast_unsigned());
}

/// What is read prints as what reads back the same; a sign changes the sign, and one duration
/// behind another is their sum.
fn duration(first: &str, second: &str) {
    let Ok(duration) = first.parse::<GoDuration>() else {
        return;
    };
    assert_eq!(duration.to_string().parse().as_ref(), Ok(&duration));
    let bare = first.trim_start_matches(['+', '-']);
    let negative = format!("-{bare}").parse().map(GoDuration::as_nanos);
    let nanos = duration.as_nanos();
    let below_zero = if nanos > 0 { -nanos } else { nanos };
    assert_eq!(negative, Ok(below_zero));
    let whole = duration.to_std().map(GoDuration::from);
    assert!(whole.is_none_or(|whole| whole == duration));
    assert_eq!(duration.to_std().is_none(), duration.as_nanos() < 0);
    let Ok(other) = second.parse::<GoDuration>() else {
        return;
    };
    let signed = [bare, second]
        .iter()
        .any(|text| matches!(*text, "0") || text.starts_with(['+', '-']));
    if signed {
        return;
    }
    let nanos = |duration: GoDuration| Duration::from_nanos(duration.as_nanos().unsigned_abs());
    let sum = nanos(duration) + nanos(other);
    let read = format!("{bare}{second}").parse::<GoDuration>();
    match i64::try_from(sum.as_nanos()) {
        Ok(sum) => assert_eq!(read.map(GoDuration::as_nanos), Ok(sum)),
        Err(_) => assert!(read.is_err()),
    }
}
