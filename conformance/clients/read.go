package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// How long one check may take.
const patience = 90 * time.Second

// A reader looks at one live API and knows what it has to show.
type reader struct {
	config   *rest.Config
	nodes    []string // their names
	pods     []string // NAMESPACE/NAME
	selector string   // a label selector for pods
	selected []string // what it selects of them
	out      *json.Encoder
	mutex    sync.Mutex
}

// A verdict is one line of the report.
type verdict struct {
	Check   string  `json:"check"`
	OK      bool    `json:"ok"`
	Said    string  `json:"said"`
	Seconds float64 `json:"seconds"`
}

// read runs every check against the cluster a kubeconfig leads to, and reports each on a line of its own.
func read(arguments []string) error {
	flags := flag.NewFlagSet("read", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "the cluster and who asks")
	nodes := flags.String("nodes", "", "all nodes with metrics, separated by commas")
	pods := flags.String("pods", "", "all pods with metrics, as NAMESPACE/NAME, separated by commas")
	selector := flags.String("selector", "", "a label selector for pods")
	selected := flags.String("selected", "", "the pods it selects, as --pods")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	// The check of parallel requests would otherwise measure how patient a client is.
	config.QPS = -1
	// What clients only log is no finding: what counts is what their callers get.
	klog.SetLogger(klog.Logger{})
	r := &reader{
		config:   config,
		nodes:    list(*nodes),
		pods:     list(*pods),
		selector: *selector,
		selected: list(*selected),
		out:      json.NewEncoder(os.Stdout),
	}
	r.checkValues()
	r.checkRequests()
	r.checkDiscovery()
	r.checkStreams()
	r.checkWatching()
	return nil
}

func list(commas string) []string {
	if commas == "" {
		return nil
	}
	parts := strings.Split(commas, ",")
	slices.Sort(parts)
	return parts
}

// check runs one check. One that ignores its deadline is reported all the same, and left behind.
func (r *reader) check(name string, body func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	started := time.Now()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if fault := recover(); fault != nil {
				done <- fmt.Errorf("panic: %v", fault)
			}
		}()
		done <- body(ctx)
	}()
	var err error
	select {
	case err = <-done:
	case <-time.After(patience + 5*time.Second):
		err = fmt.Errorf("it hangs")
	}
	line := verdict{Check: name, OK: err == nil, Seconds: time.Since(started).Seconds()}
	if err != nil {
		line.Said = err.Error()
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	_ = say(r.out, line)
}

// contentTypes notes what the answers to one client say they are.
type contentTypes struct {
	next  http.RoundTripper
	mutex sync.Mutex
	seen  map[string]bool
}

func (c *contentTypes) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := c.next.RoundTrip(request)
	if err == nil {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.seen[answer.Header.Get("Content-Type")] = true
	}
	return answer, err
}

// speaking copies the configuration for a client that accepts this type alone.
func (r *reader) speaking(contentType string) (*rest.Config, *contentTypes) {
	config := rest.CopyConfig(r.config)
	config.AcceptContentTypes = contentType
	config.ContentType = contentType
	seen := &contentTypes{seen: map[string]bool{}}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		seen.next = next
		return seen
	})
	return config, seen
}
