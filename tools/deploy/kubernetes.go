package main

import (
	"context"
	"errors"
	"fmt"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// types lists the types that the manifests may use.
var types = map[string]func() any{
	"apps/v1 Deployment":                     func() any { return &apps.Deployment{} },
	"batch/v1 Job":                           func() any { return &batch.Job{} },
	"v1 ConfigMap":                           func() any { return &core.ConfigMap{} },
	"v1 Service":                             func() any { return &core.Service{} },
	"v1 ServiceAccount":                      func() any { return &core.ServiceAccount{} },
	"networking.k8s.io/v1 NetworkPolicy":     func() any { return &networking.NetworkPolicy{} },
	"policy/v1 PodDisruptionBudget":          func() any { return &policy.PodDisruptionBudget{} },
	"keda.sh/v1alpha1 ScaledObject":          func() any { return &keda.ScaledObject{} },
	"keda.sh/v1alpha1 TriggerAuthentication": func() any { return &keda.TriggerAuthentication{} },
}

// manifests renders a folder as "kubectl apply -k" does. It reads each object
// strictly, with the types of the API, and checks the references between
// objects.
func manifests(_ context.Context, path string) (string, error) {
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), path)
	if err != nil {
		return "", err
	}
	var all error
	var pods []core.PodTemplateSpec
	var selectors []selector
	for _, r := range rendered.Resources() {
		object, err := strictly(r)
		if err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", r.CurId(), err))
			continue
		}
		switch o := object.(type) {
		case *apps.Deployment:
			pods = append(pods, o.Spec.Template)
			selectors = append(selectors, selector{r, o.Spec.Selector})
		case *batch.Job:
			pods = append(pods, o.Spec.Template)
		case *core.Service:
			selectors = append(selectors, selector{r, &meta.LabelSelector{MatchLabels: o.Spec.Selector}})
		case *policy.PodDisruptionBudget:
			selectors = append(selectors, selector{r, o.Spec.Selector})
		case *networking.NetworkPolicy:
			selectors = append(selectors, selector{r, &o.Spec.PodSelector})
		}
	}
	for _, pod := range pods {
		all = errors.Join(all, guarded(pod))
	}
	for _, s := range selectors {
		all = errors.Join(all, s.finds(pods))
	}
	return fmt.Sprintf("%d objects", rendered.Size()), all
}

func strictly(r *resource.Resource) (any, error) {
	make, ok := types[r.GetApiVersion()+" "+r.GetKind()]
	if !ok {
		return nil, errors.New("the kind is not in the list of known types")
	}
	text, err := r.AsYAML()
	if err != nil {
		return nil, err
	}
	object := make()
	return object, yaml.UnmarshalStrict(text, object)
}

// guarded returns an error if a pod lacks a required restriction.
func guarded(pod core.PodTemplateSpec) error {
	var all error
	if s := pod.Spec.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil {
		all = errors.Join(all, errors.New("pod may run as root or has no seccomp profile"))
	}
	for _, c := range pod.Spec.Containers {
		s := c.SecurityContext
		if s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
			s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Capabilities == nil || len(s.Capabilities.Drop) == 0 {
			all = errors.Join(all, fmt.Errorf("container %s has rights that it does not need", c.Name))
		}
		if c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
			all = errors.Join(all, fmt.Errorf("container %s has no memory limits", c.Name))
		}
	}
	return all
}

// selector describes how an object selects its pods.
type selector struct {
	of *resource.Resource
	by *meta.LabelSelector
}

func (s selector) finds(pods []core.PodTemplateSpec) error {
	wanted, err := meta.LabelSelectorAsSelector(s.by)
	if err != nil {
		return fmt.Errorf("%s: %w", s.of.CurId(), err)
	}
	for _, pod := range pods {
		if wanted.Matches(labels.Set(pod.Labels)) {
			return nil
		}
	}
	return fmt.Errorf("%s: selects no pod", s.of.CurId())
}
