//! Errors as people read them.

/// An error and its causes in one line. Some libraries repeat their cause in their own text: each is
/// told once.
#[must_use]
pub fn story(error: &anyhow::Error) -> String {
    let mut story = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if story.ends_with(&cause) {
            continue;
        }
        if !story.is_empty() {
            story.push_str(": ");
        }
        story.push_str(&cause);
    }
    story
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn each_cause_is_told_once() {
        let error = Err::<(), _>(anyhow!("gone")).context("a: gone");
        let error = error.context("b").unwrap_err();
        assert_eq!(story(&error), "b: a: gone");
    }
}
