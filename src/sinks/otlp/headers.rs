//! `headers`: what requests bear besides.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
    EXPECT, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};

use super::super::credentials::{Credentials, beside};
use super::super::options::Options;

const OPTION: &str = "headers";
/// What the sink says itself, and what would have requests or answers take another form.
const OWN: [HeaderName; 12] = [
    ACCEPT_ENCODING,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    HOST,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    USER_AGENT,
];

/// Reads pairs of a name and a value, all of them sensitive. `credentials` are those that are sent.
pub(super) fn read(
    credentials: &Credentials,
    options: &mut Options<'_>,
) -> Vec<(HeaderName, HeaderValue)> {
    options.refuse_blank(OPTION);
    let mut headers = Vec::<(HeaderName, HeaderValue)>::new();
    for (at, pair) in options.list(OPTION).iter().enumerate() {
        let Some((name, value)) = header(pair) else {
            options.refuse(Some(OPTION), "is no list of name:value");
            continue;
        };
        if OWN.contains(&name) {
            options.refuse(Some(OPTION), format!("{name} is set by the sink itself"));
        }
        if name == AUTHORIZATION
            && let Some(way) = credentials.way()
        {
            let what = format!("{name} {}", beside(way));
            options.refuse(Some(OPTION), what);
        }
        if headers.iter().any(|(other, _)| *other == name) {
            let what = format!("name {} of the list stands there twice", at + 1);
            options.refuse(Some(OPTION), what);
        }
        headers.push((name, value));
    }
    headers
}

fn header(pair: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = pair.split_once(':')?;
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::try_from(name).ok()?, value))
}
