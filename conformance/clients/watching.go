package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// checkWatching runs an informer on every resource, all at once, since each of them waits.
func (r *reader) checkWatching() {
	var all sync.WaitGroup
	for _, version := range versions {
		for _, name := range []string{"nodes", "pods"} {
			what := fmt.Sprintf("%s.%s.%s", name, version, group)
			all.Go(func() {
				r.check("informer on "+what, func(ctx context.Context) error {
					watchable, err := r.watchable(version, name)
					if err != nil {
						return err
					}
					resource := served(version, name)
					if watchable {
						return r.informed(ctx, resource)
					}
					return r.notWatched(ctx, resource)
				})
			})
		}
	}
	all.Wait()
}

func (r *reader) watchable(version, name string) (bool, error) {
	client, err := r.discoveryClient(false, runtime.ContentTypeJSON)
	if err != nil {
		return false, err
	}
	list, err := client.ServerResourcesForGroupVersion(group + "/" + version)
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(list.APIResources, func(resource metav1.APIResource) bool { return resource.Name == name })
	if at < 0 {
		return false, fmt.Errorf("%s is not served", name)
	}
	return slices.Contains(list.APIResources[at].Verbs, "watch"), nil
}

// An informer with what it said so far.
type informer struct {
	cache.SharedIndexInformer
	faults  chan error
	updates chan [2]*unstructured.Unstructured
}

func (r *reader) informer(ctx context.Context, resource schema.GroupVersionResource) (*informer, error) {
	client, err := dynamic.NewForConfig(r.config)
	if err != nil {
		return nil, err
	}
	this := &informer{
		SharedIndexInformer: dynamicinformer.NewDynamicSharedInformerFactory(client, 0).ForResource(resource).Informer(),
		faults:              make(chan error, 100),
		updates:             make(chan [2]*unstructured.Unstructured, 1000),
	}
	if err := this.SetWatchErrorHandler(func(_ *cache.Reflector, err error) { this.faults <- err }); err != nil {
		return nil, err
	}
	_, err = this.AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: func(old, new any) {
		this.updates <- [2]*unstructured.Unstructured{old.(*unstructured.Unstructured), new.(*unstructured.Unstructured)}
	}})
	if err != nil {
		return nil, err
	}
	go this.Run(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), this.HasSynced) {
		return nil, fmt.Errorf("it never has the whole list")
	}
	keys := this.GetStore().ListKeys()
	slices.Sort(keys)
	wanted := r.pods
	if resource.Resource == "nodes" {
		wanted = r.nodes
	}
	return this, expect("its store", keys, wanted)
}

// notWatched makes sure that an informer has the list and is told at once and clearly why it will hear no more.
func (r *reader) notWatched(ctx context.Context, resource schema.GroupVersionResource) error {
	said := fmt.Sprintf("watch is not supported on resources of kind %q", resource.GroupResource())
	client, err := dynamic.NewForConfig(r.config)
	if err != nil {
		return err
	}
	_, err = client.Resource(resource).Watch(ctx, metav1.ListOptions{})
	if err := refused(err, apierrors.IsMethodNotSupported, said); err != nil {
		return err
	}
	informer, err := r.informer(ctx, resource)
	if err != nil {
		return err
	}
	select {
	case err := <-informer.faults:
		return refused(err, apierrors.IsMethodNotSupported, said)
	case <-ctx.Done():
		return fmt.Errorf("it watches in vain")
	}
}

// informed makes sure that an informer keeps hearing of newer numbers.
func (r *reader) informed(ctx context.Context, resource schema.GroupVersionResource) error {
	informer, err := r.informer(ctx, resource)
	if err != nil {
		return err
	}
	newer := map[string]bool{}
	for len(newer) < len(informer.GetStore().ListKeys()) {
		select {
		case err := <-informer.faults:
			return err
		case update := <-informer.updates:
			before, err := stamp(update[0])
			if err != nil {
				return err
			}
			after, err := stamp(update[1])
			if err != nil {
				return err
			}
			if after.Before(before) {
				return fmt.Errorf("%s went back from %v to %v", update[1].GetName(), before, after)
			}
			if after.After(before) {
				newer[update[1].GetNamespace()+"/"+update[1].GetName()] = true
			}
		case <-ctx.Done():
			return fmt.Errorf("only of %v came newer numbers", newer)
		}
	}
	return nil
}

func stamp(object *unstructured.Unstructured) (time.Time, error) {
	text, _, err := unstructured.NestedString(object.Object, "timestamp")
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339, text)
}
