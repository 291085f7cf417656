package serve

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var loadTime = flag.Duration("load", time.Second, "how long the tests under load take, each")

// resources counts what a process may run out of: descriptors, and mappings of files in memory.
func resources(t *testing.T) (fds, maps int) {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, 0 // not Linux
	}
	m, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return len(d), bytes.Count(m, []byte("memfd:spindle"))
}

// underLoad has clients ask until the time is over, of whom one in a hundred does not wait, and sees that nothing is left of it all. Each client is a function that asks
// once, on a connection of its own; it says whether the answer was right.
func underLoad(t *testing.T, code []byte, cfg Config, clients []func(rng *rand.Rand, addr string) error) {
	fds, maps := resources(t)
	var asked, wrong atomic.Int64
	t.Run("run", func(t *testing.T) {
		s, addr := listen(t, code, cfg)
		until, limit := time.Now().Add(*loadTime), time.Now().Add(*loadTime+2*time.Minute)
		goOn := func() bool { // on a busy machine until there was a refork
			s.mu.Lock()
			defer s.mu.Unlock()
			return wrong.Load() < 20 && (time.Now().Before(until) || s.refork.done == 0 && time.Now().Before(limit))
		}
		var wg sync.WaitGroup
		for g := range 12 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(g), 5))
				for goOn() {
					ask := clients[rng.IntN(len(clients))]
					if rng.IntN(100) == 0 {
						ask = vanish
					}
					asked.Add(1)
					if err := ask(rng, addr); err != nil {
						wrong.Add(1)
						t.Error(err)
					}
				}
			})
		}
		wg.Add(1)
		stop := make(chan struct{})
		go func() { // metrics are read meanwhile
			defer wg.Done()
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
					s.writeMetrics(io.Discard)
				}
			}
		}()
		time.AfterFunc(time.Until(until), func() { close(stop) })
		wg.Wait()
		waitFor(t, "the last children to go", func() bool { return s.metrics.live.Load() == 0 && len(s.slots.free) == 0 && s.slots.queued.Load() == 0 })
		st := s.state()
		t.Logf("%d requests, generation %d (%d failed), statuses %v, errors %v, median %v, 99 %% below %v", asked.Load(), st.Generation, st.ReforkFailures, st.Statuses, st.Errors,
			time.Duration(st.Latency.P50*1e9), time.Duration(st.Latency.P99*1e9))
		if st.Generation == 0 {
			t.Error("there was no refork")
		}
		if len(st.Generations) != 1 {
			t.Errorf("there are %d images", len(st.Generations))
		}
	})
	waitFor(t, "descriptors and mappings to go", func() bool {
		runtime.GC() // of connections that were not closed
		f, m := resources(t)
		return f <= fds && m <= maps
	})
}

// vanish goes away at some time: before the request is out, while it is answered, or after that.
func vanish(rng *rand.Rand, addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if rng.IntN(2) == 0 {
		_ = conn.(*net.TCPConn).SetLinger(0) // by a reset
	}
	text := fmt.Sprintf("POST /%c HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n%s", "ewslnt"[rng.IntN(6)], strings.Repeat("x", 100_000))
	if rng.IntN(3) > 0 {
		text = text[:rng.IntN(len(text))]
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.SetReadDeadline(time.Now().Add(time.Duration(rng.IntN(5000)) * time.Microsecond))
	_, _ = io.CopyN(io.Discard, conn, int64(rng.IntN(100_000)))
	return nil
}

// answerTo sends a request in pieces, with pauses between them as slow clients have, and returns the answer.
func answerTo(addr, text string, piece int, pause time.Duration) (*http.Response, []byte, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for rest := text; rest != ""; time.Sleep(pause) {
			n := min(piece, len(rest))
			if _, err := io.WriteString(conn, rest[:n]); err != nil {
				return // it has been refused; the answer tells
			}
			rest = rest[n:]
		}
	}()
	defer func() { <-sent }()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%.60q: %w", text, err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		err = fmt.Errorf("%.60q: after %d bytes: %w", text, len(b), err)
	}
	return resp, b, err
}

// echo asks for the request itself: the oracle of what a guest has got, and of what the client gets.
func echo(rng *rand.Rand, addr string, piece int, pause time.Duration) error {
	body := make([]byte, rng.IntN(20_000))
	for i := range body {
		body[i] = 'a' + byte(rng.IntN(26))
	}
	path := fmt.Sprintf("/e%d", rng.Int())
	text := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Sum: %x\r\nContent-Length: %d\r\n\r\n%s", path, sha256.Sum256(body), len(body), body)
	if piece > 0 && len(text) > 50*piece {
		piece = len(text)/50 + 1
	} else if piece == 0 {
		piece = len(text)
	}
	resp, got, err := answerTo(addr, text, piece, pause)
	if err != nil {
		return err
	}
	want := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nX-Sum: %x\r\nX-Forwarded-For: 127.0.0.1\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", path, sha256.Sum256(body), len(body), body)
	if resp.StatusCode != 200 || len(got) == 0 || string(got[1:]) != want {
		return fmt.Errorf("%s: status %d, %d bytes, want %d: %.300q", path, resp.StatusCode, len(got)-1, len(want), got)
	}
	return nil
}

// expect makes a client that wants a status, and perhaps a body.
func expect(text string, status int, body string) func(*rand.Rand, string) error {
	return func(_ *rand.Rand, addr string) error {
		resp, got, err := answerTo(addr, text, len(text), 0)
		if err == nil && (resp.StatusCode != status || body != "" && string(got) != body) {
			err = fmt.Errorf("%.60q: status %d, %.100q", text, resp.StatusCode, got)
		}
		return err
	}
}

// TestLoad is the server with all kinds of clients, forked anew all the time. A short version by default; go test ./serve -run TestLoad -v -load 10m is the long one.
func TestLoad(t *testing.T) {
	get := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" }
	whole := func(rng *rand.Rand, addr string) error { return echo(rng, addr, 0, 0) }
	underLoad(t, read(t, "testdata/app.wat"), Config{At: PointFork, Concurrency: 8, Queue: 1000, Timeout: time.Minute, MaxRequest: 150_000, ReforkAfter: 50, ReforkWarm: 2},
		[]func(*rand.Rand, string) error{
			whole, whole, whole, whole,
			func(rng *rand.Rand, addr string) error { return echo(rng, addr, 1+rng.IntN(300), time.Millisecond) }, // trickles
			expect(get("/c"), 404, "none"),
			expect(get("/k"), 200, "abcde"),
			expect(get("/t"), 502, "Bad Gateway\n"),
			expect(get("/x"), 502, ""),
			expect(get("/b"), 502, ""),
			expect("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 garbage\r\n\r\n\r\n", 400, ""),
			expect("GET / HTTP/1.1\r\n\r\n", 400, ""),
			expect(fmt.Sprintf("POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", 150_001), 413, ""),
			func(_ *rand.Rand, addr string) error { // too large, without saying so
				body := fmt.Sprintf("%x\r\n%s\r\n", 31_000, strings.Repeat("y", 31_000))
				resp, _, err := answerTo(addr, "POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"+strings.Repeat(body, 5)+"0\r\n\r\n", 1<<20, 0)
				var op *net.OpError
				if errors.As(err, &op) { // what was under way when the connection was closed resets it: the answer may be lost
					return nil
				}
				if err == nil && resp.StatusCode != 413 {
					err = fmt.Errorf("too large: status %d", resp.StatusCode)
				}
				return err
			},
		})
}

// TestLoadAccept is the same with connections.
func TestLoadAccept(t *testing.T) {
	talk := func(rng *rand.Rand, addr string) error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		br := bufio.NewReader(conn)
		if _, err := br.ReadByte(); err != nil {
			return err
		}
		for range rng.IntN(10) {
			said := make([]byte, 1+rng.IntN(3000))
			for i := range said {
				said[i] = 'a' + byte(rng.IntN(26))
			}
			if _, err := conn.Write(said); err != nil {
				return err
			}
			heard := make([]byte, len(said))
			if _, err := io.ReadFull(br, heard); err != nil || !bytes.Equal(heard, bytes.ToUpper(said)) {
				return fmt.Errorf("%w: %.50q for %.50q", err, heard, said)
			}
		}
		return nil
	}
	underLoad(t, read(t, "testdata/accept.wat"), Config{At: PointAccept, Concurrency: 8, Queue: 1000, Timeout: time.Minute, ReforkAfter: 50}, []func(*rand.Rand, string) error{talk})
}
