//go:build wasip1

// A web server as one writes it in Go, with a cache that takes a while to fill. Each connection is answered by a fork that has the cache:
//
//	GOOS=wasip1 GOARCH=wasm go build -o server.wasm ./examples/goserver
//	spindle serve --http :8080 --at accept server.wasm
//	curl http://127.0.0.1:8080/square/7
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
)

// listener is the descriptor of the socket that the server is given.
const listener = 3

func main() {
	// A blocking accept would stop all goroutines: Go has one thread on WASI.
	if err := syscall.SetNonblock(listener, true); err != nil {
		log.Fatal(err)
	}
	l, err := net.FileListener(os.NewFile(listener, "listener"))
	if err != nil {
		log.Fatal(err)
	}
	squares := make(map[int]int)
	for n := range 200_000 {
		squares[n] = n * n
	}
	asked := 0
	http.HandleFunc("GET /square/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("n"))
		square, ok := squares[n]
		if err != nil || !ok {
			http.Error(w, "a number below 200,000", http.StatusNotFound)
			return
		}
		asked++ // of this connection: each has a fork of its own
		fmt.Fprintf(w, "%d (answer %d)\n", square, asked)
	})
	log.Fatal(http.Serve(l, nil))
}
