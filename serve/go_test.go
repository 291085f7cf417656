package serve

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	spindle "github.com/spindle-wasm/spindle"
)

// A server of Go's net/http, examples/goserver, has its cache in each connection's child, and keeps connections alive.
func TestGoServer(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	file := filepath.Join(t.TempDir(), "server.wasm")
	build := exec.Command("go", "build", "-o", file, "../examples/goserver")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	before := runtime.NumGoroutine()
	rt := spindle.NewRuntime()
	mod, err := rt.Compile(ctx, code)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(ctx, rt, mod, Config{At: PointAccept})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			transport := &http.Transport{MaxConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: time.Minute}
			for k := 1; k <= 5; k++ {
				n := 1000*g + k
				resp, err := client.Get(fmt.Sprintf("http://%s/square/%d", l.Addr(), n))
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if want := fmt.Sprintf("%d (answer %d)\n", n*n, k); err != nil || string(b) != want {
					t.Errorf("%v, %q, want %q", err, b, want)
				}
			}
		})
	}
	wg.Wait()
	waitFor(t, "the connections' ends", func() bool { return s.metrics.ends[0].Load() == 4 })
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := rt.Close(); err != nil {
		t.Error(err)
	}
	noMore(t, before)
}
