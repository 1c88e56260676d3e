//! The headers in which a front proxy says whom it speaks for.

use std::collections::BTreeMap;

use http::header::HeaderName;

/// The names behind `X-Remote-*`, as the ConfigMap or the `--requestheader-*` flags give them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyHeaders {
    /// The common names the proxy's certificate may have; empty for any.
    pub allowed_names: Vec<String>,
    /// Headers with the user's name; the first that is not empty counts.
    pub username: Vec<HeaderName>,
    /// Headers with the user's UID; the first that is not empty counts.
    pub uid: Vec<HeaderName>,
    /// Headers with groups; every value of each counts.
    pub group: Vec<HeaderName>,
    /// What the names of headers with extra attributes begin with, in lower case.
    pub extra_prefixes: Vec<String>,
}

impl ProxyHeaders {
    /// Reads the lists of the ConfigMap.
    ///
    /// # Errors
    /// The key whose value is no JSON list of texts.
    pub(super) fn from_config_map(data: &BTreeMap<String, String>) -> Result<Self, String> {
        let list = |key: &str| -> Result<Vec<String>, String> {
            match data.get(key).map_or("", |v| v.trim()) {
                "" => Ok(Vec::new()),
                json => serde_json::from_str(json).map_err(|e| format!("{key}: {e}")),
            }
        };
        Ok(Self::new(
            list("requestheader-allowed-names")?,
            &list("requestheader-username-headers")?,
            &list("requestheader-uid-headers")?,
            &list("requestheader-group-headers")?,
            &list("requestheader-extra-headers-prefix")?,
        ))
    }

    /// Joins the five lists. A text that no header could be called is left out: it could never
    /// match.
    #[must_use]
    pub fn new(
        allowed_names: Vec<String>,
        username: &[String],
        uid: &[String],
        group: &[String],
        extra_prefixes: &[String],
    ) -> Self {
        let names = |list: &[String]| {
            list.iter()
                .filter_map(|name| HeaderName::try_from(name.trim()).ok())
                .collect()
        };
        Self {
            allowed_names,
            username: names(username),
            uid: names(uid),
            group: names(group),
            extra_prefixes: extra_prefixes
                .iter()
                .map(|p| p.trim().to_ascii_lowercase())
                .filter(|p| !p.is_empty())
                .collect(),
        }
    }
}
