//go:build !cgo || !unix

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "wasmtime is a library in C: build this with CGO_ENABLED=1, on Unix")
	os.Exit(1)
}
