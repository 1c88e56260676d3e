package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/restmapper"
)

// The definitions whose presence tells that the API server took our OpenAPI documents over.
var definitions = []string{"NodeMetrics", "NodeMetricsList", "PodMetrics", "PodMetricsList"}

func (r *reader) checkDiscovery() {
	for _, legacy := range []bool{false, true} {
		form := map[bool]string{false: "aggregated", true: "legacy"}[legacy]
		for _, contentType := range []string{runtime.ContentTypeJSON, runtime.ContentTypeProtobuf} {
			name := fmt.Sprintf("%s discovery, %s", form, contentType)
			r.check(name, func(context.Context) error { return r.discover(legacy, contentType) })
		}
		r.check("short names keep their meaning with "+form+" discovery", func(context.Context) error {
			return r.mapNames(legacy)
		})
	}
	r.check("OpenAPI 3 describes both versions", r.openAPI3)
	r.check("OpenAPI 2 describes both versions", r.openAPI2)
}

func (r *reader) discoveryClient(legacy bool, contentType string) (*discovery.DiscoveryClient, error) {
	config, _ := r.speaking(contentType)
	if contentType == runtime.ContentTypeProtobuf {
		// As kubectl does: what has no such form, like the aggregated document, may be JSON.
		config.AcceptContentTypes = contentType + "," + runtime.ContentTypeJSON
	}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err == nil {
		client.UseLegacyDiscovery = legacy
	}
	return client, err
}

func (r *reader) discover(legacy bool, contentType string) error {
	client, err := r.discoveryClient(legacy, contentType)
	if err != nil {
		return err
	}
	groups, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(groups, func(g *metav1.APIGroup) bool { return g.Name == group })
	if at < 0 {
		return fmt.Errorf("no group %s", group)
	}
	var served []string
	for _, version := range groups[at].Versions {
		served = append(served, version.Version)
	}
	if err := expect("versions", served, versions); err != nil {
		return err
	}
	if preferred := groups[at].PreferredVersion.Version; preferred != versions[0] {
		return fmt.Errorf("%s is preferred", preferred)
	}
	for _, version := range versions {
		in := func(list *metav1.APIResourceList) bool { return list.GroupVersion == group+"/"+version }
		at := slices.IndexFunc(lists, in)
		if at < 0 {
			return fmt.Errorf("no resources in %s", version)
		}
		if err := judgeResources(lists[at]); err != nil {
			return err
		}
		alone, err := client.ServerResourcesForGroupVersion(group + "/" + version)
		if err != nil {
			return err
		}
		if err := judgeResources(alone); err != nil {
			return err
		}
	}
	return nil
}

func judgeResources(list *metav1.APIResourceList) error {
	kinds := map[string]string{"nodes": "NodeMetrics", "pods": "PodMetrics"}
	if len(list.APIResources) != len(kinds) {
		return fmt.Errorf("%d resources", len(list.APIResources))
	}
	for _, resource := range list.APIResources {
		// Any other name would take the place of a core resource in what people type.
		if resource.SingularName != "" || len(resource.ShortNames) != 0 || len(resource.Categories) != 0 {
			return fmt.Errorf("%+v goes by other names", resource)
		}
		if kinds[resource.Name] != resource.Kind || resource.Namespaced != (resource.Name == "pods") {
			return fmt.Errorf("%+v is not what it should be", resource)
		}
		if !slices.Contains(resource.Verbs, "get") || !slices.Contains(resource.Verbs, "list") {
			return fmt.Errorf("%+v cannot be read", resource)
		}
	}
	return nil
}

// mapNames makes sure that what people type still means what it meant.
func (r *reader) mapNames(legacy bool) error {
	client, err := r.discoveryClient(legacy, runtime.ContentTypeJSON)
	if err != nil {
		return err
	}
	groups, err := restmapper.GetAPIGroupResources(client)
	if err != nil {
		return err
	}
	mapper := restmapper.NewShortcutExpander(restmapper.NewDiscoveryRESTMapper(groups), client, nil)
	core := func(kind string) schema.GroupVersionKind { return schema.GroupVersionKind{Version: "v1", Kind: kind} }
	ours := func(version, kind string) schema.GroupVersionKind {
		return schema.GroupVersionKind{Group: group, Version: version, Kind: kind}
	}
	for _, name := range []struct {
		typed string
		wants schema.GroupVersionKind
	}{
		{"po", core("Pod")}, {"pod", core("Pod")}, {"pods", core("Pod")},
		{"no", core("Node")}, {"node", core("Node")}, {"nodes", core("Node")},
		{"pods.metrics.k8s.io", ours("v1", "PodMetrics")}, {"nodes.metrics.k8s.io", ours("v1", "NodeMetrics")},
		{"pods.v1beta1.metrics.k8s.io", ours("v1beta1", "PodMetrics")},
		{"nodes.v1beta1.metrics.k8s.io", ours("v1beta1", "NodeMetrics")},
	} {
		// In the order kubectl tries: with a version, then with a group alone.
		versioned, grouped := schema.ParseResourceArg(name.typed)
		resource := grouped.WithVersion("")
		if versioned != nil {
			if _, err := mapper.KindFor(*versioned); err == nil {
				resource = *versioned
			}
		}
		kind, err := mapper.KindFor(resource)
		if err != nil {
			return fmt.Errorf("%s: %w", name.typed, err)
		}
		if kind != name.wants {
			return fmt.Errorf("%s means %v", name.typed, kind)
		}
	}
	return nil
}

func (r *reader) openAPI3(ctx context.Context) error {
	client, err := r.discoveryClient(false, runtime.ContentTypeJSON)
	if err != nil {
		return err
	}
	return eventually(ctx, func() error {
		paths, err := client.OpenAPIV3().Paths()
		if err != nil {
			return err
		}
		for _, version := range versions {
			path := paths["apis/"+group+"/"+version]
			if path == nil {
				return fmt.Errorf("no document of %s", version)
			}
			for _, as := range []string{runtime.ContentTypeJSON, "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"} {
				document, err := path.Schema(as)
				if err != nil {
					return fmt.Errorf("%s: %w", as, err)
				}
				for _, name := range definitions {
					if !strings.Contains(string(document), "metrics."+version+"."+name) {
						return fmt.Errorf("%s of %s lacks %s", as, version, name)
					}
				}
			}
		}
		return nil
	})
}

func (r *reader) openAPI2(ctx context.Context) error {
	client, err := r.discoveryClient(false, runtime.ContentTypeJSON)
	if err != nil {
		return err
	}
	return eventually(ctx, func() error {
		document, err := client.OpenAPISchema()
		if err != nil {
			return err
		}
		names := map[string]bool{}
		for _, schema := range document.Definitions.AdditionalProperties {
			names[schema.Name[strings.LastIndex(schema.Name, "metrics.")+1:]] = true
		}
		for _, version := range versions {
			for _, name := range definitions {
				if !names["etrics."+version+"."+name] {
					return fmt.Errorf("no %s of %s", name, version)
				}
			}
		}
		return nil
	})
}

// eventually asks again for as long as the context lasts: the API server collects OpenAPI documents once a minute.
func eventually(ctx context.Context, look func() error) error {
	for {
		err := look()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}
