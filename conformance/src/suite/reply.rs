//! One answer and what was asked, so that every disappointment names both.

use serde_json::Value;

use super::verdict::{Stop, Verdict, ensure, equal, failed, text};
use crate::client::Answer;

const SHOWN: usize = 400;

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// Method and path of the request.
    pub(crate) asked: String,
    /// What came.
    pub(crate) answer: Answer,
}

impl Reply {
    /// The status code.
    pub(crate) fn code(&self) -> u16 {
        self.answer.status.as_u16()
    }

    /// The answer in one line.
    pub(crate) fn seen(&self) -> String {
        let body: String = self.answer.text().chars().take(SHOWN).collect();
        format!(
            "{} answered {} {} {}",
            self.asked,
            self.code(),
            self.header("content-type"),
            body.trim_end()
        )
    }

    /// The first value of a header, empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.answer.header(name)
    }

    /// The body as text.
    pub(crate) fn body(&self) -> String {
        String::from_utf8_lossy(&self.answer.body).into_owned()
    }

    /// Fails unless the status code is this.
    pub(crate) fn is(&self, code: u16) -> Result<&Self, Stop> {
        ensure(self.code() == code, format!("status {code}"), self.seen())?;
        Ok(self)
    }

    /// Fails unless the header has exactly this value.
    pub(crate) fn has(&self, name: &str, value: &str) -> Result<&Self, Stop> {
        ensure(
            self.header(name) == value,
            format!("{name}: {value}"),
            format!("{name}: {} ({})", self.header(name), self.seen()),
        )?;
        Ok(self)
    }

    /// Fails when the header is there.
    pub(crate) fn lacks(&self, name: &str) -> Result<&Self, Stop> {
        ensure(
            !self.answer.headers.contains_key(name),
            format!("no header {name}"),
            format!("{name}: {} ({})", self.header(name), self.seen()),
        )?;
        Ok(self)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value, Stop> {
        serde_json::from_slice(&self.answer.body)
            .map_err(|error| failed(format!("JSON ({error})"), self.seen()))
    }

    /// 200 and JSON.
    pub(crate) fn ok_json(&self) -> Result<Value, Stop> {
        self.is(200)?.json()
    }

    /// A `Status` in JSON with this code and reason.
    pub(crate) fn status(&self, code: u16, reason: &str) -> Result<Value, Stop> {
        self.is(code)?;
        let status = self.json()?;
        let expected = format!("a Status {reason} {code}");
        let right = text(&status, "/kind") == "Status"
            && text(&status, "/apiVersion") == "v1"
            && text(&status, "/status") == "Failure"
            && text(&status, "/reason") == reason
            && status.get("code").and_then(Value::as_u64) == Some(u64::from(code));
        ensure(right, expected, self.seen())?;
        Ok(status)
    }

    /// A `Status` with this code, reason and message.
    pub(crate) fn refusal(&self, code: u16, reason: &str, message: &str) -> Result<Value, Stop> {
        let status = self.status(code, reason)?;
        equal("message", text(&status, "/message"), message)?;
        Ok(status)
    }

    /// Fails unless the body is exactly this.
    pub(crate) fn body_is(&self, body: &str) -> Verdict {
        equal("body", self.body().as_str(), body)
    }

    /// Fails unless the body contains this.
    pub(crate) fn body_has(&self, part: &str) -> Verdict {
        ensure(
            self.body().contains(part),
            format!("a body with {part}"),
            self.seen(),
        )
    }
}
