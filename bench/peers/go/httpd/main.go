// Peer of the sample httpd: Go's own file server, net/http's FileServer with its defaults.
//
// Build: GOTOOLCHAIN=local GOFLAGS=-mod=mod go build -o peer_go_httpd ./httpd      (or the CMake target peer_go_httpd)
// Run:   GOMAXPROCS=2 ./peer_go_httpd ADDRESS DIRECTORY
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: peer_go_httpd ADDRESS DIRECTORY")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer_go_httpd:", err)
		os.Exit(2)
	}
	fmt.Printf("serving on http://%s/\n", listener.Addr())
	err = http.Serve(listener, http.FileServer(http.Dir(os.Args[2])))
	fmt.Fprintln(os.Stderr, "peer_go_httpd:", err)
	os.Exit(2)
}
