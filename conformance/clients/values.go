package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/pager"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// How often all sources are asked until one scrape answers them all.
const rounds = 20

func (r *reader) checkValues() {
	sources, err := r.sources()
	if err != nil {
		r.check("clients can be made", func(context.Context) error { return err })
		return
	}
	for _, s := range sources {
		r.check(s.name+": lists and single objects", func(ctx context.Context) error { return r.listsAndObjects(ctx, s) })
		r.check(s.name+": selectors", func(ctx context.Context) error { return r.selectors(ctx, s) })
		r.check(s.name+": pages", func(ctx context.Context) error { return r.pages(ctx, s) })
	}
	r.check("all clients see the same numbers", func(ctx context.Context) error { return sameNumbers(ctx, sources) })
	for _, version := range versions {
		r.check("metadata client "+version, func(ctx context.Context) error { return r.metadataAlone(ctx, version) })
	}
}

func (r *reader) listsAndObjects(ctx context.Context, s *source) error {
	nodes, err := s.nodes(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if err := expect("nodes", nodeNames(nodes), r.nodes); err != nil {
		return err
	}
	for _, node := range nodes.Items {
		if err := plausible(node.Name, node.Timestamp, node.Window, node.Usage); err != nil {
			return err
		}
	}
	pods, err := s.pods(ctx, "", metav1.ListOptions{})
	if err != nil {
		return err
	}
	if err := expect("pods", podNames(pods), r.pods); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if len(pod.Containers) == 0 {
			return fmt.Errorf("%s has no containers", pod.Name)
		}
		for _, container := range pod.Containers {
			if err := plausible(pod.Name+" "+container.Name, pod.Timestamp, pod.Window, container.Usage); err != nil {
				return err
			}
		}
	}
	for _, name := range r.nodes {
		node, err := s.node(ctx, name)
		if err != nil {
			return err
		}
		if node.Name != name || plausible(name, node.Timestamp, node.Window, node.Usage) != nil {
			return fmt.Errorf("asked for node %s, got %+v", name, node)
		}
	}
	for _, key := range r.pods {
		namespace, name, _ := strings.Cut(key, "/")
		pod, err := s.pod(ctx, namespace, name)
		if err != nil {
			return err
		}
		if pod.Namespace != namespace || pod.Name != name || len(pod.Containers) == 0 {
			return fmt.Errorf("asked for pod %s, got %+v", key, pod)
		}
	}
	for got := range s.seen.seen {
		if got != s.contentType {
			return fmt.Errorf("an answer in %q, wanted %q", got, s.contentType)
		}
	}
	return nil
}

func (r *reader) selectors(ctx context.Context, s *source) error {
	namespace, name, _ := strings.Cut(r.pods[0], "/")
	var inNamespace []string
	for _, pod := range r.pods {
		if strings.HasPrefix(pod, namespace+"/") {
			inNamespace = append(inNamespace, pod)
		}
	}
	for _, ask := range []struct {
		namespace string
		options   metav1.ListOptions
		wanted    []string
	}{
		{"", metav1.ListOptions{LabelSelector: r.selector}, r.selected},
		{"", metav1.ListOptions{LabelSelector: "no-such-label"}, nil},
		{namespace, metav1.ListOptions{}, inNamespace},
		{namespace, metav1.ListOptions{FieldSelector: "metadata.name=" + name}, r.pods[:1]},
		{"", metav1.ListOptions{FieldSelector: "metadata.namespace=" + namespace}, inNamespace},
		{"no-such-namespace", metav1.ListOptions{}, nil},
	} {
		pods, err := s.pods(ctx, ask.namespace, ask.options)
		if err != nil {
			return err
		}
		if err := expect(fmt.Sprintf("%q %v", ask.namespace, ask.options), podNames(pods), ask.wanted); err != nil {
			return err
		}
	}
	one := r.nodes[len(r.nodes)-1]
	nodes, err := s.nodes(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + one})
	if err != nil {
		return err
	}
	if err := expect("one node", nodeNames(nodes), []string{one}); err != nil {
		return err
	}
	nodes, err = s.nodes(ctx, metav1.ListOptions{FieldSelector: "metadata.name!=" + one})
	if err != nil {
		return err
	}
	return expect("the other nodes", nodeNames(nodes), r.nodes[:len(r.nodes)-1])
}

// pages makes sure that a client which asks for pages ends, and has everything once.
func (r *reader) pages(ctx context.Context, s *source) error {
	var names []string
	all := pager.New(pager.SimplePageFunc(func(options metav1.ListOptions) (runtime.Object, error) {
		return s.pods(ctx, "", options)
	}))
	all.PageSize = 1
	err := all.EachListItem(ctx, metav1.ListOptions{}, func(object runtime.Object) error {
		pod := object.(*metricsv1beta1.PodMetrics)
		names = append(names, pod.Namespace+"/"+pod.Name)
		return nil
	})
	if err != nil {
		return err
	}
	return expect("pages of pods", names, r.pods)
}

func (r *reader) metadataAlone(ctx context.Context, version string) error {
	client, err := metadata.NewForConfig(r.config)
	if err != nil {
		return err
	}
	pods, err := client.Resource(served(version, "pods")).List(ctx, metav1.ListOptions{LabelSelector: r.selector})
	if err != nil {
		return err
	}
	var names []string
	for _, pod := range pods.Items {
		names = append(names, pod.Namespace+"/"+pod.Name)
		if len(pod.Labels) == 0 {
			return fmt.Errorf("%s has no labels", pod.Name)
		}
	}
	if err := expect("pods", names, r.selected); err != nil {
		return err
	}
	node, err := client.Resource(served(version, "nodes")).Get(ctx, r.nodes[0], metav1.GetOptions{})
	if err != nil {
		return err
	}
	return expect("node", []string{node.Name}, r.nodes[:1])
}

// sameNumbers asks every source until all answer from one scrape.
func sameNumbers(ctx context.Context, sources []*source) error {
	difference := ""
	for range rounds {
		difference = ""
		var first map[string]any
		for _, s := range sources {
			numbers, err := numbersOf(ctx, s)
			if err != nil {
				return err
			}
			if first == nil {
				first = numbers
			} else if !reflect.DeepEqual(first, numbers) {
				difference = fmt.Sprintf("%s: %v\n%s: %v", sources[0].name, first, s.name, numbers)
			}
		}
		if difference == "" {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("%s", difference)
}

func numbersOf(ctx context.Context, s *source) (map[string]any, error) {
	numbers := map[string]any{}
	nodes, err := s.nodes(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, node := range nodes.Items {
		numbers[node.Name] = fmt.Sprint(node.Labels, node.Timestamp.UTC(), node.Window, texts(node.Usage))
	}
	pods, err := s.pods(ctx, "", metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, pod := range pods.Items {
		said := fmt.Sprint(pod.Labels, pod.Timestamp.UTC(), pod.Window)
		for _, container := range pod.Containers {
			said += fmt.Sprint(container.Name, texts(container.Usage))
		}
		numbers[pod.Namespace+"/"+pod.Name] = said
	}
	return numbers, nil
}

func texts(usage corev1.ResourceList) map[corev1.ResourceName]string {
	texts := map[corev1.ResourceName]string{}
	for name, quantity := range usage {
		texts[name] = quantity.String()
	}
	return texts
}

func plausible(name string, timestamp metav1.Time, window metav1.Duration, usage corev1.ResourceList) error {
	age := time.Since(timestamp.Time)
	if age < -2*time.Second || age > 2*time.Minute {
		return fmt.Errorf("%s: measured %v ago", name, age)
	}
	if window.Duration <= 0 || window.Duration > 5*time.Minute {
		return fmt.Errorf("%s: over %v", name, window.Duration)
	}
	if usage.Cpu().Sign() <= 0 || usage.Memory().Sign() <= 0 {
		return fmt.Errorf("%s: uses %v", name, texts(usage))
	}
	return nil
}

func expect(what string, got, wanted []string) error {
	if !slices.Equal(got, wanted) {
		return fmt.Errorf("%s: %v instead of %v", what, got, wanted)
	}
	return nil
}

func nodeNames(list *metricsv1beta1.NodeMetricsList) (names []string) {
	for _, node := range list.Items {
		names = append(names, node.Name)
	}
	return names
}

func podNames(list *metricsv1beta1.PodMetricsList) (names []string) {
	for _, pod := range list.Items {
		names = append(names, pod.Namespace+"/"+pod.Name)
	}
	return names
}
