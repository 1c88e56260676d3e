// Collector is the receiver of an OpenTelemetry collector, and nothing behind it: what it takes over OTLP/HTTP it writes
// to a file, one JSON object a line, before it confirms it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: collector HOST:PORT FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run receives at an address until it is asked to stop. What the file holds stays.
func run(address, path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	receivers, err := receiversAt(ctx, address, &book{file: file})
	if err != nil {
		return err
	}
	for _, one := range receivers {
		if err := one.Start(ctx, componenttest.NewNopHost()); err != nil {
			return err
		}
	}
	<-ctx.Done()
	for _, one := range receivers {
		if err := one.Shutdown(context.Background()); err != nil {
			return err
		}
	}
	return nil
}

// receiversAt makes the receivers of metrics and of logs; both listen at one address.
func receiversAt(ctx context.Context, address string, book *book) ([]component.Component, error) {
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	given := confmap.NewFromStringMap(map[string]any{
		"protocols": map[string]any{"http": map[string]any{"endpoint": address}},
	})
	if err := given.Unmarshal(config); err != nil {
		return nil, err
	}
	settings := receiver.Settings{
		ID:                component.NewID(factory.Type()),
		TelemetrySettings: componenttest.NewNopTelemetrySettings(),
		BuildInfo:         component.NewDefaultBuildInfo(),
	}
	toMetrics, err := consumer.NewMetrics(book.metrics)
	if err != nil {
		return nil, err
	}
	toLogs, err := consumer.NewLogs(book.logs)
	if err != nil {
		return nil, err
	}
	metrics, err := factory.CreateMetrics(ctx, settings, config, toMetrics)
	if err != nil {
		return nil, err
	}
	logs, err := factory.CreateLogs(ctx, settings, config, toLogs)
	if err != nil {
		return nil, err
	}
	return []component.Component{metrics, logs}, nil
}
