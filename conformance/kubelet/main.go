// Kubelet is the real kubelet, built from its module, and beside it the kube-controller-manager of the same version.
// Both are older than the control plane beside them: the kubelet because it has to speak to the containerd of Debian
// 12, the controller manager because its autoscaler knows nothing of metrics.k8s.io/v1. Both are well within the skew
// Kubernetes supports.
package main

import (
	"context"
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	// The first argument may say which to be; without it this is the kubelet.
	if len(os.Args) > 1 && os.Args[1] == "kube-controller-manager" {
		os.Args = os.Args[1:]
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	}
	os.Exit(cli.Run(kubelet.NewKubeletCommand(context.Background())))
}
