//! Which form of a document a request accepts.

use std::iter;

use http::HeaderMap;

use crate::apimachinery::choose;

/// The forms a document is served in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Protobuf,
}

/// The subtypes of `application` that mean the protobuf form.
pub(super) type ProtobufNames = &'static [&'static str];

/// The form a request gets; JSON comes before protobuf where a wildcard leaves the choice. `None`
/// when nothing fits.
pub(super) fn accepted(headers: &HeaderMap, protobuf: ProtobufNames) -> Option<Form> {
    let protobuf = protobuf.iter().map(|name| (*name, Form::Protobuf));
    let offered: Vec<_> = iter::once(("json", Form::Json)).chain(protobuf).collect();
    choose(headers, &offered)
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    #[test]
    fn the_best_clause_that_names_a_form_wins() {
        for (accept, form) in [
            ("application/json", Some(Form::Json)),
            ("*/*", Some(Form::Json)),
            ("application/*", Some(Form::Json)),
            ("application/spec+protobuf", Some(Form::Protobuf)),
            ("application/spec+protobuf, */*", Some(Form::Protobuf)),
            (
                "application/json;q=0.5, application/spec+protobuf",
                Some(Form::Protobuf),
            ),
            (
                "application/spec+protobuf;q=0.5,application/json ; q=0.9",
                Some(Form::Json),
            ),
            ("text/html, application/json;q=0.1", Some(Form::Json)),
            (
                "application/spec+protobuf;q=NaN, application/json;q=0.1",
                Some(Form::Json),
            ),
            ("text/html", None),
            ("text/*", None),
            ("application/other+protobuf", None),
            ("", Some(Form::Json)),
            ("*", Some(Form::Json)),
            ("*/json", Some(Form::Json)),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(accepted(&headers, &["spec+protobuf"]), form, "{accept}");
        }
        assert_eq!(accepted(&HeaderMap::new(), &[]), Some(Form::Json));
    }
}
