package main

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	dnsZone = ".svc.cluster.local."
	// As long as in most clusters.
	dnsTTL = 5
	// The longest the API server may take over a question.
	dnsDeadline = 5 * time.Second
)

// dnsCommand answers for the Services of a cluster as its DNS does: with the address of a Service, or with those of its
// ready pods where it has none of its own. It asks the API server at every question and knows of IPv4 alone.
func dnsCommand() *cobra.Command {
	var kubeconfig, address string
	command := &cobra.Command{
		Use:          "dns",
		SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			return serveDNS(command.Context(), client, address)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "who asks the API server")
	command.Flags().StringVar(&address, "listen-address", "127.0.0.1:53", "where questions come in")
	return command
}

func serveDNS(ctx context.Context, client kubernetes.Interface, address string) error {
	socket, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	for {
		question := make([]byte, 512)
		length, from, err := socket.ReadFrom(question)
		if err != nil {
			return err
		}
		go func() {
			if answer := answerDNS(ctx, client, question[:length]); answer != nil {
				_, _ = socket.WriteTo(answer, from)
			}
		}()
	}
}

// answerDNS is nil where there is nothing to answer to.
func answerDNS(ctx context.Context, client kubernetes.Interface, packet []byte) []byte {
	var query dnsmessage.Message
	if query.Unpack(packet) != nil || query.Response || len(query.Questions) != 1 {
		return nil
	}
	question := query.Questions[0]
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionDesired: query.RecursionDesired},
		Questions: query.Questions,
	}
	addresses, err := addressesOf(ctx, client, question.Name.String())
	switch {
	case errors.IsNotFound(err):
		answer.RCode = dnsmessage.RCodeNameError
	case err != nil:
		answer.RCode = dnsmessage.RCodeServerFailure
	case question.Type == dnsmessage.TypeA:
		for _, address := range addresses {
			answer.Answers = append(answer.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: dnsTTL},
				Body:   &dnsmessage.AResource{A: address.As4()},
			})
		}
	}
	packed, err := answer.Pack()
	if err != nil {
		return nil
	}
	return packed
}

func addressesOf(ctx context.Context, client kubernetes.Interface, name string) ([]netip.Addr, error) {
	inZone, ok := strings.CutSuffix(strings.ToLower(name), dnsZone)
	service, namespace, whole := strings.Cut(inZone, ".")
	if !ok || !whole || strings.Contains(namespace, ".") {
		return nil, errors.NewNotFound(corev1.Resource("services"), name)
	}
	ctx, cancel := context.WithTimeout(ctx, dnsDeadline)
	defer cancel()
	found, err := client.CoreV1().Services(namespace).Get(ctx, service, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if found.Spec.ClusterIP != corev1.ClusterIPNone {
		address, err := netip.ParseAddr(found.Spec.ClusterIP)
		return []netip.Addr{address}, err
	}
	slices, err := client.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + service,
	})
	if err != nil {
		return nil, err
	}
	var addresses []netip.Addr
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || !*endpoint.Conditions.Ready {
				continue
			}
			for _, text := range endpoint.Addresses {
				if address, err := netip.ParseAddr(text); err == nil && address.Is4() {
					addresses = append(addresses, address)
				}
			}
		}
	}
	return addresses, nil
}
