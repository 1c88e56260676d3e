//! What Go writes, and whether it is the same.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use proptest::prelude::*;
use serde_json::Value;

/// `clients encode`, asked one question after the other.
pub(super) struct Go {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Go {
    pub(super) fn start(program: &Path) -> Self {
        let mut child = Command::new(program)
            .arg("encode")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self {
            questions: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    pub(super) fn encode(&mut self, description: &Value) -> Value {
        writeln!(self.questions, "{description}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fails where an encoding is not Go's.
pub(super) fn same(ours: [(&str, String); 4], go: &Value, what: &str) -> Result<(), TestCaseError> {
    for (encoding, ours) in ours {
        let theirs = go[encoding].as_str().unwrap_or_default();
        // go-yaml has no one order for some sets of keys.
        let undecided = encoding == "yaml" && theirs.is_empty();
        if undecided {
            continue;
        }
        if let Some(difference) = difference(&ours, theirs) {
            let message = format!("{encoding}{what}: {difference}");
            return Err(TestCaseError::fail(message));
        }
    }
    Ok(())
}

pub(super) fn text(body: bytes::Bytes) -> String {
    String::from_utf8_lossy(&body).into_owned()
}

/// Where two texts part, with what each says there.
fn difference(ours: &str, theirs: &str) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let same = ours.chars().zip(theirs.chars()).take_while(|(a, b)| a == b);
    let at = same.count();
    let around =
        |text: &str| -> String { text.chars().skip(at.saturating_sub(60)).take(120).collect() };
    Some(format!(
        "differs from character {at} on\n  Loadline {:?}\n  Go       {:?}",
        around(ours),
        around(theirs)
    ))
}
