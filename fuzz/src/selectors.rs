//! Label and field selectors.

use loadline::apimachinery::{
    FieldOperator, FieldSelector, LabelOperator, LabelRequirement, LabelSelector,
};
use loadline::domain::Labels;

/// The first line is a selector, the others are labels `KEY=VALUE` it is asked about.
pub(super) fn check(data: &[u8]) {
    let Some(mut lines) = super::lines(data) else {
        return;
    };
    let selector = lines.next().unwrap_or_default();
    let labels: Labels = lines.filter_map(|line| line.split_once('=')).collect();
    if let Ok(parsed) = selector.parse() {
        label(selector, &parsed, &labels);
    }
    if let Ok(parsed) = selector.parse() {
        field(selector, &parsed, &labels);
    }
}

/// Printed as Go prints it, a selector reads back the same; it selects what each of its
/// requirements selects, and no requirement agrees with its opposite.
fn label(text: &str, selector: &LabelSelector, labels: &Labels) {
    let read = |text: &str| -> LabelSelector {
        text.parse()
            .unwrap_or_else(|error| panic!("{text:?}: {error}"))
    };
    let printed: Vec<String> = selector.requirements().iter().map(print).collect();
    assert_eq!(&read(&printed.join(",")), selector, "{text:?}");
    assert_eq!(&read(&format!(" {} ", printed.join(" ,\t"))), selector);
    let each = printed.iter().all(|one| read(one).matches(labels));
    assert_eq!(selector.matches(labels), each, "{text:?}");
    for (one, printed) in selector.requirements().iter().zip(&printed) {
        let selected = read(printed).matches(labels);
        let opposite = print(&LabelRequirement {
            key: one.key.clone(),
            operator: opposite(&one.operator),
        });
        let contrary = read(&opposite).matches(labels);
        let exclusive = matches!(
            one.operator,
            LabelOperator::GreaterThan(_) | LabelOperator::LessThan(_)
        );
        assert!(!(selected && contrary), "{printed} and {opposite}");
        assert!(exclusive || selected || contrary, "{printed} or {opposite}");
    }
}

fn opposite(operator: &LabelOperator) -> LabelOperator {
    match operator {
        LabelOperator::In(values) => LabelOperator::NotIn(values.clone()),
        LabelOperator::NotIn(values) => LabelOperator::In(values.clone()),
        LabelOperator::Exists => LabelOperator::DoesNotExist,
        LabelOperator::DoesNotExist => LabelOperator::Exists,
        LabelOperator::GreaterThan(than) => LabelOperator::LessThan(*than),
        LabelOperator::LessThan(than) => LabelOperator::GreaterThan(*than),
    }
}

fn print(requirement: &LabelRequirement) -> String {
    let key = &requirement.key;
    match &requirement.operator {
        LabelOperator::In(values) => match values.as_slice() {
            [value] => format!("{key}={value}"),
            values => format!("{key} in ({})", values.join(",")),
        },
        LabelOperator::NotIn(values) => match values.as_slice() {
            [value] => format!("{key}!={value}"),
            values => format!("{key} notin ({})", values.join(",")),
        },
        LabelOperator::Exists => key.to_string(),
        LabelOperator::DoesNotExist => format!("!{key}"),
        LabelOperator::GreaterThan(than) => format!("{key}>{than}"),
        LabelOperator::LessThan(than) => format!("{key}<{than}"),
    }
}

/// Printed with its values escaped, a selector reads back with the same requirements, and selects
/// the same.
fn field(text: &str, selector: &FieldSelector, labels: &Labels) {
    let printed: Vec<String> = selector
        .requirements()
        .iter()
        .map(|one| {
            let operator = match one.operator {
                FieldOperator::Equals => "=",
                FieldOperator::NotEquals => "!=",
            };
            let value = one
                .value
                .replace('\\', r"\\")
                .replace(',', r"\,")
                .replace('=', r"\=");
            format!("{}{operator}{value}", one.field)
        })
        .collect();
    let printed = printed.join(",");
    let again: FieldSelector = printed
        .parse()
        .unwrap_or_else(|error| panic!("{text:?} as {printed:?}: {error}"));
    // The order is that of the texts, which may have been others.
    let sorted = |selector: &FieldSelector| {
        let mut requirements: Vec<String> = selector
            .requirements()
            .iter()
            .map(|one| format!("{one:?}"))
            .collect();
        requirements.sort_unstable();
        requirements
    };
    assert_eq!(sorted(&again), sorted(selector), "{text:?} as {printed:?}");
    let value = |field: &str| labels.get(field).unwrap_or_default();
    assert_eq!(selector.matches(value), again.matches(value));
    for one in selector.requirements() {
        if let Some(exact) = selector.exact(&one.field) {
            assert!(!selector.matches(value) || value(&one.field) == exact);
        }
    }
}
