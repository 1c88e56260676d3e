package main

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// table makes what metrics-server makes of a list for people: a column for each key of usage, sums over containers, and
// behind each row as much of the object as was asked for.
func table(wanted *description, objects []runtime.Object) *metav1.Table {
	names := []string{"cpu", "memory"}
	for _, item := range wanted.Items {
		if item.total("swap") != nil {
			names = append(names, "swap")
			break
		}
	}
	made := &metav1.Table{
		ListMeta: metav1.ListMeta{ResourceVersion: wanted.ResourceVersion},
		ColumnDefinitions: []metav1.TableColumnDefinition{
			{Name: "Name", Type: "string", Format: "name", Description: "Name of the resource"},
		},
		Rows: []metav1.TableRow{},
	}
	for _, name := range names {
		made.ColumnDefinitions = append(made.ColumnDefinitions,
			metav1.TableColumnDefinition{Name: name, Type: "string", Format: "quantity"})
	}
	made.ColumnDefinitions = append(made.ColumnDefinitions,
		metav1.TableColumnDefinition{Name: "Window", Type: "string", Format: "duration"})
	for at, item := range wanted.Items {
		row := metav1.TableRow{Cells: []any{item.Name}}
		for _, name := range names {
			cell := ""
			if total := item.total(name); total != nil {
				cell = total.String()
			}
			row.Cells = append(row.Cells, cell)
		}
		row.Cells = append(row.Cells, time.Duration(item.Window).String())
		switch wanted.Table {
		case "Metadata":
			partial := &metav1.PartialObjectMetadata{ObjectMeta: item.meta()}
			partial.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadata"))
			row.Object.Object = partial
		case "Object":
			row.Object.Object = objects[at]
		}
		made.Rows = append(made.Rows, row)
	}
	return made
}

// total is the sum of one key of usage; nil when nothing has that key.
func (e *entry) total(name string) *resource.Quantity {
	var sum *resource.Quantity
	add := func(u *usage) {
		if u == nil {
			return
		}
		for key, value := range u.list() {
			if string(key) != name {
				continue
			}
			if sum == nil {
				sum = &resource.Quantity{Format: value.Format}
			}
			sum.Add(value)
		}
	}
	add(e.Usage)
	for _, container := range e.Containers {
		add(&container.Usage)
	}
	return sum
}
