package serve

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hopByHop are headers about the connection, which ends here (RFC 9110, section 7.6.1).
var hopByHop = []string{
	"Connection", "Expect", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// endToEnd returns the names of the headers that are not about the connection, sorted.
func endToEnd(h http.Header) []string {
	skip := slices.Clone(hopByHop)
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			skip = append(skip, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	var names []string
	for name := range h {
		if !slices.Contains(skip, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// header makes the head of the message that a guest gets: HTTP/1.1, with the length of the body or chunks, and of this one request only.
func header(r *http.Request) []byte {
	var b bytes.Buffer
	b.WriteString(r.Method + " " + r.RequestURI + " HTTP/1.1\r\nHost: " + r.Host + "\r\n")
	for _, name := range endToEnd(r.Header) {
		if name == "Content-Length" || name == "X-Forwarded-For" {
			continue
		}
		for _, v := range r.Header[name] {
			b.WriteString(name + ": " + v + "\r\n")
		}
	}
	// As reverse proxies have it: who was asked last is the last one.
	via := slices.Clone(r.Header["X-Forwarded-For"])
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		via = append(via, host)
	}
	if len(via) > 0 {
		b.WriteString("X-Forwarded-For: " + strings.Join(via, ", ") + "\r\n")
	}
	switch {
	case r.ContentLength > 0, r.ContentLength == 0 && len(r.Header["Content-Length"]) > 0:
		b.WriteString("Content-Length: " + strconv.FormatInt(r.ContentLength, 10) + "\r\n")
	case r.ContentLength < 0:
		b.WriteString("Transfer-Encoding: chunked\r\n")
	}
	b.WriteString("Connection: close\r\n\r\n")
	return b.Bytes()
}

// errTooLarge ends a child whose request turns out to be larger than Config.MaxRequest.
var errTooLarge = errors.New("the request is larger than the server takes")

// input is a child's standard input. A Read waits for the client at most until stop.
type input struct {
	src     *request
	expects bool // the client waits to be asked for the body
	control *http.ResponseController
	fail    func(error) // ends the child

	mu      sync.Mutex
	idle    sync.Cond // of mu: no Read is under way
	reading bool      // guarded by mu
	ended   bool      // guarded by mu: there is nothing left to read
	whole   bool      // guarded by mu: because all has been read
	stopped bool      // guarded by mu
}

// newInput makes the standard input for a request: its head, and its body.
func newInput(w http.ResponseWriter, r *http.Request, head []byte, limit int64, fail func(error)) *input {
	i := &input{control: http.NewResponseController(w), fail: fail, expects: r.Header.Get("Expect") != ""}
	i.idle.L = &i.mu
	body := io.Reader(r.Body)
	if limit >= 0 {
		body = &limited{r.Body, limit}
	}
	if r.ContentLength < 0 {
		body = chunks(body)
	}
	if r.ContentLength == 0 {
		body = http.NoBody
	}
	i.src = &request{head: head, body: body}
	return i
}

func (i *input) Read(p []byte) (int, error) {
	i.mu.Lock()
	if i.stopped {
		i.mu.Unlock()
		return 0, io.EOF
	}
	i.reading = true
	i.src.asked = len(i.src.head) == 0
	i.mu.Unlock()
	n, err := i.src.Read(p)
	if errors.Is(err, errTooLarge) {
		i.fail(errTooLarge)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.reading = false
	i.ended = i.ended || err != nil
	i.whole = i.whole || err == io.EOF //nolint:errorlint // as package io has it
	i.idle.Signal()
	return n, err
}

// waiting reports whether the guest waits for the client.
func (i *input) waiting() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.reading
}

// request is a head and a body. The end comes with the last bytes if the body has it so.
type request struct {
	head  []byte
	body  io.Reader
	asked bool // guarded by input.mu: for the body
}

func (r *request) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		if r.head = r.head[n:]; len(r.head) == 0 && r.body == http.NoBody {
			return n, io.EOF
		}
		return n, nil
	}
	return r.body.Read(p)
}

// all reports whether all of the request has been read.
func (i *input) all() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.whole
}

// complete reports whether there is nothing left of the request.
func (i *input) complete() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ended
}

// refused reports whether the client waits to be asked for the body, and the guest has not asked.
func (i *input) refused() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.expects && !i.src.asked
}

// stop returns when no Read is under way, and none will be: the body is the HTTP server's again. If something of it is left the client is not waited for.
func (i *input) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stopped = true
	if !i.ended {
		_ = i.control.SetReadDeadline(time.Now()) // what cannot do that (a test's recorder) has no client to wait for
	}
	for i.reading {
		i.idle.Wait()
	}
}

// limited is a body that must not have more than n bytes.
type limited struct {
	r io.Reader
	n int64
}

func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.n+1 {
		p = p[:l.n+1]
	}
	n, err := l.r.Read(p)
	if l.n -= int64(n); l.n < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// chunks gives a body in chunks (RFC 9112, section 7.1), each as large as what there was to read.
func chunks(body io.Reader) io.Reader { return &chunked{body: body} }

type chunked struct {
	body io.Reader
	out  bytes.Buffer
	err  error
}

func (c *chunked) Read(p []byte) (int, error) {
	for c.out.Len() == 0 {
		if c.err != nil {
			return 0, c.err
		}
		buf := make([]byte, max(512, len(p)))
		n, err := c.body.Read(buf)
		w := httputil.NewChunkedWriter(&c.out)
		if n > 0 {
			_, _ = w.Write(buf[:n]) // to a buffer
		}
		if c.err = err; err == io.EOF { //nolint:errorlint // as package io has it
			_ = w.Close()
			c.out.WriteString("\r\n") // no trailer
		}
	}
	n, _ := c.out.Read(p) // not empty
	if c.out.Len() == 0 && c.err != nil {
		return n, c.err // at once, so that a request is complete when a guest has read so far
	}
	return n, nil
}
