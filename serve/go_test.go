package serve

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
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
	s, addr := listen(t, read(t, file), Config{At: PointAccept})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			transport := &http.Transport{MaxConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: time.Minute}
			for k := 1; k <= 5; k++ {
				n := 1000*g + k
				resp, err := client.Get(fmt.Sprintf("http://%s/square/%d", addr, n))
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
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
