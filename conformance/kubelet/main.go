// Kubelet is the real kubelet, built from its module. It is of an older minor version than the control plane beside it
// because it has to speak to the containerd of Debian 12, and well within the skew Kubernetes supports.
package main

import (
	"context"
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	os.Exit(cli.Run(kubelet.NewKubeletCommand(context.Background())))
}
