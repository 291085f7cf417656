package serve

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// exchangeRaw sends bytes as they are on a connection of their own, and returns all that comes back, 1xx included.
func exchangeRaw(t *testing.T, web *httptest.Server, text string) string {
	t.Helper()
	conn := dial(t, web)
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("%v after %q", err, b)
	}
	return string(b)
}

// asGuest returns the request that the guest had, out of an answer to /e, which has it as its body after a letter.
func asGuest(t *testing.T, answer string) (head, body string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil {
		t.Fatalf("%v: %q", err, answer)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || len(b) == 0 {
		t.Fatalf("%v: %q", err, answer)
	}
	head, body, _ = strings.Cut(string(b[1:]), "\r\n\r\n")
	return head, body
}

// Requests whose length could be read in two ways are refused, or read in the one way that RFC 9112 has for them (section 6.3); the guest has it in one way only.
func TestAmbiguousRequests(t *testing.T) {
	_, web := start(t, Config{})
	post := func(headers, body string) string {
		return exchangeRaw(t, web, "POST /e HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"+headers+"\r\n"+body)
	}
	for _, c := range []struct{ headers, body string }{
		{"Content-Length: 3\r\nContent-Length: 4\r\n", "abcd"},
		{"Content-Length: 3, 4\r\n", "abcd"},
		{"Content-Length: +3\r\n", "abc"},
		{"Content-Length: -1\r\n", "abc"},
		{"Content-Length: 0x3\r\n", "abc"},
		{"Content-Length : 3\r\n", "abc"},
		{"Transfer-Encoding: gzip\r\n", "abc"},
		{"Transfer-Encoding: chunked, identity\r\n", "3\r\nabc\r\n0\r\n\r\n"},
		{"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"},
		{"Transfer-Encoding : chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"},
		{"Transfer-Encoding: xchunked\r\n", "3\r\nabc\r\n0\r\n\r\n"},
		{"Bad Name: x\r\n", ""},
		{"Bad\x00: x\r\n", ""},
		{"X: a\x00b\r\n", ""},
		{"Host: b\r\n", ""},
	} {
		if got := post(c.headers, c.body); !strings.HasPrefix(got, "HTTP/1.1 400") && !strings.HasPrefix(got, "HTTP/1.1 501") {
			t.Errorf("%q: %.100q", c.headers, got)
		}
	}
	if got := exchangeRaw(t, web, "GET /e HTTP/1.1\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 400") {
		t.Errorf("no host: %.100q", got)
	}

	head, body := asGuest(t, post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"))
	if strings.Contains(head, "Content-Length") || !strings.Contains(head, "\r\nTransfer-Encoding: chunked\r\n") || body != "3\r\nabc\r\n0\r\n\r\n" {
		t.Errorf("both lengths: %q, %q", head, body)
	}
	head, body = asGuest(t, post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"))
	if strings.Count(head, "Content-Length: 3") != 1 || body != "abc" {
		t.Errorf("the same length twice: %q, %q", head, body)
	}
	// A trailer is of the connection's coding, and could be taken for a header: guests do not get it.
	head, body = asGuest(t, post("Transfer-Encoding: chunked\r\nTrailer: X-T\r\n", "3;ext=1\r\nabc\r\n0\r\nX-T: yes\r\n\r\n"))
	if strings.Contains(head+body, "X-T") || body != "3\r\nabc\r\n0\r\n\r\n" {
		t.Errorf("a trailer: %q, %q", head, body)
	}
	// What follows a request is the next one, and not the first one's.
	br := bufio.NewReader(strings.NewReader(exchangeRaw(t, web, "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")))
	for _, want := range []struct {
		status int
		end    string
	}{{200, "\r\n\r\nabc"}, {404, "none"}} {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != want.status || !strings.HasSuffix(string(b), want.end) {
			t.Errorf("two in a row: %v, status %d, %q", err, resp.StatusCode, b)
		}
	}
}

// A request whose end another server may see elsewhere is the last one of its connection (RFC 9112, section 6.1). Others are not, whatever came before.
func TestAmbiguousRequestIsLast(t *testing.T) {
	_, addr := listen(t, read(t, "testdata/app.wat"), Config{})
	const both = "POST /%c HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	const length = "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
	const chunks = "POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	const old = "POST /n HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 0\r\n%s\r\n"
	for _, c := range []struct {
		before []string // what the connection has had
		text   string
		status int
		last   bool
		early  bool // the answer may come, and the end, before the body has been sent: that goes with the head
	}{
		{nil, length, 200, false, false},
		{nil, chunks, 200, false, false},
		{[]string{length, chunks, length}, chunks, 200, false, false},
		{nil, fmt.Sprintf(both, 'e'), 200, true, false},
		{nil, fmt.Sprintf(both, 'y'), 200, true, true}, // early hints before it
		{nil, fmt.Sprintf(both, 't'), 502, true, true}, // a trap
		{[]string{length, chunks}, fmt.Sprintf(both, 'e'), 200, true, false},
		{nil, strings.Replace(fmt.Sprintf(both, 'e'), "Content-Length", "cOnTeNt-LeNgTh", 1), 200, true, false},
		{nil, strings.Replace(fmt.Sprintf(both, 'e'), "\r\n", "\n", 4), 200, true, false}, // lines may end so (RFC 9112, section 2.2)
		{nil, "POST /e HTTP/1.1\r\nHost: a\r\nX: content-length:2\r\nX-Content-Length: 2\r\nContent-Length-X: 2\r\n" + chunks[strings.Index(chunks, "Transfer"):], 200, false, false},
		{nil, fmt.Sprintf(old, ""), 200, false, false},
		{nil, fmt.Sprintf(old, "Transfer-Encoding: chunked\r\n"), 200, true, false},
	} {
		for _, piece := range []int{1, 1 << 20} {
			if c.early && piece == 1 {
				continue
			}
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			br := bufio.NewReader(conn)
			answer := func(text string) *http.Response {
				t.Helper()
				for rest := text; rest != ""; {
					n := min(piece, len(rest))
					if _, err := io.WriteString(conn, rest[:n]); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				for {
					resp, err := http.ReadResponse(br, nil)
					if err != nil {
						t.Fatalf("%q: %v", text, err)
					}
					if _, err := io.Copy(io.Discard, resp.Body); err != nil {
						t.Fatalf("%q: %v", text, err)
					}
					if resp.StatusCode >= 200 {
						return resp
					}
					if resp.Close {
						t.Errorf("%q: status %d closes", text, resp.StatusCode)
					}
				}
			}
			for _, text := range c.before {
				answer(text)
			}
			resp := answer(c.text)
			if resp.StatusCode != c.status || resp.Close != c.last {
				t.Errorf("after %d others, %q in pieces of %d: status %d, closes: %t", len(c.before), c.text, piece, resp.StatusCode, resp.Close)
			}
			if !c.last {
				answer(length)
			} else if b, err := br.ReadByte(); err != io.EOF {
				t.Errorf("%q: then %q, %v", c.text, b, err)
			}
		}
	}
}

// Headers about a connection end there, in both protocols; who is asked for the client's address is asked for the right one.
func TestConnectionHeaders(t *testing.T) {
	for _, protocol := range []Protocol{HTTP, SCGI} {
		_, web := start(t, Config{Protocol: protocol})
		got := exchangeRaw(t, web, "GET /e HTTP/1.1\r\nHost: a\r\nConnection: close, X-Private\r\nConnection: x-other\r\nX-Private: 1\r\nX-Other: 1\r\nKeep-Alive: 5\r\n"+
			"Te: trailers\r\nUpgrade: websocket\r\nProxy-Connection: x\r\nX-Kept: yes\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")
		got = strings.ToUpper(strings.ReplaceAll(got, "_", "-"))
		for _, bad := range []string{"X-PRIVATE", "X-OTHER", "KEEP-ALIVE", "TRAILERS", "UPGRADE", "PROXY-CONNECTION"} {
			if strings.Contains(got, bad) {
				t.Errorf("%s: %s is there: %q", protocol, bad, got)
			}
		}
		if !strings.Contains(got, "X-KEPT") || protocol == HTTP && !strings.Contains(got, "X-FORWARDED-FOR: 10.0.0.1, 127.0.0.1\r\n") {
			t.Errorf("%s: %q", protocol, got)
		}
	}
}

// A client that waits to be asked for its body is asked when the guest reads it, and only then (RFC 9110, section 10.1.1).
func TestExpect(t *testing.T) {
	_, web := start(t, Config{})
	conn := dial(t, web)
	br := bufio.NewReader(conn)
	fmt.Fprintf(conn, "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	if line, err := br.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%v, %q", err, line)
	}
	_, _ = br.ReadString('\n')
	io.WriteString(conn, "abc")
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); err != nil || !bytes.HasSuffix(b, []byte("\r\n\r\nabc")) || bytes.Contains(b, []byte("Expect")) {
		t.Errorf("%v, %q", err, b)
	}
	if got := exchangeRaw(t, web, "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 404") || !strings.Contains(got, "Connection: close") {
		t.Errorf("a body that nobody wants: %q", got)
	}
	if got := exchangeRaw(t, web, "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\nExpect: the-unexpected\r\n\r\nabc"); !strings.HasPrefix(got, "HTTP/1.1 417") {
		t.Errorf("another expectation: %q", got)
	}
}

// A client that goes before its request was read ends its child, where the system tells (Linux); the time of a request does it elsewhere.
func TestGone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not tell")
	}
	s, addr := listen(t, read(t, "testdata/app.wat"), Config{})
	conn := call(t, addr)
	fmt.Fprintf(conn, "POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n%s", strings.Repeat("x", 20_000))
	waitFor(t, "the child", func() bool { return s.metrics.live.Load() == 1 })
	conn.Close()
	waitFor(t, "the child to go", func() bool { return s.metrics.live.Load() == 0 && s.metrics.errors[kindGone].Load() == 1 })
}

// Requests that are too large, and old ones.
func TestHeads(t *testing.T) {
	s, addr := listen(t, read(t, "testdata/app.wat"), Config{})
	send := func(text string) string {
		conn := call(t, addr)
		defer conn.Close()
		_, _ = io.WriteString(conn, text) // it may be refused before its end
		b, _ := io.ReadAll(conn)
		return string(b)
	}
	if got := send("GET /e HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", maxRequestHead+8<<10) + "\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 431") {
		t.Errorf("a large head: %.100q", got)
	}
	if got := send("GET /e HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: " + strings.Repeat("x", maxRequestHead/2) + "\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("one that is not: %.100q", got)
	}
	if got := send("GET /k HTTP/1.0\r\n\r\n"); !strings.Contains(got, "200 OK") || strings.Contains(got, "chunked") || !strings.HasSuffix(got, "\r\n\r\nabcde") {
		t.Errorf("chunks for HTTP/1.0: %q", got)
	}
	if got := send("POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 400") {
		t.Errorf("no length: %.100q", got)
	}
	if got := send(fmt.Sprintf("POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", s.cfg.MaxRequest+1)); !strings.HasPrefix(got, "HTTP/1.1 413") {
		t.Errorf("a large body: %.100q", got)
	}
}

// A stop lets streams end that live, and cuts off those that do not end.
func TestShutdownStreams(t *testing.T) {
	s, addr := listen(t, read(t, "testdata/app.wat"), Config{})
	streaming := func() (net.Conn, *bufio.Reader) {
		conn := call(t, addr)
		fmt.Fprintf(conn, "POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body := bufio.NewReader(resp.Body)
		for line := ""; line != "\r\n"; {
			if line, err = body.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		return conn, body
	}
	good, body := streaming()
	defer good.Close()
	endless, cut := streaming()
	defer endless.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(ctx) }()
	waitFor(t, "the socket to be closed", func() bool {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	for _, half := range []string{"hello", "world"} {
		io.WriteString(good, half)
		got := make([]byte, 5)
		if _, err := io.ReadFull(body, got); err != nil || string(got) != half {
			t.Errorf("%v, %q", err, got)
		}
	}
	if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
		t.Errorf("%v, %q", err, rest)
	}
	select {
	case err := <-stopped:
		t.Fatalf("it did not wait for the other one: %v", err)
	default:
	}
	cancel()
	if rest, err := io.ReadAll(cut); err == nil {
		t.Errorf("what was cut off looks whole: %q", rest)
	}
	if err := <-stopped; err == nil {
		t.Error("nobody was cut off")
	}
}

// Whatever a guest prints gives an error, or an answer whose head is one: written out and read again it is the same.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour", "HTTP/1.0 404 x\r\n\r\nx", "Status: 200\n\nx", "Location: /\n\n", "HTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 200 x\r\n\r\n",
		"X: y\n continued\n\n", "A b: c\n\n", "X(: y\n\n", ": y\n\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "HTTP/9.9 999\r\n\r\n", "Content-Length: 5\n\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nX: \x7f\r\n\r\n", "Status: 099\n\n", "Status: 200 a\rX: y\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, out []byte) {
		for _, method := range []string{"GET", "HEAD"} {
			resp, err := readAnswer(bytes.NewReader(out), httptest.NewRequest(method, "/", nil), func(early *http.Response) {
				if early.StatusCode < 100 || early.StatusCode > 199 || early.StatusCode == 101 {
					t.Errorf("status %d", early.StatusCode)
				}
			})
			if err != nil {
				continue
			}
			if resp.StatusCode < 200 || resp.StatusCode > 999 {
				t.Errorf("status %d", resp.StatusCode)
			}
			rec := httptest.NewRecorder()
			copyHeader(rec, resp.Header)
			var head bytes.Buffer
			if err := rec.Header().Write(&head); err != nil {
				t.Fatal(err)
			}
			again, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\n"), &head, strings.NewReader("\r\n"))), nil)
			if err != nil {
				t.Fatalf("%q: %v", out, err)
			}
			want := http.Header{}
			for name, vs := range rec.Header() {
				for _, v := range vs {
					want.Add(name, strings.TrimSpace(v))
				}
			}
			if !maps.EqualFunc(again.Header, want, slices.Equal[[]string]) {
				t.Errorf("%q: %q, and read again %q", out, want, again.Header)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
		}
	})
}
