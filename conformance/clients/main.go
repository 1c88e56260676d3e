// Clients shows what the Go code of Kubernetes makes of metrics.k8s.io: the bytes its serializers write, and what its
// clients read from a live API or hear of it. Everything it says is one JSON object per line.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	command := ""
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	var err error
	switch command {
	case "encode":
		err = encode(os.Stdin, os.Stdout)
	case "read":
		err = read(os.Args[2:])
	case "follow":
		err = follow(os.Args[2:])
	default:
		err = fmt.Errorf("usage: clients encode|read|follow [argument ...]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// say writes one line. Text is written as it is, so that a reader without Go's escapes gets the same characters.
func say(to *json.Encoder, line any) error {
	to.SetEscapeHTML(false)
	return to.Encode(line)
}
