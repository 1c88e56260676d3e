package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// A heard is one line of what an informer hears.
type heard struct {
	Event   string `json:"event"` // synced, added, updated, deleted, fault
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	Stamp   string `json:"stamp,omitempty"`
	Said    string `json:"said,omitempty"`
}

// follow runs an informer until it is killed and says all it hears.
func follow(arguments []string) error {
	flags := flag.NewFlagSet("follow", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "the cluster and who asks")
	version := flags.String("version", "v1", "the version of metrics.k8s.io")
	resource := flags.String("resource", "nodes", "nodes or pods")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	klog.SetLogger(klog.Logger{})
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	var mutex sync.Mutex
	tell := func(line heard) {
		mutex.Lock()
		defer mutex.Unlock()
		_ = say(out, line)
	}
	object := func(event string, what any) {
		if last, ok := what.(cache.DeletedFinalStateUnknown); ok {
			what = last.Obj
		}
		this := what.(*unstructured.Unstructured)
		stamp, _, _ := unstructured.NestedString(this.Object, "timestamp")
		tell(heard{Event: event, Name: this.GetName(), Version: this.GetResourceVersion(), Stamp: stamp})
	}
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	informer := factory.ForResource(served(*version, *resource)).Informer()
	if err := informer.SetWatchErrorHandler(func(_ *cache.Reflector, err error) {
		tell(heard{Event: "fault", Said: err.Error()})
	}); err != nil {
		return err
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(what any) { object("added", what) },
		UpdateFunc: func(_, what any) { object("updated", what) },
		DeleteFunc: func(what any) { object("deleted", what) },
	}); err != nil {
		return err
	}
	ctx := context.Background()
	go informer.Run(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return fmt.Errorf("it never has the whole list")
	}
	tell(heard{Event: "synced"})
	select {}
}
