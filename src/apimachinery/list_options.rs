//! The parameters of list and watch requests (`metav1.ListOptions`).

use super::json;
use super::query::Query;
use super::quote::Quoted;
use super::selector::{FieldSelector, LabelSelector};
use super::status::{GroupResource, Status, StatusCause};

/// The parameters of a list or watch, decoded and valid.
///
/// `limit` and `continue`, and the `resourceVersion` of a list, are read for their errors and then
/// have no effect: a list is always whole and always newest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// `labelSelector`.
    pub label_selector: LabelSelector,
    /// `fieldSelector`; names only fields the resource supports.
    pub field_selector: FieldSelector,
    /// `watch`.
    pub watch: bool,
    /// `resourceVersion`.
    pub resource_version: String,
    /// `timeoutSeconds`.
    pub timeout_seconds: Option<i64>,
    /// `sendInitialEvents`, on a watch only. A watch from no version or from any has it, too, when
    /// it does not say otherwise: that is what it always meant.
    pub send_initial_events: Option<bool>,
    /// `allowWatchBookmarks`.
    pub allow_watch_bookmarks: bool,
}

const MATCH: &str = "resourceVersionMatch";
const MATCH_WITH_CONTINUE: &str = "resourceVersionMatch is forbidden when continue is provided";

impl ListOptions {
    /// Reads the parameters from a query. `supported` are the fields a field selector may name.
    ///
    /// # Errors
    /// 400 with the parser's text for what cannot be read or names an unknown field, 422 for
    /// parameters that contradict each other.
    pub fn from_query(query: &Query, supported: &[&str]) -> Result<Self, Status> {
        let timeout_seconds = integer(query, "timeoutSeconds")?;
        integer(query, "limit")?;
        let mut options = Self {
            label_selector: parse(query, "labelSelector")?,
            field_selector: parse(query, "fieldSelector")?,
            watch: query.flag("watch"),
            resource_version: text(query, "resourceVersion").to_owned(),
            timeout_seconds,
            send_initial_events: query
                .first("sendInitialEvents")
                .map(|_| query.flag("sendInitialEvents")),
            allow_watch_bookmarks: query.flag("allowWatchBookmarks"),
        };
        let faults = if options.watch {
            options.faults_of_watch(query)
        } else {
            options.faults_of_list(query)
        };
        if !faults.is_empty() {
            let kind = GroupResource {
                group: "meta.k8s.io",
                resource: "ListOptions",
            };
            return Err(Status::invalid(kind, "", faults));
        }
        options.check_fields(supported)?;
        if options.watch && options.begins_with_all(query) {
            options.send_initial_events = Some(true);
        }
        Ok(options)
    }

    fn check_fields(&self, supported: &[&str]) -> Result<(), Status> {
        let fields = self.field_selector.requirements().iter();
        let unknown = fields
            .map(|one| one.field.as_ref())
            .find(|field| !supported.contains(field));
        let Some(unknown) = unknown else {
            return Ok(());
        };
        let known: Vec<_> = supported
            .iter()
            .map(|field| Quoted(field).to_string())
            .collect();
        Err(Status::bad_request(format!(
            "{} is not a known field selector: only {}",
            Quoted(unknown),
            known.join(", ")
        )))
    }

    fn faults_of_list(&self, query: &Query) -> Vec<StatusCause> {
        let mut faults = Vec::new();
        let matching = text(query, MATCH);
        if !matching.is_empty() {
            if self.resource_version.is_empty() {
                let rule = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                faults.push(forbidden(MATCH, rule));
            }
            if !text(query, "continue").is_empty() {
                faults.push(forbidden(MATCH, MATCH_WITH_CONTINUE));
            }
            if !matches!(matching, "Exact" | "NotOlderThan") {
                faults.push(not_supported(
                    MATCH,
                    matching,
                    r#""Exact", "NotOlderThan", """#,
                ));
            }
            if matching == "Exact" && self.resource_version == "0" {
                let rule = r#"resourceVersionMatch "exact" is forbidden for resourceVersion "0""#;
                faults.push(forbidden(MATCH, rule));
            }
        }
        if self.send_initial_events.is_some() {
            let rule = "sendInitialEvents is forbidden for list";
            faults.push(forbidden("sendInitialEvents", rule));
        }
        faults
    }

    /// What a watch from "now" or "any version" meant before the parameters existed that say so.
    fn begins_with_all(&self, query: &Query) -> bool {
        self.send_initial_events.is_none()
            && text(query, MATCH).is_empty()
            && matches!(&*self.resource_version, "" | "0")
    }

    /// The version a watch goes on from; `None` for "now" and "any".
    ///
    /// # Errors
    /// 422 with the parser's text for what is no version.
    pub fn watch_from(&self, resource: GroupResource<'_>) -> Result<Option<u64>, Status> {
        let text = self.resource_version.as_str();
        if matches!(text, "" | "0") {
            return Ok(None);
        }
        // Unlike Go, Rust takes a sign.
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(version) if digits => Ok(Some(version)),
            _ => {
                let fault = number_fault("ParseUint", text, digits);
                let fault = StatusCause {
                    reason: "FieldValueInvalid".to_owned(),
                    message: format!("Invalid value: {}: {fault}", json::quoted(text)),
                    field: "resourceVersion".to_owned(),
                };
                Err(Status::invalid(resource, "", vec![fault]))
            }
        }
    }

    fn faults_of_watch(&self, query: &Query) -> Vec<StatusCause> {
        let mut faults = Vec::new();
        let mut matching = text(query, MATCH);
        let mut initial_events = self.send_initial_events.is_some();
        if self.begins_with_all(query) {
            (initial_events, matching) = (true, "NotOlderThan");
        }
        if initial_events && matching != "NotOlderThan" {
            let rule = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            faults.push(forbidden(MATCH, rule));
        }
        if !matching.is_empty() {
            if !initial_events {
                let rule = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                faults.push(forbidden(MATCH, rule));
            }
            if matching != "NotOlderThan" {
                faults.push(not_supported(MATCH, matching, r#""NotOlderThan""#));
            }
            if !text(query, "continue").is_empty() {
                faults.push(forbidden(MATCH, MATCH_WITH_CONTINUE));
            }
        }
        faults
    }
}

fn text<'q>(query: &'q Query, key: &str) -> &'q str {
    query.first(key).unwrap_or_default()
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    query: &Query,
    key: &str,
) -> Result<T, Status> {
    let parsed = text(query, key).parse::<T>();
    parsed.map_err(|error| Status::bad_request(error.to_string()))
}

/// Reads an integer as `strconv.ParseInt` does, with its words when it cannot.
fn integer(query: &Query, key: &str) -> Result<Option<i64>, Status> {
    let Some(text) = query.first(key) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        Status::bad_request(number_fault("ParseInt", text, is_number))
    })
}

/// Why a text is no number, in the words of Go's `strconv`.
fn number_fault(function: &str, text: &str, is_number: bool) -> String {
    let fault = if is_number {
        "value out of range"
    } else {
        "invalid syntax"
    };
    format!("strconv.{function}: parsing {}: {fault}", Quoted(text))
}

fn forbidden(field: &str, rule: &str) -> StatusCause {
    StatusCause {
        reason: "FieldValueForbidden".to_owned(),
        message: format!("Forbidden: {rule}"),
        field: field.to_owned(),
    }
}

fn not_supported(field: &str, value: &str, supported: &str) -> StatusCause {
    StatusCause {
        reason: "FieldValueNotSupported".to_owned(),
        message: format!(
            "Unsupported value: {}: supported values: {supported}",
            json::quoted(value)
        ),
        field: field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: GroupResource<'_> = GroupResource {
        group: "metrics.k8s.io",
        resource: "nodes",
    };
    const SUPPORTED: [&str; 2] = ["metadata.name", "metadata.namespace"];

    fn read(query: &str) -> Result<ListOptions, (u16, String)> {
        ListOptions::from_query(&Query::parse(Some(query)), &SUPPORTED)
            .map_err(|status| (status.code(), status.message().to_owned()))
    }

    #[test]
    fn paging_and_versions_are_accepted_without_effect() {
        for query in [
            "",
            "limit=1",
            "limit=500&continue=abc",
            "resourceVersion=0",
            "resourceVersion=5&resourceVersionMatch=NotOlderThan",
            "resourceVersion=5&resourceVersionMatch=Exact",
            "timeoutSeconds=30",
            "watch=0",
            "unknown=x",
            "labelSelector=&fieldSelector=",
        ] {
            let options = read(query).unwrap();
            assert!(
                !options.watch && options.label_selector.is_empty(),
                "{query}"
            );
        }
        assert_eq!(read("timeoutSeconds=30").unwrap().timeout_seconds, Some(30));
    }

    #[test]
    fn what_cannot_be_read_is_a_bad_request_in_gos_words() {
        for (query, message) in [
            (
                "limit=abc",
                r#"strconv.ParseInt: parsing "abc": invalid syntax"#,
            ),
            ("limit=", r#"strconv.ParseInt: parsing "": invalid syntax"#),
            (
                "timeoutSeconds=99999999999999999999",
                r#"strconv.ParseInt: parsing "99999999999999999999": value out of range"#,
            ),
            (
                "labelSelector=a%20b",
                "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
            ),
            (
                "labelSelector==x",
                "found '=', expected: !, identifier, or 'end of string'",
            ),
            (
                "fieldSelector=foo",
                "invalid selector: 'foo'; can't understand 'foo'",
            ),
            (
                "fieldSelector=spec.nodeName%3Dn1",
                r#""spec.nodeName" is not a known field selector: only "metadata.name", "metadata.namespace""#,
            ),
        ] {
            assert_eq!(read(query), Err((400, message.to_owned())), "{query}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_invalid() {
        let unless = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided";
        for (query, faults) in [
            ("resourceVersionMatch=Exact", unless.to_owned()),
            (
                "resourceVersionMatch=Bogus",
                format!(
                    r#"[{unless}, resourceVersionMatch: Unsupported value: "Bogus": supported values: "Exact", "NotOlderThan", ""]"#
                ),
            ),
            (
                "resourceVersion=0&resourceVersionMatch=Exact",
                r#"resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0""#.to_owned(),
            ),
            (
                "sendInitialEvents=true",
                "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list".to_owned(),
            ),
            (
                "watch=1&sendInitialEvents=true",
                "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan".to_owned(),
            ),
            (
                "watch=1&resourceVersionMatch=NotOlderThan",
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided".to_owned(),
            ),
        ] {
            let message = format!(r#"ListOptions.meta.k8s.io "" is invalid: {faults}"#);
            assert_eq!(read(query), Err((422, message)), "{query}");
        }
    }

    #[test]
    fn a_watch_begins_with_all_there_is_unless_it_knows_a_version() {
        for (query, initial, from) in [
            ("watch=1", Some(true), None),
            ("watch=1&resourceVersion=0", Some(true), None),
            ("watch=1&resourceVersion=7", None, Some(7)),
            (
                "watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan",
                Some(false),
                None,
            ),
            (
                "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=7",
                Some(true),
                Some(7),
            ),
        ] {
            let options = read(query).unwrap();
            assert_eq!(options.send_initial_events, initial, "{query}");
            assert_eq!(options.watch_from(NODES), Ok(from), "{query}");
        }
    }

    #[test]
    fn a_watch_from_what_is_no_version_is_invalid() {
        for (version, fault) in [
            ("abc", "invalid syntax"),
            ("-1", "invalid syntax"),
            ("%2B1", "invalid syntax"),
            ("99999999999999999999", "value out of range"),
        ] {
            let query = format!("watch=1&resourceVersion={version}");
            let status = read(&query).unwrap().watch_from(NODES).unwrap_err();
            let version = version.replace("%2B", "+");
            let message = format!(
                r#"nodes.metrics.k8s.io "" is invalid: resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": {fault}"#
            );
            assert_eq!((status.code(), status.message()), (422, message.as_str()));
        }
    }

    #[test]
    fn a_reflectors_watch_is_valid() {
        let query = "watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
        let options = read(query).unwrap();
        assert!(options.watch && options.allow_watch_bookmarks);
        assert_eq!(options.send_initial_events, Some(true));
    }
}
