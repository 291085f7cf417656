package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/wasi"
)

// ask asks a guest of testdata/app.wat for its state: the number of requests that it has had, this one included.
func ask(t *testing.T, web *httptest.Server) int {
	t.Helper()
	resp, got, err := get(t, web, "GET", "/n", nil)
	if err != nil || resp.StatusCode != 200 || len(got) != 1 {
		t.Fatalf("%v, status %d, %q", err, resp.StatusCode, got)
	}
	return int(got[0] - 'A')
}

// refork begins a refork, and waits until the server knows.
func refork(t *testing.T, s *Server) <-chan reforked {
	t.Helper()
	s.mu.Lock()
	want := len(s.refork.waiting) + 1
	s.mu.Unlock()
	ch := make(chan reforked, 1)
	go func() {
		g, err := s.Refork(t.Context())
		ch <- reforked{g, err}
	}()
	waitFor(t, "the refork to be wanted", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.refork.waiting) == want
	})
	return ch
}

// A refork makes an image of the next child, which has what its request has left behind; whoever was forked of the old one is not touched, and it goes with the last of them.
func TestRefork(t *testing.T) {
	for _, cfg := range []Config{{At: PointStdin}, {At: PointFork}, {At: ExportPoint("serve")}, {Guest: &driven{}}} {
		t.Run(string(cfg.At), func(t *testing.T) {
			s, web := start(t, cfg)
			conn := dial(t, web)
			fmt.Fprintf(conn, "POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
			old := bufio.NewReader(conn)
			if _, err := old.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			for g := 1; g <= 10; g++ {
				done := refork(t, s)
				if n := ask(t, web); n != g {
					t.Errorf("the heir of generation %d has had %d requests", g, n)
				}
				if r := <-done; r.err != nil || r.gen.Number != g || r.gen.Served != g {
					t.Errorf("%v: %+v", r.err, r.gen)
				}
				for range 3 {
					if n := ask(t, web); n != g+1 {
						t.Errorf("a child of generation %d has had %d requests", g, n)
					}
				}
				waitFor(t, "the children to go", func() bool { return s.metrics.live.Load() == 1 })
			}
			var st state
			waitFor(t, "the images between to go", func() bool { st = s.state(); return st.Retired >= 9 }) // after their last child has been counted out
			if len(st.Generations) != 2 || st.Generations[1].Number != 0 || st.Generations[1].Live != 1 || st.Retired != 9 || st.Reforks != 10 {
				t.Errorf("%+v", st)
			}
			io.WriteString(conn, "hello")
			if _, err := old.ReadString('o'); err != nil {
				t.Error(err)
			}
			waitFor(t, "the first image to go", func() bool { st := s.state(); return st.Retired == 10 && len(st.Generations) == 1 })
		})
	}
}

// The same with a server that takes connections.
func TestReforkAccept(t *testing.T) {
	s, addr := listen(t, read(t, "testdata/accept.wat"), Config{At: PointAccept})
	visit := func() byte {
		conn := call(t, addr)
		defer conn.Close()
		fmt.Fprint(conn, "a_")
		b, err := bufio.NewReader(conn).ReadString('_')
		if err != nil || !strings.HasSuffix(b, "A_") {
			t.Errorf("%v, %q", err, b)
		}
		return b[0] - '0'
	}
	for g := 1; g <= 8; g++ {
		done := refork(t, s)
		if n := visit(); n != byte(g) {
			t.Errorf("the heir of generation %d has had %d connections", g, n)
		}
		if r := <-done; r.err != nil || r.gen.Number != g {
			t.Errorf("%v: %+v", r.err, r.gen)
		}
		if n := visit(); n != byte(g)+1 {
			t.Errorf("a child of generation %d has had %d connections", g, n)
		}
	}
	waitFor(t, "the last children to go", func() bool { return s.metrics.live.Load() == 0 && s.metrics.ends[0].Load() == 16 })
}

// By count, one request after the other: when enough have been answered the next ReforkWarm go to heirs, each to a fork of the one before.
func TestReforkAfterOneByOne(t *testing.T) {
	const after, warm = 5, 3
	s, web := start(t, Config{ReforkAfter: after, ReforkWarm: warm})
	admin := s.Admin()
	for g := range 4 {
		for k := range after + warm {
			want := g*warm + 1 + max(0, k-after)
			if n := ask(t, web); n != want {
				t.Fatalf("request %d of generation %d is the guest's number %d, want %d", k, g, n, want)
			}
			since, heirs := min(k+1, after), g*warm+max(0, k+1-after)
			if k == after+warm-1 {
				since = 0
			}
			waitFor(t, "the request to be counted, or its child to be frozen", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return !s.refork.running && s.refork.since == since && s.gen.served+s.refork.served == heirs
			})
			page := httptest.NewRecorder()
			admin.ServeHTTP(page, httptest.NewRequest("GET", "/", nil))
			tells := fmt.Sprintf("next after %d requests", after-since)
			if since == after {
				tells = "the next request is forked anew from"
			}
			if !strings.Contains(page.Body.String(), tells) {
				t.Errorf("after request %d of generation %d the page does not say %q: %s", k, g, tells, page.Body)
			}
		}
	}
}

// By count, under load: no child has had more requests than it can have had, and each heir as many as ReforkWarm says.
func TestReforkAfter(t *testing.T) {
	const after, warm, clients, requests = 10, 3, 4, 50
	s, web := start(t, Config{ReforkAfter: after, ReforkWarm: warm})
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			last := 0
			for range requests {
				resp, got, err := get(t, web, "GET", "/n", nil)
				if err != nil || resp.StatusCode != 200 || len(got) != 1 {
					t.Errorf("%v, status %d, %q", err, resp.StatusCode, got)
					return
				}
				// What a client sees grows by generations, in each of which heirs are ahead by less than warm.
				n := int(got[0] - 'A')
				if base := (n - 1) / warm * warm; base < last {
					t.Errorf("%d requests in a child, after %d in an image", n, last)
				} else if (n-1)%warm == 0 {
					last = base
				}
			}
		})
	}
	wg.Wait()
	waitFor(t, "the last heir", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.refork.running
	})
	st := s.state()
	if st.Generation == 0 || st.Generation > clients*requests/after || st.Generations[0].Served != warm*st.Generation || st.ReforkFailures > 0 {
		t.Errorf("%+v", st)
	}
}

// What is not a new image is an error that says why, and changes nothing. What clients do is no failure.
func TestReforkFails(t *testing.T) {
	var log bytes.Buffer
	s, web := start(t, Config{Timeout: 5 * time.Second, Log: slog.New(slog.NewTextHandler(&log, nil))})
	failures := 0
	for _, c := range []struct {
		path   string
		body   int // bytes, which never come
		status int
		want   string
	}{
		{"/o", 0, 200, "does not come to its point again"},
		{"/t", 0, 502, "unreachable"},
		{"/x", 0, 502, "exit"},
		{"/b", 0, 502, "not an answer"},
		{"/n", 200_000, 200, "did not read the whole request"},
	} {
		done := refork(t, s)
		conn := dial(t, web)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", c.path, c.body)
		if n := status(t, conn); n != c.status {
			t.Errorf("%s: status %d", c.path, n)
		}
		r := <-done
		failures++
		if !errors.Is(r.err, ErrReforkFailed) || !strings.Contains(r.err.Error(), c.want) || r.gen.Number != 0 {
			t.Errorf("%s: %v", c.path, r.err)
		}
		if n := ask(t, web); n != 1 {
			t.Errorf("%s: afterwards a child has had %d requests", c.path, n)
		}
	}
	if st := s.state(); st.ReforkFailures != uint64(failures) || st.ReforkError == "" || st.Generation != 0 {
		t.Errorf("%+v", st)
	}

	done := refork(t, s)
	gone := dial(t, web)
	fmt.Fprintf(gone, "GET /l HTTP/1.1\r\nHost: a\r\n\r\n")
	heir := func() bool { // not: a child, which may be the one before
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.refork.running
	}
	waitFor(t, "the heir", heir)
	gone.Close()
	waitFor(t, "the heir of a client that has gone to be passed over", func() bool { return !heir() })
	if n := ask(t, web); n != 1 {
		t.Errorf("the next heir has had %d requests", n)
	}
	if r := <-done; r.err != nil || r.gen.Number != 1 {
		t.Errorf("%v: %+v", r.err, r.gen)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Refork(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ask(t, web)
	if st := s.state(); st.Generation != 1 || st.ReforkWaits {
		t.Errorf("a refork that nobody wants any more was made: %+v", st)
	}

	done = refork(t, s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if r := <-done; !errors.Is(r.err, errClosed) {
		t.Error(r.err)
	}
	if _, err := s.Refork(t.Context()); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	if n := strings.Count(log.String(), `msg="refork failed"`); n != failures {
		t.Errorf("%d failures in the log, want %d", n, failures)
	}
}

// gcGuest keeps a list on its garbage-collected heap: an element for each request that it has had, and much garbage. It says snapshot() before each, and answers with a letter
// for the length of the list, found by going through it.
const gcGuest = `(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "spindle" "snapshot" (func $snapshot (result i32)))
  (type $list (struct (field $next (ref null $list)) (field $pad i64)))
  (memory (export "memory") 1)
  (global $all (mut (ref null $list)) (ref.null $list))
  (data (i32.const 100) "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
  (func (export "_start") (local $at (ref null $list)) (local $n i32)
    (loop $request
      (drop (call $snapshot))
      (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4096))
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.eqz (i32.load (i32.const 8))) (then (return)))
      (local.set $n (i32.const 20000))
      (loop $garbage
        (local.set $at (struct.new $list (local.get $at) (i64.const 7)))
        (br_if $garbage (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (global.set $all (struct.new $list (global.get $all) (i64.const 1)))
      (local.set $at (global.get $all))
      (local.set $n (i32.const 64))
      (loop $count
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $count (i32.eqz (ref.is_null (local.tee $at (struct.get $list $next (local.get $at)))))))
      (i32.store8 (i32.const 138) (local.get $n))
      (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 39))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (local.set $at (ref.null $list))
      (br $request))))`

// Generation upon generation of a garbage-collected heap has all that requests have left in it.
func TestReforkGC(t *testing.T) {
	for _, at := range []Point{PointStdin, PointFork} {
		s, addr := listen(t, []byte(gcGuest), Config{At: at})
		ask := func() int {
			conn := call(t, addr)
			defer conn.Close()
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			b, err := io.ReadAll(conn)
			if err != nil || !bytes.HasPrefix(b, []byte("HTTP/1.1 200")) {
				t.Fatalf("%v, %q", err, b)
			}
			return int(b[len(b)-1] - '@')
		}
		for g := 1; g <= 12; g++ {
			done := refork(t, s)
			if n := ask(); n != g {
				t.Errorf("%s: the list of generation %d has %d elements", at, g, n)
			}
			if r := <-done; r.err != nil {
				t.Fatal(r.err)
			}
			if n := ask(); n != g+1 {
				t.Errorf("%s: the list of a child of generation %d has %d elements", at, g, n)
			}
		}
	}
}

// lateGuest tells on standard error when it sees the end of its input, or cannot accept any more.
const lateGuest = `(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "HTTP/1.1 204 No Content\r\n\r\nend")
  (func (export "_start")
    (loop $request
      (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4096))
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.eqz (i32.load (i32.const 8))) (then
        (i32.store (i32.const 0) (i32.const 127)) (i32.store (i32.const 4) (i32.const 3))
        (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
        (return)))
      (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 27))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br $request))))`

// A guest that has been frozen does nothing more: not even notice that nothing will come.
func TestFrozenIsStill(t *testing.T) {
	var said bytes.Buffer // written to by guests' goroutines, and read when they have gone
	s, addr := listen(t, []byte(lateGuest), Config{WASI: wasi.Config{Stderr: &said}})
	for range 30 {
		done := refork(t, s)
		conn := call(t, addr)
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if b, err := io.ReadAll(conn); err != nil || !bytes.HasPrefix(b, []byte("HTTP/1.1 204")) {
			t.Fatalf("%v, %q", err, b)
		}
		conn.Close()
		if r := <-done; r.err != nil {
			t.Fatal(r.err)
		}
	}
	waitFor(t, "the heirs to go", func() bool { return s.metrics.live.Load() == 0 })
	if said.Len() > 0 {
		t.Errorf("a frozen guest said %q", said.String())
	}
}
