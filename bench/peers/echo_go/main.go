// Peer: an echo server in Go, one goroutine for each connection.
//
//	peer_echo_go PORT       on 127.0.0.1, until it is killed; prints "listening on 127.0.0.1:PORT"
//
// GOMAXPROCS, or the processors it may use, say how many threads run goroutines.
package main

import (
	"fmt"
	"net"
	"os"
)

func echo(c net.Conn) {
	defer c.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		if _, err := c.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: peer_echo_go PORT")
		os.Exit(2)
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Println("listening on", l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			continue
		}
		go echo(c) // a TCPConn sends small messages at once by default
	}
}
