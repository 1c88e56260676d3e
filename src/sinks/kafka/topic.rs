//! Names of topics.

use super::super::options::Options;

/// So long a name may be.
const LONGEST: usize = 249;

/// A topic's name by Kafka's own rules.
pub(super) fn read_topic(option: &'static str, default: &str, options: &mut Options<'_>) -> String {
    let topic = options.text_or(option, default);
    let of_topic = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let dots = matches!(topic.as_str(), "." | "..");
    if dots || topic.len() > LONGEST || !topic.bytes().all(of_topic) {
        let what = "is no name of a topic: at most 249 letters, digits, '.', '_' and '-'";
        options.refuse(Some(option), what);
    }
    topic
}
