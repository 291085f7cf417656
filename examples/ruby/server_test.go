package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/realworld/fetch"
	"github.com/spindle-wasm/spindle/serve"
)

// ruby compiles the module, or skips.
func ruby(t *testing.T) (*spindle.Runtime, *spindle.Module) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: an interpreter takes a second to start")
	}
	name, err := fetch.Ruby.File(t.Context(), "dist/ruby+stdlib.wasm")
	if errors.Is(err, fetch.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	wasm, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rt := spindle.NewRuntime()
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	mod, err := rt.Compile(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	return rt, mod
}

// log keeps what a server logs.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start serves an application.
func start(t *testing.T, rt *spindle.Runtime, mod *spindle.Module, app *Application, timeout time.Duration) (*serve.Server, *httptest.Server, *log) {
	t.Helper()
	l := &log{}
	cfg := config(app, slog.New(slog.NewTextHandler(l, nil)))
	cfg.WASI.Stdout, cfg.WASI.Stderr, cfg.Timeout = l, l, timeout
	s, err := serve.New(t.Context(), rt, mod, cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(s)
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	web.Start()
	t.Cleanup(func() {
		web.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, web, l
}

func get(t *testing.T, web *httptest.Server, path string) (*http.Response, string) {
	t.Helper()
	resp, err := web.Client().Get(web.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// What was random before the fork differs in a hundred children; what only the application knows of does not, nor does what it counts.
func TestChildrenAreUnique(t *testing.T) {
	rt, mod := ruby(t)
	_, web, _ := start(t, rt, mod, &Application{File: filepath.Join("testdata", "unique.rb"), Rehearse: []string{"/"}}, time.Minute)
	const children = 100
	seen := map[string]string{}
	var first map[string]json.Number
	for k := range children {
		_, body := get(t, web, "/")
		var got struct {
			Unique map[string]json.RawMessage
			Same   map[string]json.Number
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Unique) != 11 || len(got.Same) != 2 {
			t.Fatalf("%v: %q", err, body)
		}
		for name, v := range got.Unique {
			if before, ok := seen[string(v)]; ok {
				t.Errorf("child %d: %s is %s, as %s of an earlier one", k, name, v, before)
			}
			seen[string(v)] = name
		}
		if first == nil {
			first = got.Same
		}
		if got.Same["own"] != first["own"] || got.Same["forks"] != "1" {
			t.Errorf("child %d: %v, the first one %v", k, got.Same, first)
		}
	}
}

// A refork has what a request has left behind in the image, but nothing of its input; what must differ does, also from the generation before.
func TestRefork(t *testing.T) {
	rt, mod := ruby(t)
	s, web, _ := start(t, rt, mod, &Application{File: "app.rb"}, time.Minute)
	o := newOracle(web, 1)
	r := rand.New(rand.NewPCG(3, 4))
	for generation := range 4 {
		for _, q := range questions {
			if err := q.ask(o, t.Context(), r); err != nil {
				t.Errorf("generation %d: %v", generation, err)
			}
		}
		done := make(chan error, 1)
		go func() {
			_, err := s.Refork(t.Context())
			done <- err
		}()
		for waiting := true; waiting; { // its body is not read, but for what Ruby's buffer takes
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				waiting = false
			default:
				resp, err := web.Client().Post(web.URL+"/nothing", "text/plain", strings.NewReader(strings.Repeat("GET", 1000)))
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
		}
		o.asked++
	}
}

// A hook that fails is the end of the request, not only of the hook.
func TestForkHookFails(t *testing.T) {
	rt, mod := ruby(t)
	_, web, log := start(t, rt, mod, &Application{File: filepath.Join("testdata", "hook.rb")}, time.Minute)
	if resp, body := get(t, web, "/"); resp.StatusCode != 500 || strings.Contains(body, "answered") || !strings.Contains(log.String(), "no fork of this") {
		t.Errorf("status %d, %q\n%s", resp.StatusCode, body, log)
	}
}

func TestStreams(t *testing.T) {
	rt, mod := ruby(t)
	_, web, log := start(t, rt, mod, &Application{File: filepath.Join("testdata", "streams.rb"), Libraries: []string{"json", "set"}}, 3*time.Second)

	t.Run("lines", func(t *testing.T) {
		const line, lines = "0123456789\n", 5
		r, w := io.Pipe()
		defer w.Close()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL+"/lines", r)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(lines * len(line))
		go io.WriteString(w, line) //nolint:errcheck // then there is no answer
		resp, err := web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		out := bufio.NewReader(resp.Body)
		for k := range lines {
			if got, err := out.ReadString('\n'); err != nil || got != "9876543210\n" {
				t.Fatalf("line %d: %v, %q", k, err, got)
			}
			if k+1 < lines {
				if _, err := io.WriteString(w, line); err != nil {
					t.Fatal(err)
				}
			}
		}
		if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
			t.Errorf("%v, %q", err, rest)
		}
	})
	t.Run("headers", func(t *testing.T) {
		resp, body := get(t, web, "/several")
		h := resp.Header
		if resp.StatusCode != 201 || body != "" || !slices.Equal(h["Set-Cookie"], []string{"a=1", "b=2"}) || !slices.Equal(h["X-Lines"], []string{"c", "d"}) || h["Rack.internal"] != nil {
			t.Errorf("status %d, %v, %q", resp.StatusCode, h, body)
		}
		if !strings.Contains(log.String(), "this goes to the log\n") {
			t.Errorf("what was printed is not in the log:\n%s", log)
		}
	})
	t.Run("loop", func(t *testing.T) {
		if resp, _ := get(t, web, "/loop"); resp.StatusCode != 504 {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		if resp, _ := get(t, web, "/nil"); resp.StatusCode != 500 || !strings.Contains(log.String(), "Integer") {
			t.Errorf("status %d\n%s", resp.StatusCode, log)
		}
	})
}

// printed calls a function when the guest prints.
type printed func()

func (p printed) Write(b []byte) (int, error) {
	p()
	return len(b), nil
}

// An application that cannot be served is an error that says why, in time.
func TestStartFails(t *testing.T) {
	rt, mod := ruby(t)
	for _, c := range []struct{ name, source, library, want string }{
		{"syntax", "1 +", "", "SyntaxError"},
		{"exception", "raise KeyError, 'gone'", "", "gone (KeyError)"},
		{"value", "42", "", "its value is Integer"},
		{"exit", "exit 3", "", "exit (SystemExit)"},
		{"no library", "->(e) {}", "no/such/library", "cannot load such file"},
		{"no name", "->(e) {}", "'); exit", "there can be no library"},
		{"for ever", "puts 'begun'; loop {}", "", "context canceled"},
		{"rehearsal", "->(e) { raise 'not yet' }", "", "not yet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "it's \\ here.rb")
			if err := os.WriteFile(file, []byte(c.source), 0o600); err != nil {
				t.Fatal(err)
			}
			app := &Application{File: file}
			if c.library != "" {
				app.Libraries = []string{c.library}
			}
			if c.name == "rehearsal" {
				app.Rehearse = []string{"/a?b"}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cfg := config(app, nil)
			cfg.WASI.Stdout, cfg.WASI.Stderr = printed(cancel), printed(cancel)
			s, err := serve.New(ctx, rt, mod, cfg)
			if err == nil {
				t.Fatal(errors.Join(errors.New("it is served"), s.Close()))
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want something with %q", err, c.want)
			}
		})
	}
}
