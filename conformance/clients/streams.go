package main

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/metrics/pkg/client/clientset/versioned"
)

// checkStreams reads the first events of a watch by every client that can watch, in every encoding.
func (r *reader) checkStreams() {
	if watchable, err := r.watchable("v1", "pods"); err != nil || !watchable {
		return
	}
	for _, version := range versions {
		for _, contentType := range []string{runtime.ContentTypeJSON, runtime.ContentTypeProtobuf} {
			name := fmt.Sprintf("clientset %s, %s: a watch", version, contentType)
			r.check(name, func(ctx context.Context) error {
				config, seen := r.speaking(contentType)
				clients, err := versioned.NewForConfig(config)
				if err != nil {
					return err
				}
				begin := clients.MetricsV1beta1().PodMetricses("").Watch
				if version == "v1" {
					begin = clients.MetricsV1().PodMetricses("").Watch
				}
				if err := r.initialEvents(ctx, begin); err != nil {
					return err
				}
				wanted := contentType
				if contentType == runtime.ContentTypeProtobuf {
					wanted += ";stream=watch"
				}
				seen.mutex.Lock()
				defer seen.mutex.Unlock()
				if !seen.seen[wanted] || len(seen.seen) != 1 {
					return fmt.Errorf("it came as %v", seen.seen)
				}
				return nil
			})
		}
		r.check("metadata client "+version+": a watch", func(ctx context.Context) error {
			client, err := metadata.NewForConfig(r.config)
			if err != nil {
				return err
			}
			return r.initialEvents(ctx, client.Resource(served(version, "pods")).Watch)
		})
	}
}

// initialEvents makes sure that a watch begins with every pod and says when that was all.
func (r *reader) initialEvents(ctx context.Context, begin func(context.Context, metav1.ListOptions) (watch.Interface, error)) error {
	all := true
	stream, err := begin(ctx, metav1.ListOptions{
		AllowWatchBookmarks:  true,
		SendInitialEvents:    &all,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	if err != nil {
		return err
	}
	defer stream.Stop()
	var names []string
	for event := range stream.ResultChan() {
		object, err := meta.Accessor(event.Object)
		if err != nil {
			return fmt.Errorf("%s: %w", event.Type, err)
		}
		if object.GetResourceVersion() == "" {
			return fmt.Errorf("%s of %s has no version", event.Type, object.GetName())
		}
		switch event.Type {
		case watch.Added:
			names = append(names, object.GetNamespace()+"/"+object.GetName())
		case watch.Bookmark:
			if object.GetAnnotations()[metav1.InitialEventsAnnotationKey] != "true" {
				return fmt.Errorf("a bookmark before all was told")
			}
			slices.Sort(names)
			return expect("the first events", names, r.pods)
		case watch.Modified:
		default:
			return fmt.Errorf("%s of %s", event.Type, object.GetName())
		}
	}
	return fmt.Errorf("it ended after %v", names)
}
