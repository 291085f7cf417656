package serve

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	spindle "github.com/spindle-wasm/spindle"
)

// points are those that testdata/app.wat can be frozen at.
var points = []Point{PointStdin, PointFork, ExportPoint("serve")}

// begin makes a Server of a program, of text or binary format. At the end of the test nothing of it may be left. What has to end before, stop ends.
func begin(t *testing.T, code []byte, cfg Config, serve func(s *Server) (stop func())) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	before := runtime.NumGoroutine()
	rt := spindle.NewRuntime()
	compile := rt.CompileText
	if bytes.HasPrefix(code, []byte("\x00asm")) {
		compile = rt.Compile
	}
	mod, err := compile(ctx, code)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(ctx, rt, mod, cfg)
	if err != nil {
		t.Fatal(err)
	}
	stop := serve(s)
	t.Cleanup(func() {
		stop()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if n := s.metrics.live.Load(); n != 0 || len(s.kids.list()) > 0 || len(s.points.of) > 0 {
			t.Errorf("%d children are left", n)
		}
		if len(s.old) > 0 {
			t.Errorf("%d old images are left", len(s.old))
		}
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
		noMore(t, before)
	})
	return s
}

// start serves testdata/app.wat.
func start(t *testing.T, cfg Config) (s *Server, web *httptest.Server) {
	t.Helper()
	s = begin(t, read(t, "testdata/app.wat"), cfg, func(s *Server) func() {
		web = httptest.NewUnstartedServer(s)
		web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		web.Start()
		return func() {
			web.CloseClientConnections()
			web.Close()
		}
	})
	return s, web
}

// listen has a Server of a program serve an address.
func listen(t *testing.T, code []byte, cfg Config) (s *Server, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = begin(t, code, cfg, func(s *Server) func() {
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		return func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = s.Shutdown(ctx) // cuts off
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
	})
	return s, l.Addr().String()
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// noMore waits until there are no more goroutines than before.
func noMore(t *testing.T, before int) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

// get asks for a path with a body of the client's, and returns the answer with its body, or how far that came.
func get(t *testing.T, web *httptest.Server, method, path string, body io.Reader) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, web.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// Each request has a child of its own, that begins as warm as all others, whatever the point.
func TestAnswers(t *testing.T) {
	for _, at := range points {
		t.Run(string(at), func(t *testing.T) {
			_, web := start(t, Config{At: at})
			var wg sync.WaitGroup
			for g := range 8 {
				wg.Go(func() {
					for k := range 25 {
						body := strings.Repeat(fmt.Sprintf("%d.%d ", g, k), 1+k*k)
						resp, got, err := get(t, web, "POST", fmt.Sprintf("/echo/%d?k=%d", g, k), strings.NewReader(body))
						want := fmt.Sprintf("BPOST /echo/%d?k=%d HTTP/1.1\r\nHost: ", g, k)
						if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\r\n\r\n"+body) {
							t.Errorf("%v, status %d: %.100q", err, resp.StatusCode, got)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// What guests may answer, and what the client gets of it; where cut is set the body ends with an error.
func TestForms(t *testing.T) {
	_, web := start(t, Config{Timeout: 20 * time.Second})
	for _, c := range []struct {
		path   string
		status int
		body   string
		cut    bool
		header [2]string
	}{
		{"/c", 404, "none", false, [2]string{"X-Own", "yes"}},
		{"/c", 404, "none", false, [2]string{"Content-Type", "text/html"}},
		{"/k", 200, "abcde", false, [2]string{"Content-Type", ""}},
		{"/m", 200, "four", false, [2]string{"Content-Length", "4"}},
		{"/f", 200, "four", true, [2]string{}},
		{"/y", 200, "", false, [2]string{"Content-Type", "text/plain"}},
		{"/T", 200, "", true, [2]string{}},
		{"/t", 502, "Bad Gateway\n", false, [2]string{}},
		{"/b", 502, "Bad Gateway\n", false, [2]string{}},
		{"/i", 502, "Bad Gateway\n", false, [2]string{}},
		{"/u", 502, "Bad Gateway\n", false, [2]string{}},
		{"/x", 502, "Bad Gateway\n", false, [2]string{}},
		{"/h", 502, "Bad Gateway\n", false, [2]string{}},
		{"/0", 502, "Bad Gateway\n", false, [2]string{}},
	} {
		resp, got, err := get(t, web, "GET", c.path, nil)
		if resp.StatusCode != c.status || got != c.body || (err != nil) != c.cut {
			t.Errorf("%s: status %d, %v, %.100q", c.path, resp.StatusCode, err, got)
		}
		if h := c.header; h[0] != "" && resp.Header.Get(h[0]) != h[1] {
			t.Errorf("%s: %s is %q, want %q", c.path, h[0], resp.Header.Get(h[0]), h[1])
		}
		head, _, err := get(t, web, "HEAD", c.path, nil)
		if head.StatusCode != c.status || err != nil {
			t.Errorf("HEAD %s: status %d, %v", c.path, head.StatusCode, err)
		}
	}
}

// Bodies stream both ways: what a client sends comes back before it sends more.
func TestStreams(t *testing.T) {
	for _, at := range points {
		t.Run(string(at), func(t *testing.T) {
			_, web := start(t, Config{At: at})
			conn := dial(t, web)
			fmt.Fprintf(conn, "POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n")
			br := bufio.NewReader(conn)
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			body := bufio.NewReader(resp.Body)
			for line := ""; line != "\r\n"; {
				if line, err = body.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				io.WriteString(conn, "abcd\n")
				if line, err := body.ReadString('\n'); err != nil || line != "abcd\n" {
					t.Fatalf("%v, %q", err, line)
				}
			}
			if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
				t.Errorf("%v, %q", err, rest)
			}
		})
	}
}

// The head of an answer comes before the first part of its body does.
func TestHeadFirst(t *testing.T) {
	_, web := start(t, Config{Timeout: -1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+"/L", nil) // a head, and then a loop without end
	if err != nil {
		t.Fatal(err)
	}
	resp, err := web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}

// A body of unknown length comes in chunks.
func TestChunkedRequest(t *testing.T) {
	_, web := start(t, Config{MaxRequest: 1000})
	_, got, err := get(t, web, "PUT", "/e", struct{ io.Reader }{strings.NewReader("of unknown length")})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(got[1:])))
	if err != nil {
		t.Fatalf("%v: %q", err, got)
	}
	if b, err := io.ReadAll(req.Body); err != nil || string(b) != "of unknown length" || req.Header.Get("X-Forwarded-For") != "127.0.0.1" {
		t.Errorf("%v, %q, %v", err, b, req.Header)
	}
	for _, body := range []io.Reader{strings.NewReader(strings.Repeat("x", 1001)), struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 1001))}} {
		if resp, _, _ := get(t, web, "PUT", "/e", body); resp.StatusCode != 413 {
			t.Errorf("status %d for a body that is too large", resp.StatusCode)
		}
	}
	if resp, got, err := get(t, web, "PUT", "/e", strings.NewReader(strings.Repeat("x", 1000))); err != nil || resp.StatusCode != 200 || !strings.HasSuffix(got, "xxx") {
		t.Errorf("%v, status %d for the largest body", err, resp.StatusCode)
	}
}

func dial(t *testing.T, web *httptest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return conn
}

func status(t *testing.T, conn net.Conn) int {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	return resp.StatusCode
}

// Time: a guest that does not answer, one that does not end, a client that does not send, and one that does not read.
func TestTimeouts(t *testing.T) {
	s, web := start(t, Config{Timeout: time.Second})
	if resp, _, _ := get(t, web, "GET", "/l", nil); resp.StatusCode != 504 {
		t.Errorf("a loop: status %d", resp.StatusCode)
	}
	if resp, _, err := get(t, web, "GET", "/L", nil); resp.StatusCode != 200 || err == nil {
		t.Errorf("a loop after the head: status %d, %v", resp.StatusCode, err)
	}
	conn := dial(t, web)
	fmt.Fprintf(conn, "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
	if n := status(t, conn); n != 408 {
		t.Errorf("half a request: status %d", n)
	}
	unread := dial(t, web)
	fmt.Fprintf(unread, "GET /w HTTP/1.1\r\nHost: a\r\n\r\n")
	waitFor(t, "the unread answer to be given up", func() bool { return s.metrics.statuses[504].Load() == 3 && s.metrics.live.Load() == 0 })
}

// waitFor waits for what others bring about.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("no end of waiting for " + what)
		}
	}
}

// At most so many at a time, at most so many that wait; and all slots are there again when clients have gone.
func TestConcurrency(t *testing.T) {
	s, web := start(t, Config{Concurrency: 2, Queue: 1, Timeout: 50 * time.Second})
	var conns []net.Conn
	ask := func() {
		conns = append(conns, dial(t, web))
		fmt.Fprintf(conns[len(conns)-1], "GET /l HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	ask()
	ask()
	waitFor(t, "two children", func() bool { return s.metrics.live.Load() == 2 })
	ask()
	waitFor(t, "one to wait", func() bool { return s.slots.queued.Load() == 1 })
	resp, _, _ := get(t, web, "GET", "/c", nil)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, %v", resp.StatusCode, resp.Header)
	}
	for _, c := range conns {
		c.Close()
	}
	waitFor(t, "the children of clients that have gone to end", func() bool {
		return s.metrics.statuses[statusGone].Load() == 3 && s.metrics.live.Load() == 0 && len(s.slots.free) == 0
	})
	if resp, _, _ := get(t, web, "GET", "/c", nil); resp.StatusCode != 404 {
		t.Errorf("afterwards: status %d", resp.StatusCode)
	}
}

// The bound of a child's memory is its own.
func TestMemory(t *testing.T) {
	_, web := start(t, Config{Process: spindle.Config{MaxMemory: 16 << 20}})
	for range 3 {
		// 4 pages, and 64 more as long as there are no more than 256.
		if resp, got, err := get(t, web, "GET", "/g", nil); err != nil || resp.StatusCode != 200 || got != "3" {
			t.Errorf("%v, status %d, %q", err, resp.StatusCode, got)
		}
	}
}

// Clients that vanish, trickle and send garbage, between others whose answers are right.
func TestBadClients(t *testing.T) {
	s, web := start(t, Config{Concurrency: 8, Queue: 1000})
	var wg sync.WaitGroup
	for k := range 40 {
		wg.Go(func() {
			conn := dial(t, web)
			defer conn.Close()
			switch k % 4 {
			case 0:
				fmt.Fprintf(conn, "GET /w HTTP/1.1\r\nHost: a\r\n\r\n")
				_, _ = io.CopyN(io.Discard, conn, int64(k)*10_000)
			case 1:
				fmt.Fprintf(conn, "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
			case 2:
				fmt.Fprintf(conn, "\x16\x03\x01 garbage /l\r\n\r\n\x00\r\n\r\n")
				if n := status(t, conn); n != 400 {
					t.Errorf("garbage: status %d", n)
				}
			case 3:
				for _, b := range []byte("POST /e HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc") {
					_, _ = conn.Write([]byte{b})
				}
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if b, err := io.ReadAll(resp.Body); err != nil || !bytes.HasPrefix(b, []byte("BPOST /e")) || !bytes.HasSuffix(b, []byte("\r\n\r\nabc")) {
					t.Errorf("trickled: %v, %q", err, b)
				}
			}
		})
		wg.Go(func() {
			if resp, got, err := get(t, web, "GET", "/e", nil); err != nil || resp.StatusCode != 200 || !strings.HasPrefix(got, "BGET /e HTTP/1.1") {
				t.Errorf("%v, status %d, %q", err, resp.StatusCode, got)
			}
		})
	}
	wg.Wait()
	waitFor(t, "all children to end", func() bool { return s.metrics.live.Load() == 0 })
}

// A shutdown lets requests end.
func TestShutdown(t *testing.T) {
	s, _ := start(t, Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
	waitFor(t, "the child", func() bool { return s.metrics.live.Load() == 1 })
	shut := make(chan error, 1)
	go func() { shut <- s.Shutdown(t.Context()) }()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
	io.WriteString(conn, "abc")
	if n := status(t, conn); n != 200 {
		t.Errorf("status %d", n)
	}
	if err := <-shut; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	rec := httptest.NewRecorder()
	if s.ServeHTTP(rec, httptest.NewRequest("GET", "/e", nil)); rec.Code != 503 {
		t.Errorf("status %d of a closed server", rec.Code)
	}
}

// Logs and metrics tell of each request.
func TestReports(t *testing.T) {
	var log bytes.Buffer
	s, web := start(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	get(t, web, "GET", "/c?q", nil)
	get(t, web, "GET", "/t", nil)
	waitFor(t, "the second report", func() bool { return s.metrics.statuses[502].Load() == 1 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`msg=warm point=stdin`, `msg=request id=1 client=127\.0\.0\.1:\d+ method=GET uri="?/c\?q"? status=404 bytes=4 took=\S+ pid=2`,
		`level=WARN msg="request failed" id=2 status=502 error=.*unreachable`,
	} {
		if !regexp.MustCompile(want).Match(log.Bytes()) {
			t.Errorf("no %s in\n%s", want, log.String())
		}
	}
	rec := httptest.NewRecorder()
	s.Metrics().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	sample := regexp.MustCompile(`^(# (HELP|TYPE) spindle_serve_\w+ .+|spindle_serve_\w+(\{\w+="[^"]+"\})? [0-9.e+-]+)$`)
	for line := range strings.Lines(rec.Body.String()) {
		if !sample.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Errorf("not a line of metrics: %q", line)
		}
	}
	for _, want := range []string{
		`requests_total{status="404"} 1`, `requests_total{status="502"} 1`, `request_seconds_count 2`, `fork_seconds_bucket{le="+Inf"} 2`, `children 0`,
	} {
		if !strings.Contains(rec.Body.String(), "spindle_serve_"+want+"\n") {
			t.Errorf("no %s in\n%s", want, rec.Body.String())
		}
	}
}

// A guest that does not come to its point is refused, with the reason.
func TestNoPoint(t *testing.T) {
	rt := spindle.NewRuntime()
	defer rt.Close()
	for _, c := range []struct {
		text string
		at   Point
		want string
	}{
		{`(module (func (export "_start")))`, PointStdin, "did not come to the point"},
		{`(module (func (export "_start") unreachable))`, PointStdin, "unreachable"},
		{`(module (func (export "_start")))`, PointFork, "did not come to the point"},
		{`(module (func (export "_start")))`, ExportPoint("f"), "exports no function"},
		{`(module (func (export "f") (param i32)))`, ExportPoint("f"), "takes arguments"},
		{`(module (func (export "f")) (func (export "_start") unreachable))`, ExportPoint("f"), "did not return"},
		{`(module)`, Point("noon"), "there is no point"},
	} {
		mod, err := rt.CompileText(t.Context(), []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if s, err := New(t.Context(), rt, mod, Config{At: c.at}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s at %s: %v", c.text, c.at, err)
			if s != nil {
				s.Close()
			}
		}
	}
}
