package main

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A failure says which error to make: by the constructor Kubernetes itself uses, or, where it has none, from its parts.
type failure struct {
	Constructor string                `json:"constructor"`
	Group       string                `json:"group"`
	Resource    string                `json:"resource"`
	Name        string                `json:"name"`
	Text        string                `json:"text"`
	Seconds     int                   `json:"seconds"`
	Fields      []fault               `json:"fields"`
	Reason      string                `json:"reason"`
	Code        int32                 `json:"code"`
	Details     *metav1.StatusDetails `json:"details"`
}

// A fault is one parameter that is against the rules.
type fault struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (f *failure) status() (*metav1.Status, error) {
	resource := schema.GroupResource{Group: f.Group, Resource: f.Resource}
	var made *apierrors.StatusError
	switch f.Constructor {
	case "unauthorized":
		made = apierrors.NewUnauthorized("Unauthorized")
	case "forbidden":
		made = apierrors.NewForbidden(resource, f.Name, errors.New(f.Text))
	case "not-found":
		made = apierrors.NewNotFound(resource, f.Name)
	case "no-such-resource":
		made = apierrors.NewGenericServerResponse(404, "get", schema.GroupResource{}, "", "", 0, false)
	case "bad-request":
		made = apierrors.NewBadRequest(f.Text)
	case "method-not-allowed":
		made = apierrors.NewGenericServerResponse(405, "get", schema.GroupResource{}, "", "", 0, false)
	case "method-not-supported":
		made = apierrors.NewMethodNotSupported(resource, f.Text)
	case "invalid":
		var faults field.ErrorList
		for _, one := range f.Fields {
			faults = append(faults, field.Forbidden(field.NewPath(one.Field), one.Detail))
		}
		made = apierrors.NewInvalid(schema.GroupKind{Group: f.Group, Kind: f.Resource}, f.Name, faults)
	case "timeout":
		made = apierrors.NewTimeoutError("request did not complete within the allotted timeout", 0)
	case "too-many-requests":
		made = apierrors.NewTooManyRequests(f.Text, f.Seconds)
	case "internal-error":
		made = apierrors.NewInternalError(errors.New(f.Text))
	case "service-unavailable":
		made = apierrors.NewServiceUnavailable(f.Text)
	case "parts":
		return &metav1.Status{
			Status: metav1.StatusFailure, Message: f.Text, Reason: metav1.StatusReason(f.Reason), Code: f.Code, Details: f.Details,
		}, nil
	default:
		return nil, fmt.Errorf("no constructor %s", f.Constructor)
	}
	return &made.ErrStatus, nil
}
