package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/metrics/pkg/client/clientset/versioned"
)

// How many requests are under way at once in the check of parallel ones.
const parallel = 100

// checkRequests makes sure that what cannot be answered fails as callers of the clients expect it.
func (r *reader) checkRequests() {
	for _, version := range versions {
		for _, contentType := range []string{runtime.ContentTypeJSON, runtime.ContentTypeProtobuf} {
			name := fmt.Sprintf("clientset %s, %s: errors", version, contentType)
			r.check(name, func(ctx context.Context) error { return r.readErrors(ctx, version, contentType) })
		}
		r.check("dynamic client "+version+": nothing can be written", func(ctx context.Context) error {
			return r.writeErrors(ctx, version)
		})
	}
	r.check(fmt.Sprintf("%d lists at once", parallel), r.atOnce)
}

func (r *reader) readErrors(ctx context.Context, version, contentType string) error {
	config, _ := r.speaking(contentType)
	clients, err := versioned.NewForConfig(config)
	if err != nil {
		return err
	}
	s := clientset(clients, version)
	_, err = s.node(ctx, "no-such-node")
	if err := refused(err, apierrors.IsNotFound, `"no-such-node" not found`); err != nil {
		return err
	}
	_, err = s.pod(ctx, "no-such-namespace", "no-such-pod")
	if err := refused(err, apierrors.IsNotFound, `"no-such-pod" not found`); err != nil {
		return err
	}
	for _, ask := range []struct {
		options metav1.ListOptions
		is      func(error) bool
		said    string
	}{
		{metav1.ListOptions{LabelSelector: "a b"}, apierrors.IsBadRequest, "unable to parse requirement"},
		{metav1.ListOptions{FieldSelector: "nonsense"}, apierrors.IsBadRequest, "can't understand"},
		{metav1.ListOptions{FieldSelector: "spec.no=a"}, apierrors.IsBadRequest, "not a known field selector"},
		{metav1.ListOptions{ResourceVersionMatch: "Exact"}, apierrors.IsInvalid, "resourceVersionMatch"},
	} {
		_, err := s.pods(ctx, "", ask.options)
		if err := refused(err, ask.is, ask.said); err != nil {
			return fmt.Errorf("%v: %w", ask.options, err)
		}
	}
	return nil
}

func (r *reader) writeErrors(ctx context.Context, version string) error {
	client, err := dynamic.NewForConfig(r.config)
	if err != nil {
		return err
	}
	nodes := client.Resource(served(version, "nodes"))
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/" + version, "kind": "NodeMetrics", "metadata": map[string]any{"name": r.nodes[0]},
	}}
	_, create := nodes.Create(ctx, object, metav1.CreateOptions{})
	_, update := nodes.Update(ctx, object, metav1.UpdateOptions{})
	_, patch := nodes.Patch(ctx, r.nodes[0], types.MergePatchType, []byte("{}"), metav1.PatchOptions{})
	remove := nodes.Delete(ctx, r.nodes[0], metav1.DeleteOptions{})
	removeAll := nodes.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
	for _, err := range []error{create, update, patch, remove, removeAll} {
		if err := refused(err, apierrors.IsMethodNotSupported, "the server does not allow this method"); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) atOnce(ctx context.Context) error {
	sources, err := r.sources()
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	errors := make(chan error, parallel)
	for at := range parallel {
		group.Go(func() {
			pods, err := sources[at%len(sources)].pods(ctx, "", metav1.ListOptions{})
			if err == nil {
				err = expect("pods", podNames(pods), r.pods)
			}
			if err != nil {
				errors <- err
			}
		})
	}
	group.Wait()
	close(errors)
	return <-errors
}

// refused makes sure that err is of a kind, and says what it should.
func refused(err error, is func(error) bool, said string) error {
	if err == nil {
		return fmt.Errorf("no error where %q was due", said)
	}
	if !is(err) || !strings.Contains(err.Error(), said) {
		return fmt.Errorf("%q (%s, code %d) where %q was due", err, apierrors.ReasonForError(err), code(err), said)
	}
	return nil
}

func code(err error) int32 {
	if status, ok := err.(apierrors.APIStatus); ok {
		return status.Status().Code
	}
	return 0
}
