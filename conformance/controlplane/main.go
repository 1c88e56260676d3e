// Controlplane is a Kubernetes control plane in one binary: etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler, kube-proxy and a DNS of the cluster's Services, and the kubectl to ask them with. The first argument says which of them to be; what follows is that
// program's own command line.
package main

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

var programs = map[string]func() *cobra.Command{
	"dns":                     dnsCommand,
	"etcd":                    etcdCommand,
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-proxy":              proxy.NewProxyCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
}

func main() {
	var program func() *cobra.Command
	if len(os.Args) > 1 {
		program = programs[os.Args[1]]
	}
	if program == nil {
		names := slices.Sorted(maps.Keys(programs))
		fmt.Fprintf(os.Stderr, "usage: controlplane %s [argument ...]\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	// Each program reads its name and arguments as if it had been started alone; kubectl looks for plugins by them.
	os.Args = os.Args[1:]
	os.Exit(cli.Run(program()))
}

// etcdCommand keeps a cluster's state for as long as a test runs: one member, no fsync.
func etcdCommand() *cobra.Command {
	var folder, clientURL string
	var quota int64
	command := &cobra.Command{
		Use:          "etcd",
		SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			return serveEtcd(folder, clientURL, quota)
		},
	}
	command.Flags().StringVar(&folder, "data-dir", "", "folder of the data")
	command.Flags().StringVar(&clientURL, "listen-client-url", "http://127.0.0.1:2379", "where clients are served")
	command.Flags().Int64Var(&quota, "quota-backend-bytes", 8<<30, "size at which writes are refused")
	return command
}

func serveEtcd(folder, clientURL string, quota int64) error {
	client, err := url.Parse(clientURL)
	if err != nil {
		return err
	}
	// A peer port is needed even where there is no peer: take whichever is free.
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config := embed.NewConfig()
	config.Dir = folder
	config.ListenClientUrls = []url.URL{*client}
	config.AdvertiseClientUrls = []url.URL{*client}
	config.ListenPeerUrls = []url.URL{peer}
	config.UnsafeNoFsync = true
	config.QuotaBackendBytes = quota
	config.LogLevel = "warn"
	server, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer server.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	select {
	case err := <-server.Err():
		return err
	case <-stop:
		return nil
	}
}
