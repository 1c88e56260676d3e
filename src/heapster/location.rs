//! The path of a request as Go's mux and Heapster's router read it.

use http::Uri;

use crate::apimachinery::{decode_path, encode_path};

/// The most slashes a path may have; more get 414. Heapster's longest route has ten, a system
/// container's name or a metric's may hold some more. Its length is bounded by [`Uri`]: 64 KiB with
/// the query.
const MAX_SEGMENTS: usize = 64;

/// Where a request leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// To a path without empty or dotted segments; decoded.
    Path(String),
    /// To another path, percent-encoded, with the query if there was one.
    Elsewhere(String),
    /// To no path: a percent sign without two hexadecimal digits, or what is no UTF-8.
    Undecodable,
    /// Too far.
    TooLong,
}

impl Location {
    /// Reads a request's target.
    pub(super) fn of(uri: &Uri) -> Self {
        let query = uri.query();
        let Ok(path) = decode_path(uri.path()) else {
            return Self::Undecodable;
        };
        if path.bytes().filter(|byte| *byte == b'/').count() > MAX_SEGMENTS {
            return Self::TooLong;
        }
        let clean = clean(&path);
        if clean == path {
            return Self::Path(clean);
        }
        let mut location = encode_path(&clean);
        if let Some(query) = query {
            location.push('?');
            location.push_str(query);
        }
        Self::Elsewhere(location)
    }
}

/// The segments of a clean path; a slash at its end makes no difference.
pub(super) fn segments(path: &str) -> Vec<&str> {
    path.trim_matches('/').split('/').collect()
}

/// Removes empty and dotted segments as Go's mux does before it looks for a handler, keeping a
/// slash at the end.
fn clean(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let mut clean = String::with_capacity(path.len());
    for segment in &kept {
        clean.push('/');
        clean.push_str(segment);
    }
    if clean.is_empty() || path.ends_with('/') {
        clean.push('/');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(uri: &str) -> Option<String> {
        let uri: Uri = uri.parse().unwrap();
        match Location::of(&uri) {
            Location::Path(path) => Some(format!("at {path}")),
            Location::Elsewhere(location) => Some(location),
            Location::Undecodable | Location::TooLong => None,
        }
    }

    #[test]
    fn paths_are_cleaned_as_gos_mux_cleans_them() {
        for (uri, expected) in [
            ("/a/b/", "at /a/b/"),
            ("/a%2Fb%20c", "at /a/b c"),
            ("/a//b", "/a/b"),
            ("/a%2F%2Fb", "/a/b"),
            ("/a/./b?x=1&y=%2F", "/a/b?x=1&y=%2F"),
            ("/a/../b/", "/b/"),
            ("/a/..", "/"),
            ("/../../x?", "/x?"),
            (
                "/a//%C3%A9%3F%23%25;,=+&$@:!*",
                "/a/%C3%A9%3F%23%25;,=+&$@:%21%2A",
            ),
            ("/", "at /"),
            ("*", "/*"),
        ] {
            let expected = expected.replace("/*", "/%2A");
            assert_eq!(locate(uri), Some(expected), "{uri}");
        }
    }

    #[test]
    fn what_is_beyond_the_bounds_or_no_path_leads_nowhere() {
        let deep = "/a".repeat(MAX_SEGMENTS + 1);
        for uri in ["/%", "/%zz", "/%ff", deep.as_str()] {
            assert_eq!(locate(uri), None, "{uri}");
        }
        assert!(locate(&"/a".repeat(MAX_SEGMENTS)).is_some());
        let long = format!("/{}", "a".repeat(64 * 1024));
        assert!(long.parse::<Uri>().is_err());
    }
}
