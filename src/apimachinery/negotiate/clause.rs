//! The clauses of an `Accept` header.

use super::{Conversion, MediaType};

/// One clause: a media range and its parameters.
pub(super) struct Clause<'a> {
    main: &'a str,
    sub: &'a str,
    quality: f32,
    parameters: Vec<(&'a str, &'a str)>,
}

/// The readable clauses, best first: by quality, then specific before wildcard, then as written.
pub(super) fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<_> = accept.split(',').filter_map(Clause::parse).collect();
    let wildcards = |clause: &Clause<'_>| (clause.main == "*", clause.sub == "*");
    clauses.sort_by(|a, b| {
        let by_quality = b.quality.total_cmp(&a.quality);
        by_quality.then_with(|| wildcards(a).cmp(&wildcards(b)))
    });
    clauses
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';');
        let range = parts.next()?.trim();
        let (main, sub) = match range.split_once('/') {
            Some((_, sub)) if sub.contains('/') || sub.is_empty() => return None,
            Some((main, sub)) => (main.trim(), sub.trim()),
            None if range == "*" => ("*", "*"),
            None => return None,
        };
        let mut clause = Self {
            main,
            sub,
            quality: 1.0,
            parameters: Vec::new(),
        };
        for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
            let name = name.trim();
            if name == "q" {
                // Go does not trim here, so `q = 0.5` is the lowest quality.
                let quality: f32 = value.parse().unwrap_or_default();
                clause.quality = if quality.is_nan() { 0.0 } else { quality };
            } else if !value.is_empty() && !value.contains('=') {
                clause.parameters.push((name, value.trim()));
            }
        }
        Some(clause)
    }

    /// Whether the media range covers this media type.
    pub(super) fn names(&self, media_type: MediaType) -> bool {
        match (self.main, self.sub) {
            ("*" | "application", "*") => true,
            ("application", sub) => sub == media_type.sub_type(),
            _ => false,
        }
    }

    /// The same of any subtype of `application`, where either half may be a wildcard of its own.
    pub(super) fn covers(&self, sub_type: &str) -> bool {
        matches!(self.main, "*" | "application") && (self.sub == "*" || self.sub == sub_type)
    }

    /// The last value of a parameter; an empty one counts as none.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        let last = self.parameters.iter().rfind(|(key, _)| *key == name);
        last.map(|(_, value)| *value)
    }

    /// The conversion the clause asks for (`Some(None)`: none); `None` when the clause cannot be
    /// used for this media type at all. YAML is never streamed.
    pub(super) fn conversion(&self, media_type: MediaType) -> Option<Option<Conversion>> {
        let stream = self.parameter("stream");
        let can_stream = stream == Some("watch") && media_type != MediaType::Yaml;
        if self.parameter("sv").is_some() || (stream.is_some() && !can_stream) {
            return None;
        }
        let [kind, group, version] = ["as", "g", "v"].map(|name| self.parameter(name));
        if kind.is_none() && group.is_none() && version.is_none() {
            return Some(None);
        }
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        Some(Some(Conversion {
            kind: text(kind),
            group: text(group),
            version: text(version),
        }))
    }
}
