// Package threads tests a server in C whose requests are answered by several threads (server/primes.c).
package threads

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/serve"
)

const (
	threads = 4
	segment = 1 << 14
	most    = 400_000
)

// Each request has all threads of the guest, in a fork of its own; and so it is when the guest has been forked anew.
func TestServer(t *testing.T) {
	rt := spindle.NewRuntime()
	defer rt.Close()
	code, err := os.ReadFile("server/primes.wasm")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := rt.Compile(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(t.Context(), rt, mod, serve.Config{ReforkAfter: 15, Timeout: 2 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()

	// below[k][n] is the number of primes below n in thread k's segments.
	var below [threads][most + 1]int
	composite := make([]bool, most+1)
	for n := 0; n < most; n++ {
		for k := range threads {
			below[k][n+1] = below[k][n]
		}
		if n < 2 || composite[n] {
			continue
		}
		below[n/segment%threads][n+1]++
		for m := n * n; m < most; m += n {
			composite[m] = true
		}
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for k := range 25 {
				n := (g*7919 + k*k*613) % (most + 1)
				resp, err := client.Get(fmt.Sprintf("http://%s/%d", l.Addr(), n))
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				sum := below[0][n] + below[1][n] + below[2][n] + below[3][n]
				want := fmt.Sprintf("%d = %d + %d + %d + %d\n", sum, below[0][n], below[1][n], below[2][n], below[3][n])
				if err != nil || resp.StatusCode != 200 || string(b) != want {
					t.Errorf("/%d: %v, status %d, %q, want %q", n, err, resp.StatusCode, b, want)
				}
			}
		})
	}
	wg.Wait()

	// By now the server has been forked anew by itself. Once more, and it is as good.
	done := make(chan error, 1)
	go func() {
		g, err := s.Refork(t.Context())
		if err == nil && g.Number == 0 {
			err = errors.New("no refork has been made")
		}
		done <- err
	}()
	for reforked := false; !reforked; {
		resp, err := http.Get(fmt.Sprintf("http://%s/100", l.Addr()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(b) != "25 = 25 + 0 + 0 + 0\n" {
			t.Fatalf("%v, %q", err, b)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			reforked = true
		default:
		}
	}
	http.DefaultClient.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := errors.Join(s.Shutdown(ctx), s.Close(), <-served); err != nil {
		t.Error(err)
	}
}
