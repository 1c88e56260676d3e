//! The order in which go-yaml prints keys.

use std::cmp::Ordering;

/// Sorts entries by their keys as go-yaml does.
///
/// Its order is not transitive (`017`, `0b11`, `1:99` go round in a circle), which the sorts of the
/// standard library may answer with a panic. An insertion sort only yields one order of several.
pub(super) fn sorted<'a, T>(
    entries: impl Iterator<Item = (&'a String, T)>,
) -> Vec<(&'a String, T)> {
    let mut sorted: Vec<(&String, T)> = Vec::new();
    for (key, value) in entries {
        let later = sorted
            .iter()
            .rev()
            .take_while(|(other, _)| compare(key, other).is_lt())
            .count();
        sorted.insert(sorted.len() - later, (key, value));
    }
    sorted
}

/// Compares keys as go-yaml sorts a map: letters after everything else, runs of digits by their
/// value.
fn compare(a: &str, b: &str) -> Ordering {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) else {
        return a.len().cmp(&b.len());
    };
    let (rest_a, rest_b) = (
        a.get(at..).unwrap_or_default(),
        b.get(at..).unwrap_or_default(),
    );
    let (Some(x), Some(y)) = (rest_a.first(), rest_b.first()) else {
        return Ordering::Equal;
    };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => x.cmp(y),
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let inside_number = (*x == '0' || *y == '0') && follows_number(&a, at);
            let (number_a, len_a) = number(rest_a, inside_number);
            let (number_b, len_b) = number(rest_b, inside_number);
            number_a
                .cmp(&number_b)
                .then(len_a.cmp(&len_b))
                .then(x.cmp(y))
        }
    }
}

/// Whether the digits before `at` hold one that is not zero, so that a zero there counts.
fn follows_number(text: &[char], at: usize) -> bool {
    text.iter()
        .take(at)
        .rev()
        .take_while(|c| c.is_numeric())
        .any(|c| *c != '0')
}

/// The number at the start of `text` and how many digits it has; a leading 1 is thought before it
/// on demand.
fn number(text: &[char], after_one: bool) -> (u64, usize) {
    let digits = text.iter().map_while(|c| c.to_digit(10));
    digits.fold((u64::from(after_one), 0), |(value, len), digit| {
        (value.wrapping_mul(10).wrapping_add(digit.into()), len + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_go_yaml_sorts_them() {
        let sorted = [
            "", "1", "2", "10", "a", "a-b", "a.b", "a/b", "a1", "a2", "a02", "a10", "ab", "b",
            "b01", "b100",
        ];
        // "a02" stands after "a2": the same value, more digits.
        for (at, a) in sorted.iter().enumerate() {
            for b in sorted.iter().skip(at + 1) {
                assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
                assert_eq!(compare(b, a), Ordering::Greater, "{b} {a}");
            }
        }
    }

    #[test]
    fn keys_that_go_round_in_a_circle_are_put_in_some_order() {
        let keys: Vec<String> = (0..200)
            .flat_map(|n| [format!("0{n}"), format!("0b{n}"), format!("{n}:99")])
            .collect();
        assert_eq!(sorted(keys.iter().map(|key| (key, ()))).len(), keys.len());
    }
}
