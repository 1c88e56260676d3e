//! Content negotiation.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::request::Parts;
use loadline::api::metrics::GROUP;
use loadline::api::openapi::OpenApi;
use loadline::apimachinery::{MediaType, Negotiated, Transform};
use loadline::domain::{Clock, Timestamp};

#[derive(Debug)]
struct StoppedClock(Instant);

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_253_480_000)
    }

    fn monotonic(&self) -> Instant {
        self.0
    }
}

/// The first line is an `Accept`, the second the user agent, the third a query.
///
/// A clause in front that names nothing we serve changes nothing, nor does saying all twice, nor
/// "anything" behind everything else, but that something is served then. What has one form is
/// served wherever what has several is.
pub(super) fn check(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (accept, agent, query) = (line(), line(), line());
    if accept.is_empty() {
        return;
    }
    let ask = |accept: &[u8]| request("/x", accept, agent, query);
    let Some(parts) = ask(accept) else { return };
    let resource = Negotiated::for_resource(&parts);
    let plain = Negotiated::for_plain(&parts);
    if let (Ok(_), Err(error)) = (&plain, &resource) {
        panic!("served plain, and otherwise {error}");
    }
    if let Ok(negotiated) = resource {
        let table = matches!(negotiated.transform, Transform::Table(_));
        assert!(!table || negotiated.media_type != MediaType::Protobuf);
        if plain.is_err() {
            assert_ne!(negotiated.transform, Transform::None);
        }
    }
    for other in [
        [accept, b",", accept].concat(),
        [b"text/nothing,", accept].concat(),
    ] {
        let parts = ask(&other).unwrap_or_else(|| panic!("{other:?}"));
        assert_eq!(Negotiated::for_resource(&parts), resource, "{other:?}");
        assert_eq!(Negotiated::for_plain(&parts), plain, "{other:?}");
    }
    let last = [accept, b",*/*;q=-inf"].concat();
    let parts = ask(&last).unwrap_or_else(|| panic!("{last:?}"));
    let found = Negotiated::for_resource(&parts);
    assert!(found.is_ok() && (resource.is_err() || found == resource));
    openapi(accept);
}

/// The same holds of the other negotiation, that of OpenAPI documents.
fn openapi(accept: &[u8]) {
    static OPENAPI: LazyLock<OpenApi> = LazyLock::new(|| {
        // The one place that asks the time: nothing here depends on it.
        let clock = Arc::new(StoppedClock(Instant::now()));
        OpenApi::new(&[GROUP], "0.0.0", clock)
    });
    for path in ["/openapi/v2", "/openapi/v3/apis/metrics.k8s.io/v1"] {
        let ask = |accept: &[u8]| {
            let parts = request(path, accept, b"", b"")?;
            let answer = OPENAPI.answer(path, &parts)?;
            let form = answer.headers().get(CONTENT_TYPE).cloned();
            Some((answer.status().as_u16(), form))
        };
        let Some(answer) = ask(accept) else { return };
        // What is no text at all cannot be joined to anything, and nothing at all is as good as `*/*`.
        if accept.is_empty() || !accept.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return;
        }
        assert_eq!(ask(&[accept, b",", accept].concat()), Some(answer.clone()));
        let no_number = [accept, b",application/json;q=NaN"].concat();
        let all_but = [accept, b",application/json;q=0"].concat();
        assert_eq!(ask(&no_number), ask(&all_but));
        let found = ask(&[accept, b",*/*;q=-inf"].concat());
        let Some(found) = found else { continue };
        assert!(found.0 == 200 && (answer.0 != 200 || found == answer));
    }
}

fn request(path: &str, accept: &[u8], agent: &[u8], query: &[u8]) -> Option<Parts> {
    let query = std::str::from_utf8(query).ok()?;
    let request = Request::get(format!("{path}?{query}"))
        .header(ACCEPT, accept)
        .header(USER_AGENT, agent)
        .body(());
    Some(request.ok()?.into_parts().0)
}
