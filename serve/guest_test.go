package serve

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// driven drives testdata/app.wat by its exports.
type driven struct{ fail error }

func (d *driven) Start(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, wc wasi.Config, pc spindle.Config) (*spindle.Process, error) {
	if d.fail != nil {
		return nil, d.fail
	}
	inst, err := wasi.Instantiate(ctx, rt, mod, wc, pc)
	if err != nil {
		return nil, err
	}
	return inst.Process(), nil
}

func (d *driven) Answer(ctx context.Context, child *spindle.Process) error {
	_, err := child.Instance("app").Call(ctx, "serve")
	return err
}

// A guest that host code drives: answers, traps, exit codes, clients that go, and a guest that does not start.
func TestGuest(t *testing.T) {
	s, web := start(t, Config{Guest: &driven{}, Timeout: time.Minute})
	for _, c := range []struct {
		path   string
		status int
	}{{"/e", 200}, {"/c", 404}, {"/t", 502}, {"/x", 502}, {"/b", 502}, {"/e", 200}} {
		resp, got, err := get(t, web, "POST", c.path, strings.NewReader("body"))
		if err != nil || resp.StatusCode != c.status || c.path == "/e" && (got[0] != 'B' || !strings.HasSuffix(got, "body")) {
			t.Errorf("%s: status %d, %v, %.100q", c.path, resp.StatusCode, err, got)
		}
	}
	conn := dial(t, web) // w prints without end
	if _, err := conn.Write([]byte("GET /w HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	waitFor(t, "the child of a client that has gone to end", func() bool { return s.metrics.live.Load() == 0 })

	rt := spindle.NewRuntime()
	defer rt.Close()
	want := errors.New("not today")
	if _, err := New(t.Context(), rt, nil, Config{Guest: &driven{fail: want}}); !errors.Is(err, want) {
		t.Error(err)
	}
	if _, err := New(t.Context(), rt, nil, Config{Guest: &driven{}, At: PointStdin}); err == nil || !strings.Contains(err.Error(), "stdin") {
		t.Error(err)
	}
}
