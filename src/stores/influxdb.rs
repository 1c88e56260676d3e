//! InfluxDB, asked in InfluxQL.

use std::collections::BTreeSet;

use http::Request;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value as Json};

use super::body;
use super::failure::Failure;
use super::influxql;
use super::labels::List;
use super::store::{LONGEST, Points, Stretch, count};
use crate::apimachinery::query_escape;
use crate::domain::{EntityKey, Metric, Point, Timestamp};
use crate::history::{Query, Series};
use crate::sinks::{Http, InfluxdbLayout};

/// One server.
#[derive(Debug)]
pub(super) struct Influxdb {
    http: Http,
    layout: InfluxdbLayout,
}

/// What the server answers to statements that give rows like this.
#[derive(Debug, Deserialize)]
struct Body<R> {
    #[serde(default = "Vec::new")]
    results: Vec<Outcome<R>>,
    error: Option<String>,
}

/// What came of one statement.
#[derive(Debug, Deserialize)]
struct Outcome<R> {
    statement_id: Option<usize>,
    #[serde(default = "Vec::new")]
    series: Vec<Rows<R>>,
    error: Option<String>,
    #[serde(default)]
    partial: bool,
}

#[derive(Debug, Deserialize)]
struct Rows<R> {
    #[serde(default)]
    name: String,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default = "Vec::new")]
    values: Vec<R>,
    #[serde(default)]
    partial: bool,
}

/// Milliseconds, and the one field that was asked for.
type Sample = (i64, Option<Number>);

/// Statements in one request.
const TOGETHER: usize = 100;
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

impl Influxdb {
    pub(super) const fn new(http: Http, layout: InfluxdbLayout) -> Self {
        Self { http, layout }
    }

    pub(super) async fn points(
        &self,
        query: &Query,
        stretch: Stretch,
    ) -> Result<Vec<Points>, Failure> {
        let (mut all, mut counted) = (Vec::new(), 0);
        for subjects in query.subjects.chunks(TOGETHER) {
            let statements: Vec<String> = subjects
                .iter()
                .map(|subject| influxql::points(&self.layout, subject, &query.series, stretch))
                .collect();
            let answers = self.ask::<Sample>(&statements).await?;
            for series in answers {
                let samples = series.into_iter().flat_map(|rows| rows.values);
                let points: Points = samples
                    .filter_map(|sample| point(query.series.metric, &sample))
                    .collect();
                count(&mut counted, points.len())?;
                all.push(points);
            }
        }
        Ok(all)
    }

    pub(super) async fn list(&self, list: List<'_>) -> Result<BTreeSet<String>, Failure> {
        let statement = influxql::list(&self.layout, list);
        // Tag and value.
        let answers = self.ask::<(String, String)>(&[statement]).await?;
        let rows = answers.into_iter().flatten().flat_map(|rows| rows.values);
        Ok(rows.map(|(_, value)| value).collect())
    }

    pub(super) async fn metric_names(
        &self,
        entity: &EntityKey,
    ) -> Result<BTreeSet<String>, Failure> {
        let statement = influxql::measurements(&self.layout, entity);
        let answers = self.ask::<(String,)>(&[statement]).await?;
        let rows = answers.into_iter().flatten().flat_map(|rows| rows.values);
        let names: BTreeSet<String> = rows.map(|(name,)| name).collect();
        let names = match self.layout.with_fields() {
            true => self.fields(names, entity).await?,
            false => names,
        };
        // Those of file systems are no list's, and events may stand beside them.
        let unlabelled = |name: &String| Series::named(name, None).is_some();
        Ok(names.into_iter().filter(unlabelled).collect())
    }

    /// The metrics an entity has in these measurements, by their fields.
    async fn fields(
        &self,
        measurements: BTreeSet<String>,
        entity: &EntityKey,
    ) -> Result<BTreeSet<String>, Failure> {
        let fields = |name: &String| influxql::fields(&self.layout, name, entity);
        let statements: Vec<String> = measurements.iter().map(fields).collect();
        let mut names = BTreeSet::new();
        for statements in statements.chunks(TOGETHER) {
            let answers = self.ask::<Vec<Json>>(statements).await?;
            for rows in answers.into_iter().flatten() {
                for values in &rows.values {
                    let columns = rows.columns.iter().zip(values);
                    let there = columns.filter(|(_, value)| !value.is_null());
                    let fields = there.filter_map(|(column, _)| column.strip_prefix("last_"));
                    names.extend(fields.map(|field| match field {
                        "value" => rows.name.clone(),
                        field => format!("{}/{field}", rows.name),
                    }));
                }
            }
        }
        Ok(names)
    }

    /// Has statements executed; the series each of them gives, in their order.
    async fn ask<R: DeserializeOwned + Send + 'static>(
        &self,
        statements: &[String],
    ) -> Result<Vec<Vec<Rows<R>>>, Failure> {
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        let database = query_escape(&self.layout.database);
        let request = Request::post(format!("/query?db={database}&epoch=ms"));
        let request = request.header(CONTENT_TYPE, FORM);
        let form = format!("q={}", query_escape(&statements.join("; ")));
        let answer = self.http.fetch(request, form.into_bytes(), LONGEST).await?;
        by_statement(body::read(answer).await?, statements.len())
    }
}

fn by_statement<R>(body: Body<R>, statements: usize) -> Result<Vec<Vec<Rows<R>>>, Failure> {
    if let Some(error) = body.error {
        return Err(Failure::said(&error));
    }
    let mut all: Vec<Option<Vec<Rows<R>>>> = (0..statements).map(|_| None).collect();
    for (at, outcome) in body.results.into_iter().enumerate() {
        if let Some(error) = outcome.error {
            return Err(Failure::said(&error));
        }
        if outcome.partial || outcome.series.iter().any(|rows| rows.partial) {
            return Err(Failure::Partial);
        }
        if let Some(place) = all.get_mut(outcome.statement_id.unwrap_or(at)) {
            place.get_or_insert_default().extend(outcome.series);
        }
    }
    // A statement without an outcome was not executed.
    all.into_iter()
        .collect::<Option<_>>()
        .ok_or(Failure::Partial)
}

fn point(metric: Metric, (at, value): &Sample) -> Option<(Timestamp, crate::domain::Value)> {
    let value = value.as_ref()?;
    let point = match value.as_i64() {
        Some(value) => Point::int(metric, value),
        None => Point::float(metric, value.as_f64()?),
    };
    Some((Timestamp::from_millis(*at), point.value()))
}
