package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/serve"
)

var load = flag.Duration("load", 0, "how long TestLoad asks; 0 is 10 s if SPINDLE_REALWORLD is all, otherwise not at all")

var dialer net.Dialer

func resetOnClose(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }

// holding is what a program holds that can leak.
type holding struct {
	goroutines, descriptors, mappings, guests int
	private                                   pages
}

func (h holding) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d mappings, %d KiB of guests, %d KiB private", h.goroutines, h.descriptors, h.mappings, h.guests, h.private.private)
}

// hold counts. Systems without /proc tell of goroutines only.
func hold() (h holding) {
	debug.FreeOSMemory()
	h.goroutines = runtime.NumGoroutine()
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		h.descriptors = len(fds)
	}
	if b, err := os.ReadFile("/proc/self/maps"); err == nil {
		h.mappings = strings.Count(string(b), "memfd:spindle")
	}
	if guests, all, err := guestPages(); err == nil {
		h.guests, h.private = guests.resident, all
	}
	return h
}

const (
	clients = 12
	// killed is one in so many requests whose client goes away.
	killed = 100
	// slack is what Go's heap and its allocator may have more of after the same work, in KiB, and the memories that an image keeps for the next children.
	slack = 40 << 10
)

// TestLoad asks for a while, with some clients that vanish. All answers must be right, and in the end nothing may be held that was not held after the first tenth.
func TestLoad(t *testing.T) {
	took := *load
	if took == 0 && os.Getenv("SPINDLE_REALWORLD") == "all" {
		took = 10 * time.Second
	}
	if took == 0 {
		t.Skip("neither -load nor SPINDLE_REALWORLD=all is set")
	}
	rt, mod := ruby(t)
	app := &Application{File: "app.rb", Libraries: []string{"json", "erb", "set", "optparse"}, Rehearse: []string{"/"}}
	cfg := config(app, nil)
	cfg.Concurrency, cfg.Queue, cfg.WASI.Stderr, cfg.WASI.Stdout = 2*clients, 8*clients, nil, nil
	const most = 1 + 2*2*clients // mappings: the image, and memories of children that wait for the next
	s, err := serve.New(t.Context(), rt, mod, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	web := httptest.NewUnstartedServer(s)
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	web.Start()
	defer web.Close()
	idle := runtime.NumGoroutine()
	o := newOracle(web, 2)

	first := ask(t, o, took/10)
	settle(t, web, s, idle)
	before := hold()
	rest := ask(t, o, took-took/10)
	settle(t, web, s, idle)
	after := hold()

	if rest.gone == 0 || len(rest.took) == 0 {
		t.Fatalf("%d clients are gone, %d had their answer", rest.gone, len(rest.took))
	}
	t.Logf("%v by %d clients: %d answers right, %d clients gone; median %v, 99 %% %v", took, clients, len(first.took)+len(rest.took), first.gone+rest.gone,
		rest.took[len(rest.took)/2].Round(time.Microsecond), rest.took[len(rest.took)*99/100].Round(time.Microsecond))
	t.Logf("after a tenth: %v", before)
	t.Logf("at the end:    %v", after)
	if after.goroutines > before.goroutines || after.descriptors > before.descriptors || after.mappings > most || after.private.private > before.private.private+slack {
		t.Error("something was not given back")
	}
}

// asked is what came of some requests.
type asked struct {
	took []time.Duration // of those that had their answer, in order
	gone int
}

// ask has clients ask for a time, and fails the test for wrong answers.
func ask(t *testing.T, o *oracle, long time.Duration) asked {
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	var mu sync.Mutex
	var all asked
	var wrong atomic.Int64
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(c), uint64(long)))
			for n := c * killed / clients; ctx.Err() == nil && wrong.Load() < 10; n++ {
				if n%killed == 0 { // so the first request of the first client, too
					if err := o.vanish(t.Context(), r); err != nil && !errors.Is(err, net.ErrClosed) {
						t.Errorf("a client that was to vanish: %v", err)
						wrong.Add(1)
					}
					mu.Lock()
					all.gone++
					mu.Unlock()
					continue
				}
				q := questions[r.IntN(len(questions))]
				begin := time.Now()
				if err := q.ask(o, t.Context(), r); err != nil {
					t.Errorf("%s: %v", q.name, err)
					wrong.Add(1)
					continue
				}
				mu.Lock()
				all.took = append(all.took, time.Since(begin))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(all.took)
	return all
}

// settle returns when the server has no children and the program no more goroutines than when it was idle.
func settle(t *testing.T, web *httptest.Server, s *serve.Server, idle int) {
	t.Helper()
	web.CloseClientConnections()
	web.Client().CloseIdleConnections()
	for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		rec := httptest.NewRecorder()
		s.Metrics().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
		none := strings.Contains(rec.Body.String(), "\nspindle_serve_children 0\n")
		if none && runtime.NumGoroutine() <= idle {
			return
		}
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("no children: %t; %d goroutines, %d when idle:\n%s", none, runtime.NumGoroutine(), idle, buf[:runtime.Stack(buf, true)])
		}
	}
}
