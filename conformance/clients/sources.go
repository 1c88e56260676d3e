package main

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/metrics/pkg/client/clientset/versioned"
)

const group = "metrics.k8s.io"

var versions = []string{"v1", "v1beta1"}

// A source is one way to ask for metrics. All of them end in the same types, which both versions share.
type source struct {
	name string
	// The media type of every answer.
	contentType string
	seen        *contentTypes
	nodes       func(context.Context, metav1.ListOptions) (*metricsv1beta1.NodeMetricsList, error)
	node        func(context.Context, string) (*metricsv1beta1.NodeMetrics, error)
	pods        func(context.Context, string, metav1.ListOptions) (*metricsv1beta1.PodMetricsList, error)
	pod         func(context.Context, string, string) (*metricsv1beta1.PodMetrics, error)
}

// sources are the clientset in each version and encoding, and the dynamic client.
func (r *reader) sources() ([]*source, error) {
	var all []*source
	for _, version := range versions {
		for _, contentType := range []string{runtime.ContentTypeJSON, runtime.ContentTypeProtobuf} {
			config, seen := r.speaking(contentType)
			clients, err := versioned.NewForConfig(config)
			if err != nil {
				return nil, err
			}
			s := clientset(clients, version)
			s.name = fmt.Sprintf("clientset %s, %s", version, contentType)
			s.contentType, s.seen = contentType, seen
			all = append(all, s)
		}
		config, seen := r.speaking(runtime.ContentTypeJSON)
		client, err := dynamic.NewForConfig(config)
		if err != nil {
			return nil, err
		}
		s := dynamicSource(client, version)
		s.name = fmt.Sprintf("dynamic client %s", version)
		s.contentType, s.seen = runtime.ContentTypeJSON, seen
		all = append(all, s)
	}
	return all, nil
}

func clientset(clients versioned.Interface, version string) *source {
	if version == "v1" {
		v1 := clients.MetricsV1()
		return &source{
			nodes: func(ctx context.Context, options metav1.ListOptions) (*metricsv1beta1.NodeMetricsList, error) {
				return same[metricsv1beta1.NodeMetricsList](v1.NodeMetricses().List(ctx, options))
			},
			node: func(ctx context.Context, name string) (*metricsv1beta1.NodeMetrics, error) {
				return same[metricsv1beta1.NodeMetrics](v1.NodeMetricses().Get(ctx, name, metav1.GetOptions{}))
			},
			pods: func(ctx context.Context, namespace string, options metav1.ListOptions) (*metricsv1beta1.PodMetricsList, error) {
				return same[metricsv1beta1.PodMetricsList](v1.PodMetricses(namespace).List(ctx, options))
			},
			pod: func(ctx context.Context, namespace, name string) (*metricsv1beta1.PodMetrics, error) {
				return same[metricsv1beta1.PodMetrics](v1.PodMetricses(namespace).Get(ctx, name, metav1.GetOptions{}))
			},
		}
	}
	v1beta1 := clients.MetricsV1beta1()
	return &source{
		nodes: v1beta1.NodeMetricses().List,
		node: func(ctx context.Context, name string) (*metricsv1beta1.NodeMetrics, error) {
			return v1beta1.NodeMetricses().Get(ctx, name, metav1.GetOptions{})
		},
		pods: func(ctx context.Context, namespace string, options metav1.ListOptions) (*metricsv1beta1.PodMetricsList, error) {
			return v1beta1.PodMetricses(namespace).List(ctx, options)
		},
		pod: func(ctx context.Context, namespace, name string) (*metricsv1beta1.PodMetrics, error) {
			return v1beta1.PodMetricses(namespace).Get(ctx, name, metav1.GetOptions{})
		},
	}
}

func dynamicSource(client dynamic.Interface, version string) *source {
	nodes := client.Resource(served(version, "nodes"))
	pods := client.Resource(served(version, "pods"))
	return &source{
		nodes: func(ctx context.Context, options metav1.ListOptions) (*metricsv1beta1.NodeMetricsList, error) {
			return kind[metricsv1beta1.NodeMetricsList](version, "NodeMetricsList")(nodes.List(ctx, options))
		},
		node: func(ctx context.Context, name string) (*metricsv1beta1.NodeMetrics, error) {
			return kind[metricsv1beta1.NodeMetrics](version, "NodeMetrics")(nodes.Get(ctx, name, metav1.GetOptions{}))
		},
		pods: func(ctx context.Context, namespace string, options metav1.ListOptions) (*metricsv1beta1.PodMetricsList, error) {
			return kind[metricsv1beta1.PodMetricsList](version, "PodMetricsList")(pods.Namespace(namespace).List(ctx, options))
		},
		pod: func(ctx context.Context, namespace, name string) (*metricsv1beta1.PodMetrics, error) {
			return kind[metricsv1beta1.PodMetrics](version, "PodMetrics")(pods.Namespace(namespace).Get(ctx, name, metav1.GetOptions{}))
		},
	}
}

func served(version, name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: version, Resource: name}
}

// same reads an object as another type with the same JSON.
func same[T any](from any, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(from)
	if err != nil {
		return nil, err
	}
	var to T
	return &to, json.Unmarshal(text, &to)
}

// kind makes sure that what has no type of its own says what it is, and that every item of a list does.
func kind[T any](version, name string) func(any, error) (*T, error) {
	return func(from any, err error) (*T, error) {
		if err != nil {
			return nil, err
		}
		object := from.(runtime.Object)
		wanted := schema.GroupVersionKind{Group: group, Version: version, Kind: name}
		if got := object.GetObjectKind().GroupVersionKind(); got != wanted {
			return nil, fmt.Errorf("%v instead of %v", got, wanted)
		}
		if list, ok := object.(*unstructured.UnstructuredList); ok {
			wanted.Kind = name[:len(name)-len("List")]
			for _, item := range list.Items {
				if got := item.GroupVersionKind(); got != wanted {
					return nil, fmt.Errorf("%v instead of %v in a list", got, wanted)
				}
			}
		}
		return same[T](from, nil)
	}
}
