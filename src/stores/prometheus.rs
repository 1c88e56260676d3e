//! Whatever speaks Prometheus' query API, asked in PromQL.

use std::collections::{BTreeSet, HashMap};

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, request};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::body;
use super::failure::Failure;
use super::labels::{List, Named};
use super::promql;
use super::store::{LONGEST, Points, Stretch, count};
use crate::apimachinery::query_escape;
use crate::domain::{EntityKey, Metric, Timestamp, Value};
use crate::history::{Query, Series};
use crate::sinks::{Http, PrometheusLayout};

/// One server.
#[derive(Debug)]
pub(super) struct Prometheus {
    http: Http,
    layout: PrometheusLayout,
}

#[derive(Debug, Deserialize)]
struct Body<T> {
    status: String,
    data: Option<T>,
    error: Option<String>,
    /// Why the data may not be all there is: Prometheus' remote reads, Thanos' stores.
    #[serde(default)]
    warnings: Vec<String>,
    /// VictoriaMetrics' way to say the same.
    #[serde(default, rename = "isPartial")]
    partial: bool,
}

#[derive(Debug, Deserialize)]
struct Matrix {
    result: Vec<Samples>,
}

#[derive(Debug, Deserialize)]
struct Samples {
    metric: HashMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

/// Pods asked for in one request.
const TOGETHER: usize = 200;
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

impl Prometheus {
    pub(super) const fn new(http: Http, layout: PrometheusLayout) -> Self {
        Self { http, layout }
    }

    pub(super) async fn points(
        &self,
        query: &Query,
        stretch: Stretch,
    ) -> Result<Vec<Points>, Failure> {
        let named: Vec<Named<'_>> = query.subjects.iter().map(Named::of).collect();
        let (mut all, mut counted) = (Vec::new(), 0);
        let together = |a: &Named<'_>, b: &Named<'_>| {
            a.own.is_some() && b.own.is_some() && a.shared == b.shared
        };
        let groups = named.chunk_by(together).flat_map(|g| g.chunks(TOGETHER));
        for subjects in groups {
            let found = self.samples(subjects, &query.series, stretch, &mut counted);
            let found = found.await?;
            // Who is asked for twice is answered twice.
            let of = |named: &Named<'_>| {
                let own = named.own.map(|(_, value)| value).unwrap_or_default();
                found.get(own).cloned().unwrap_or_default()
            };
            all.extend(subjects.iter().map(of));
        }
        Ok(all)
    }

    /// The points of subjects that share their other labels, by their own one's value; of one that
    /// has none by the empty text.
    async fn samples(
        &self,
        subjects: &[Named<'_>],
        series: &Series,
        stretch: Stretch,
        counted: &mut usize,
    ) -> Result<HashMap<String, Points>, Failure> {
        let mut found = HashMap::<String, Points>::new();
        let Some(query) = promql::samples(&self.layout, subjects, series, stretch) else {
            return Ok(found);
        };
        let own = subjects.first().and_then(|named| named.own);
        let (secs, millis) = (stretch.end.div_euclid(1000), stretch.end.rem_euclid(1000));
        let body = format!("query={}&time={secs}.{millis:03}", query_escape(&query));
        let request = Request::post(format!("{}/api/v1/query", self.layout.base));
        let request = request.header(CONTENT_TYPE, FORM);
        let matrix: Matrix = self.ask(request, body).await?;
        for mut samples in matrix.result {
            let own = own.and_then(|(name, _)| samples.metric.remove(name));
            let points = samples.values.iter();
            let points = points.filter_map(|sample| self.point(series.metric, sample));
            let place = found.entry(own.unwrap_or_default()).or_default();
            let before = place.len();
            place.extend(points);
            count(counted, place.len() - before)?;
        }
        Ok(found)
    }

    fn point(&self, metric: Metric, (secs, value): &(f64, String)) -> Option<(Timestamp, Value)> {
        let value: f64 = value.parse().ok()?;
        let value = value.is_finite().then_some(value)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`as` saturates, and who is beyond the type is of no time asked for"
        )]
        let at = (secs * 1000.0).round() as i64;
        Some((
            Timestamp::from_millis(at),
            self.layout.value(metric, value)?,
        ))
    }

    pub(super) async fn list(
        &self,
        list: List<'_>,
        now: Timestamp,
    ) -> Result<BTreeSet<String>, Failure> {
        let (label, selectors) = promql::list(&self.layout, list);
        self.values(label, &selectors, now).await
    }

    pub(super) async fn metric_names(
        &self,
        entity: &EntityKey,
        now: Timestamp,
    ) -> Result<BTreeSet<String>, Failure> {
        let all = promql::of_entity(&self.layout, entity, None);
        let told = self.values("__name__", &[all], now).await?;
        let metrics = told.iter().filter_map(|name| self.layout.metric(name));
        let metrics: BTreeSet<Metric> = metrics.collect();
        let unlabelled = metrics.iter().filter(|metric| !metric.is_labelled());
        let named = unlabelled.filter(|metric| **metric != Metric::ResourceRequest);
        let mut names: BTreeSet<String> = named.map(|metric| metric.name().to_owned()).collect();
        if metrics.contains(&Metric::ResourceRequest) {
            let requests = promql::of_entity(&self.layout, entity, Some(Metric::ResourceRequest));
            let resources = self.values("resource", &[requests], now).await?;
            names.extend(
                resources
                    .iter()
                    .map(|resource| format!("{resource}/request")),
            );
        }
        Ok(names)
    }

    /// The values of a label the series these selectors find have.
    async fn values(
        &self,
        label: &str,
        selectors: &[String],
        now: Timestamp,
    ) -> Result<BTreeSet<String>, Failure> {
        let matches = selectors.iter().map(|selector| query_escape(selector));
        let matches: Vec<String> = matches.map(|m| format!("&match[]={m}")).collect();
        let (base, end) = (&self.layout.base, now.as_secs());
        let path = format!(
            "{base}/api/v1/label/{label}/values?start=0&end={end}{}",
            matches.concat()
        );
        self.ask(Request::get(path), String::new()).await
    }

    async fn ask<T: DeserializeOwned + Send + 'static>(
        &self,
        mut request: request::Builder,
        form: String,
    ) -> Result<T, Failure> {
        if let Some((name, value)) = &self.layout.tenant {
            request = request.header(name, value);
        }
        let answer = self.http.fetch(request, form.into_bytes(), LONGEST).await?;
        let body: Body<T> = body::read(answer).await?;
        if body.status != "success" {
            return Err(Failure::said(body.error.as_deref().unwrap_or("no success")));
        }
        if let Some(warning) = body.warnings.first() {
            return Err(Failure::said(warning));
        }
        match body.data {
            Some(data) if !body.partial => Ok(data),
            _ => Err(Failure::Partial),
        }
    }
}
