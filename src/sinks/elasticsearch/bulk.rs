//! What `_bulk` says of each document.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::chunks::{Chunk, Extent};
use super::super::export::ExportError;

/// A piece on its way: what is still to be sent of it, and what became of the rest.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsettled {
    /// Bodies of documents, their lines together.
    pub body: Vec<u8>,
    records: Vec<Extent>,
    /// Points of documents that will never be taken.
    pub refused: usize,
    /// Why, of the last such.
    pub complaint: Option<String>,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    items: Vec<BTreeMap<&'a str, Item<'a>>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    status: u16,
    #[serde(borrow)]
    error: Option<Complaint<'a>>,
}

#[derive(Deserialize)]
struct Complaint<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
}

/// The parts of the answer that are read.
pub(super) const ASKED: &str = "filter_path=items.*.status,items.*.error.type,items.*.error.reason";

impl From<Chunk> for Unsettled {
    fn from(chunk: Chunk) -> Self {
        Self {
            body: chunk.body,
            records: chunk.records,
            refused: 0,
            complaint: None,
        }
    }
}

impl Unsettled {
    /// Takes an answer in; what is left is to be sent again. 409 says that the document is there
    /// already.
    ///
    /// # Errors
    /// When something is left, with the reason the last of it had.
    pub(super) fn settle(&mut self, answer: &str) -> Result<(), ExportError> {
        let incomprehensible =
            || ExportError::Failing("an answer that is none of _bulk".to_owned());
        let said: Said<'_> = serde_json::from_str(answer).map_err(|_| incomprehensible())?;
        if said.items.len() != self.records.len() {
            return Err(incomprehensible());
        }
        let (mut left, mut failed, mut from) = (Self::default(), None, 0);
        for (record, item) in self.records.iter().zip(&said.items) {
            let document = self.body.get(from..record.end).unwrap_or_default();
            from = record.end;
            let item = item.values().next();
            let (status, why) = item.map_or((0, String::new()), Item::shown);
            match status {
                200..=299 | 409 => {}
                400 | 402 | 404..=428 | 430..=499 => {
                    self.refused += record.points;
                    self.complaint = Some(why);
                }
                status => {
                    left.body.extend_from_slice(document);
                    let end = left.body.len();
                    left.records.push(Extent { end, ..*record });
                    failed = Some(match status {
                        401 | 403 => ExportError::Denied(why),
                        _ => ExportError::Failing(why),
                    });
                }
            }
        }
        (self.body, self.records) = (left.body, left.records);
        failed.map_or(Ok(()), Err)
    }

    /// None of what is left will ever be taken.
    pub(super) fn refuse(&mut self, why: String) {
        let left = std::mem::take(&mut self.records);
        self.refused += left.iter().map(|record| record.points).sum::<usize>();
        self.complaint = Some(why);
        self.body.clear();
    }
}

impl Item<'_> {
    fn shown(&self) -> (u16, String) {
        let Some(error) = &self.error else {
            return (self.status, self.status.to_string());
        };
        let Complaint { kind, reason } = error;
        let reason: String = reason.chars().take(SHOWN).collect();
        (self.status, format!("{} {kind}: {reason}", self.status))
    }
}

/// How much of a reason is shown.
const SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Unsettled {
        let record = |end, points| Extent { end, points };
        Unsettled {
            body: b"aabbbc".to_vec(),
            records: vec![record(2, 1), record(5, 4), record(6, 2)],
            ..Unsettled::default()
        }
    }

    fn answer(statuses: [u16; 3]) -> String {
        let item = |status| {
            format!(
                "{{\"create\":{{\"status\":{status},\"error\":\
                 {{\"type\":\"t\",\"reason\":\"a \\\"b\\\"\"}}}}}}"
            )
        };
        format!("{{\"items\":[{}]}}", statuses.map(item).join(","))
    }

    #[test]
    fn only_what_may_yet_be_taken_is_left() {
        let mut unsettled = three();
        let failed = unsettled.settle(&answer([201, 429, 400])).unwrap_err();
        assert_eq!(failed, ExportError::Failing("429 t: a \"b\"".to_owned()));
        assert_eq!(unsettled.body, b"bbb");
        assert_eq!(unsettled.refused, 2);
        assert_eq!(unsettled.complaint.as_deref(), Some("400 t: a \"b\""));
        assert_eq!(
            unsettled.settle("{\"items\":[{\"create\":{\"status\":409}}]}"),
            Ok(())
        );
        assert_eq!((unsettled.body.len(), unsettled.refused), (0, 2));
    }

    #[test]
    fn a_document_we_may_not_write_is_kept() {
        let mut unsettled = three();
        let failed = unsettled.settle(&answer([403, 503, 403])).unwrap_err();
        assert_eq!(failed, ExportError::Denied("403 t: a \"b\"".to_owned()));
        assert_eq!(unsettled.body, b"aabbbc");
    }

    #[test]
    fn an_answer_about_something_else_settles_nothing() {
        for answer in ["", "{}", "[]", "{\"items\":[]}", "<html>"] {
            let mut unsettled = three();
            assert!(matches!(
                unsettled.settle(answer),
                Err(ExportError::Failing(_))
            ));
            assert_eq!(unsettled.body, b"aabbbc", "{answer}");
        }
    }
}
