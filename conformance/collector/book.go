package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// book is the file all goes to. A request is there as a whole, or not confirmed.
type book struct {
	mutex sync.Mutex
	file  *os.File
}

// point is one number as it was received.
type point struct {
	Resource    map[string]any `json:"resource"`
	Name        string         `json:"name"`
	Unit        string         `json:"unit"`
	Kind        string         `json:"kind"`
	Temporality string         `json:"temporality,omitempty"`
	Monotonic   bool           `json:"monotonic"`
	Attributes  map[string]any `json:"attributes"`
	Start       uint64         `json:"start"`
	Time        uint64         `json:"time"`
	Value       float64        `json:"value"`
	Integer     bool           `json:"integer"`
}

// record is one log record as it was received.
type record struct {
	Resource   map[string]any `json:"resource"`
	Attributes map[string]any `json:"attributes"`
	Event      string         `json:"event"`
	Time       uint64         `json:"time"`
	Observed   uint64         `json:"observed"`
	Severity   int32          `json:"severity"`
	Text       string         `json:"text"`
	Body       any            `json:"body"`
}

func (b *book) metrics(_ context.Context, received pmetric.Metrics) error {
	var lines []any
	for _, resource := range received.ResourceMetrics().All() {
		of := resource.Resource().Attributes().AsRaw()
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				points, err := pointsOf(of, metric)
				if err != nil {
					return err
				}
				lines = append(lines, points...)
			}
		}
	}
	return b.write(lines)
}

func pointsOf(resource map[string]any, metric pmetric.Metric) ([]any, error) {
	base := point{Resource: resource, Name: metric.Name(), Unit: metric.Unit(), Kind: metric.Type().String()}
	var numbers pmetric.NumberDataPointSlice
	switch metric.Type() {
	case pmetric.MetricTypeGauge:
		numbers = metric.Gauge().DataPoints()
	case pmetric.MetricTypeSum:
		base.Temporality = metric.Sum().AggregationTemporality().String()
		base.Monotonic = metric.Sum().IsMonotonic()
		numbers = metric.Sum().DataPoints()
	default:
		return nil, fmt.Errorf("%s is a %s", metric.Name(), metric.Type())
	}
	var points []any
	for _, number := range numbers.All() {
		one := base
		one.Attributes = number.Attributes().AsRaw()
		one.Start, one.Time = uint64(number.StartTimestamp()), uint64(number.Timestamp())
		switch number.ValueType() {
		case pmetric.NumberDataPointValueTypeInt:
			one.Integer, one.Value = true, float64(number.IntValue())
		case pmetric.NumberDataPointValueTypeDouble:
			one.Value = number.DoubleValue()
		default:
			return nil, fmt.Errorf("%s has a point without a value", metric.Name())
		}
		points = append(points, one)
	}
	return points, nil
}

func (b *book) logs(_ context.Context, received plog.Logs) error {
	var lines []any
	for _, resource := range received.ResourceLogs().All() {
		of := resource.Resource().Attributes().AsRaw()
		for _, scope := range resource.ScopeLogs().All() {
			for _, log := range scope.LogRecords().All() {
				lines = append(lines, recordOf(of, log))
			}
		}
	}
	return b.write(lines)
}

func recordOf(resource map[string]any, log plog.LogRecord) record {
	var body any
	if log.Body().Type() != pcommon.ValueTypeEmpty {
		body = log.Body().AsRaw()
	}
	return record{
		Resource:   resource,
		Attributes: log.Attributes().AsRaw(),
		Event:      log.EventName(),
		Time:       uint64(log.Timestamp()),
		Observed:   uint64(log.ObservedTimestamp()),
		Severity:   int32(log.SeverityNumber()),
		Text:       log.SeverityText(),
		Body:       body,
	}
}

func (b *book) write(lines []any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for _, line := range lines {
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	_, err := b.file.Write(text.Bytes())
	return err
}
