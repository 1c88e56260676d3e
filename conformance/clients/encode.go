package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// A description says what to encode, in terms of neither version.
type description struct {
	Kind            string  `json:"kind"`    // nodes, pods or status
	Version         string  `json:"version"` // v1 or v1beta1
	List            bool    `json:"list"`    // otherwise the first item alone
	Partial         bool    `json:"partial"` // as PartialObjectMetadata or its list
	ResourceVersion string  `json:"resourceVersion"`
	Items           []entry `json:"items"`
	Table           string  `json:"table"`  // as a Table, with None, Metadata or Object behind each row
	Status          failure `json:"status"` // of the kind status
}

type entry struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace"`
	Labels          map[string]string `json:"labels"`
	ResourceVersion string            `json:"resourceVersion"`
	Created         int64             `json:"created"`   // Unix milliseconds
	Timestamp       int64             `json:"timestamp"` // Unix milliseconds
	Window          int64             `json:"window"`    // nanoseconds
	Usage           *usage            `json:"usage"`     // of a node
	Containers      []container       `json:"containers"`
}

type container struct {
	Name  string `json:"name"`
	Usage usage  `json:"usage"`
}

type usage struct {
	CPU    int64  `json:"cpu"`    // nanocores
	Memory int64  `json:"memory"` // bytes
	Swap   *int64 `json:"swap"`   // bytes
}

// How often YAML is written: maps are met in another order each time, and go-yaml's order of keys is not transitive.
const attempts = 10

// These encodings are the bytes of one object; protobuf is in hexadecimal, and YAML is empty where Go itself writes now
// this and now that.
type encodings struct {
	JSON     string `json:"json"`
	Pretty   string `json:"pretty"`
	YAML     string `json:"yaml"`
	Protobuf string `json:"protobuf"`
}

// encode answers each description on a line of its own with what an API server would send.
func encode(in io.Reader, out io.Writer) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{metricsv1.AddToScheme, metricsv1beta1.AddToScheme, metav1.AddMetaToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	whole := serializer.NewCodecFactory(scheme)
	streamed := serializer.NewCodecFactory(scheme,
		serializer.WithStreamingCollectionEncodingToJSON(), serializer.WithStreamingCollectionEncodingToProtobuf())
	lines := bufio.NewReader(in)
	writer := bufio.NewWriter(out)
	defer writer.Flush()
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil && err != io.EOF {
			return err
		}
		var wanted description
		if err := json.Unmarshal(line, &wanted); err != nil {
			return err
		}
		object, version, err := build(&wanted)
		if err != nil {
			return err
		}
		answer, err := encodeWith(whole, object, version)
		if err != nil {
			return err
		}
		again, err := encodeWith(streamed, object, version)
		if err != nil {
			return err
		}
		for at := 0; at < attempts && again.YAML == answer.YAML; at++ {
			if again.YAML, err = encodeYAML(streamed, object, version); err != nil {
				return err
			}
		}
		if again.YAML != answer.YAML {
			answer.YAML, again.YAML = "", ""
		}
		if *again != *answer {
			return fmt.Errorf("Go itself writes a list in two ways: %s", line)
		}
		if err := say(json.NewEncoder(writer), answer); err != nil {
			return err
		}
		if err := writer.Flush(); err != nil {
			return err
		}
	}
}

func encodeWith(codecs serializer.CodecFactory, object runtime.Object, version schema.GroupVersion) (*encodings, error) {
	result := encodings{}
	for _, info := range codecs.SupportedMediaTypes() {
		var err error
		switch info.MediaType {
		case runtime.ContentTypeJSON:
			if result.JSON, err = bytesOf(codecs, info.Serializer, object, version); err == nil {
				result.Pretty, err = bytesOf(codecs, info.PrettySerializer, object, version)
			}
		case runtime.ContentTypeYAML:
			result.YAML, err = encodeYAML(codecs, object, version)
		case runtime.ContentTypeProtobuf:
			result.Protobuf, err = bytesOf(codecs, info.Serializer, object, version)
			result.Protobuf = hex.EncodeToString([]byte(result.Protobuf))
			if protobuf.IsNotMarshalable(err) {
				// A Table has no such form.
				result.Protobuf, err = "", nil
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return &result, nil
}

func encodeYAML(codecs serializer.CodecFactory, object runtime.Object, version schema.GroupVersion) (string, error) {
	info, _ := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), runtime.ContentTypeYAML)
	return bytesOf(codecs, info.Serializer, object, version)
}

func bytesOf(codecs serializer.CodecFactory, as runtime.Encoder, object runtime.Object, version schema.GroupVersion) (string, error) {
	var out bytes.Buffer
	err := codecs.EncoderForVersion(as, version).Encode(object, &out)
	return out.String(), err
}

// build makes the object of k8s.io/metrics, from quantities made as metrics-server makes them.
func build(wanted *description) (runtime.Object, schema.GroupVersion, error) {
	if wanted.Kind == "status" {
		status, err := wanted.Status.status()
		return status, metav1.Unversioned, err
	}
	if wanted.Partial {
		return partial(wanted), metav1.SchemeGroupVersion, nil
	}
	if wanted.Table != "" {
		objects, err := each(wanted)
		return table(wanted, objects), metav1.SchemeGroupVersion, err
	}
	list := metav1.ListMeta{ResourceVersion: wanted.ResourceVersion}
	switch wanted.Version + " " + wanted.Kind {
	case "v1 nodes":
		items := []metricsv1.NodeMetrics{}
		for _, item := range wanted.Items {
			items = append(items, metricsv1.NodeMetrics(item.node()))
		}
		if !wanted.List {
			return &items[0], metricsv1.SchemeGroupVersion, nil
		}
		return &metricsv1.NodeMetricsList{ListMeta: list, Items: items}, metricsv1.SchemeGroupVersion, nil
	case "v1 pods":
		items := []metricsv1.PodMetrics{}
		for _, item := range wanted.Items {
			pod := item.pod()
			containers := []metricsv1.ContainerMetrics{}
			for _, container := range pod.Containers {
				containers = append(containers, metricsv1.ContainerMetrics(container))
			}
			items = append(items, metricsv1.PodMetrics{
				ObjectMeta: pod.ObjectMeta, Timestamp: pod.Timestamp, Window: pod.Window, Containers: containers,
			})
		}
		if !wanted.List {
			return &items[0], metricsv1.SchemeGroupVersion, nil
		}
		return &metricsv1.PodMetricsList{ListMeta: list, Items: items}, metricsv1.SchemeGroupVersion, nil
	case "v1beta1 nodes":
		items := []metricsv1beta1.NodeMetrics{}
		for _, item := range wanted.Items {
			items = append(items, item.node())
		}
		if !wanted.List {
			return &items[0], metricsv1beta1.SchemeGroupVersion, nil
		}
		return &metricsv1beta1.NodeMetricsList{ListMeta: list, Items: items}, metricsv1beta1.SchemeGroupVersion, nil
	case "v1beta1 pods":
		items := []metricsv1beta1.PodMetrics{}
		for _, item := range wanted.Items {
			items = append(items, item.pod())
		}
		if !wanted.List {
			return &items[0], metricsv1beta1.SchemeGroupVersion, nil
		}
		return &metricsv1beta1.PodMetricsList{ListMeta: list, Items: items}, metricsv1beta1.SchemeGroupVersion, nil
	}
	return nil, schema.GroupVersion{}, fmt.Errorf("no %s in %s", wanted.Kind, wanted.Version)
}

// each makes every item by itself, with its kind and version.
func each(wanted *description) ([]runtime.Object, error) {
	kinds := map[string]string{"nodes": "NodeMetrics", "pods": "PodMetrics"}
	var objects []runtime.Object
	for _, item := range wanted.Items {
		one := description{Kind: wanted.Kind, Version: wanted.Version, Items: []entry{item}}
		object, version, err := build(&one)
		if err != nil {
			return nil, err
		}
		object.GetObjectKind().SetGroupVersionKind(version.WithKind(kinds[wanted.Kind]))
		objects = append(objects, object)
	}
	return objects, nil
}

func partial(wanted *description) runtime.Object {
	items := []metav1.PartialObjectMetadata{}
	for _, item := range wanted.Items {
		one := metav1.PartialObjectMetadata{ObjectMeta: item.meta()}
		// Unlike in other lists, the API server names the kind of each item.
		one.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadata"))
		items = append(items, one)
	}
	if !wanted.List {
		return &items[0]
	}
	return &metav1.PartialObjectMetadataList{ListMeta: metav1.ListMeta{ResourceVersion: wanted.ResourceVersion}, Items: items}
}

func (e *entry) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: e.Name, Namespace: e.Namespace, Labels: e.Labels, ResourceVersion: e.ResourceVersion,
		CreationTimestamp: metav1.NewTime(time.UnixMilli(e.Created)),
	}
}

func (e *entry) node() metricsv1beta1.NodeMetrics {
	return metricsv1beta1.NodeMetrics{
		ObjectMeta: e.meta(),
		Timestamp:  metav1.NewTime(time.UnixMilli(e.Timestamp)),
		Window:     metav1.Duration{Duration: time.Duration(e.Window)},
		Usage:      e.Usage.list(),
	}
}

func (e *entry) pod() metricsv1beta1.PodMetrics {
	pod := metricsv1beta1.PodMetrics{
		ObjectMeta: e.meta(),
		Timestamp:  metav1.NewTime(time.UnixMilli(e.Timestamp)),
		Window:     metav1.Duration{Duration: time.Duration(e.Window)},
		Containers: []metricsv1beta1.ContainerMetrics{},
	}
	for _, c := range e.Containers {
		pod.Containers = append(pod.Containers, metricsv1beta1.ContainerMetrics{Name: c.Name, Usage: c.Usage.list()})
	}
	return pod
}

func (u *usage) list() corev1.ResourceList {
	if u == nil {
		return nil
	}
	cpu := resource.NewScaledQuantity(u.CPU, resource.Nano)
	cpu.Format = resource.DecimalSI
	list := corev1.ResourceList{
		corev1.ResourceCPU:    *cpu,
		corev1.ResourceMemory: *resource.NewQuantity(u.Memory, resource.BinarySI),
	}
	if u.Swap != nil {
		list["swap"] = *resource.NewQuantity(*u.Swap, resource.BinarySI)
	}
	return list
}
