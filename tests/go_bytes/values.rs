//! Numbers, names and texts to encode.

use proptest::prelude::*;

/// Numbers of every size that fit Go's `int64`, many of them with factors that a suffix takes away.
pub(super) fn amount(factor: u64) -> impl Strategy<Value = u64> {
    let largest = i64::MAX.cast_unsigned();
    let round = (0_u64..2000, 0_u32..7)
        .prop_map(move |(n, power)| n.saturating_mul(factor.saturating_pow(power)).min(largest));
    prop_oneof![
        Just(0),
        0_u64..5000,
        round,
        (0_u32..63).prop_flat_map(|bits| 0..1_u64 << bits),
        Just(largest),
    ]
}

/// Names Kubernetes admits, some of which YAML would read as something else.
pub(super) fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?",
        1 => "(y|n|on|off|yes|no|true|null|1e3|0x1f|0o17|017|1\\.5|12|2026-01-02|1\\.e5|0b1|7\\.7\\.7)",
        1 => "[a-z0-9]{1,2}(\\.[a-z0-9]{1,5}){1,3}",
    ]
}

/// What an API server admits as the key of a label and much that it never would, since neither
/// encoder asks.
pub(super) fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "([a-z0-9]{1,8}(\\.[a-z0-9]{1,8}){0,2}/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,12}[A-Za-z0-9])?",
        2 => "[0-9a-fxeE_.:+-]{0,8}",
        1 => "(|~|null|Yes|OFF|<<|=|\\.inf|-\\.INF|\\.NaN|1_000|0x_1|1:30|12:30:45|2026-01-02T03:04:05Z|---|- |#|!|&a|\\*a)",
        1 => "[a-z0-9.]{100,160}/[a-zA-Z0-9]{1,63}",
        1 => "[ -~]{0,20}",
        1 => "([a-z]{1,12} {1,2}){5,20}",
        1 => "([a-zé日😀\"'<]{0,3}[ \n\t]){0,6}",
    ]
}

/// The same for values, and any text at all. Left out are the two characters go-yaml takes for line
/// breaks and Loadline escapes.
pub(super) fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        9 => key(),
        1 => any::<String>().prop_map(|text| text.replace(['\u{2028}', '\u{2029}'], "")),
    ]
}
