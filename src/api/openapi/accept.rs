//! Which form of a document a request accepts.

use http::HeaderMap;
use http::header::ACCEPT;

/// The forms a document is served in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Protobuf,
}

/// The subtypes of `application` that mean the protobuf form.
pub(super) type ProtobufNames = &'static [&'static str];

/// Picks the first clause of `Accept` that names a form, the highest quality first; JSON comes
/// before protobuf where a wildcard leaves the choice. No header is as good as `*/*`; `None` when
/// nothing fits.
pub(super) fn accepted(headers: &HeaderMap, protobuf: ProtobufNames) -> Option<Form> {
    let accept = match headers.get(ACCEPT) {
        Some(accept) => accept.to_str().ok()?,
        None => "*/*",
    };
    let mut clauses: Vec<(f32, &str)> = accept.split(',').map(clause).collect();
    clauses.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    clauses.into_iter().find_map(|(_, range)| match range {
        "*/*" | "application/*" | "application/json" => Some(Form::Json),
        _ => range
            .strip_prefix("application/")
            .filter(|subtype| protobuf.contains(subtype))
            .map(|_| Form::Protobuf),
    })
}

/// The quality and the media range of one clause.
fn clause(text: &str) -> (f32, &str) {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().unwrap_or_default();
    let quality: f32 = parts
        .find_map(|parameter| parameter.strip_prefix("q="))
        .map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
    // Go reads `NaN` too, where it then compares as equal with everything.
    let quality = if quality.is_nan() { 0.0 } else { quality };
    (quality, range)
}

#[cfg(test)]
mod tests {
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
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(accepted(&headers, &["spec+protobuf"]), form, "{accept}");
        }
        assert_eq!(accepted(&HeaderMap::new(), &[]), Some(Form::Json));
    }
}
