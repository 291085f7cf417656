package serve

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxHead bounds the head of a guest's answer.
	maxHead = 64 << 10
	// flushDelay is how long output of a guest may lie here before the client gets it.
	flushDelay = 2 * time.Millisecond
)

// outputError says that what a guest printed is not an answer.
type outputError struct{ err error }

func (e *outputError) Error() string { return "the guest's output is not an answer: " + e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

// headLimit reads the guest's output, and at most n bytes of it until n is negative.
type headLimit struct {
	r     io.Reader
	n     int
	bound bool
}

func (l *headLimit) Read(p []byte) (int, error) {
	if l.bound && l.n <= 0 {
		return 0, fmt.Errorf("its head is longer than %d bytes", maxHead)
	}
	if l.bound && len(p) > l.n {
		p = p[:l.n]
	}
	n, err := l.r.Read(p)
	l.n -= n
	return n, err
}

// readAnswer reads the head of an answer: of an HTTP/1 message if it begins with HTTP/, otherwise the headers of CGI (RFC 3875, section 6), where Status may say
// what kind of answer it is. An error of r itself, which is the guest's end, is returned as it is.
func readAnswer(out io.Reader, req *http.Request, informed func(*http.Response)) (*http.Response, error) {
	lim := &headLimit{r: out, n: maxHead, bound: true}
	errs := &errorReader{r: lim}
	br := bufio.NewReader(errs)
	resp, err := readHead(br, req, informed)
	if err != nil {
		if errs.err != nil && errs.err != io.EOF && !lim.over() { //nolint:errorlint // as package io has it
			return nil, errs.err
		}
		return nil, &outputError{err}
	}
	lim.bound = false
	return resp, nil
}

func (l *headLimit) over() bool { return l.bound && l.n <= 0 }

// errorReader remembers the error: parsers wrap it, or put another in its place.
type errorReader struct {
	r   io.Reader
	err error
}

func (e *errorReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil {
		e.err = err
	}
	return n, err
}

func readHead(br *bufio.Reader, req *http.Request, informed func(*http.Response)) (*http.Response, error) {
	first, err := br.Peek(5)
	if string(first) != "HTTP/" {
		if err != nil && len(first) == 0 {
			return nil, errors.New("there is none")
		}
		return readCGI(br, req)
	}
	for {
		resp, err := http.ReadResponse(br, req)
		if err != nil {
			return nil, err
		}
		switch {
		case resp.StatusCode == http.StatusSwitchingProtocols, resp.StatusCode < 100, resp.StatusCode > 999:
			return nil, fmt.Errorf("status %d", resp.StatusCode)
		case resp.StatusCode >= 200:
			return resp, checkHeader(resp.Header)
		}
		if err := checkHeader(resp.Header); err != nil {
			return nil, err
		}
		informed(resp)
	}
}

func readCGI(br *bufio.Reader, req *http.Request) (*http.Response, error) {
	h, err := textproto.NewReader(br).ReadMIMEHeader()
	if err != nil {
		if err == io.EOF { //nolint:errorlint // as package textproto has it
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header(h), ContentLength: -1, Request: req}
	if len(h) == 0 {
		return nil, errors.New("it has no headers")
	}
	if resp.Header.Get("Location") != "" {
		resp.StatusCode = http.StatusFound // RFC 3875, section 6.2.3
	}
	if s := resp.Header.Get("Status"); s != "" {
		code, _, _ := strings.Cut(s, " ")
		if resp.StatusCode, err = strconv.Atoi(code); err != nil || len(code) != 3 || resp.StatusCode < 200 {
			return nil, fmt.Errorf("status %q", s)
		}
		resp.Header.Del("Status")
	}
	if resp.Header.Get("Transfer-Encoding") != "" {
		return nil, errors.New("transfer codings are not for CGI") // RFC 3875, section 6.3.4: hop-by-hop
	}
	body := io.Reader(br)
	if cl := resp.Header["Content-Length"]; len(cl) > 0 {
		n, err := strconv.ParseUint(cl[0], 10, 63)
		if err != nil || len(cl) > 1 {
			return nil, fmt.Errorf("content length %q", cl)
		}
		resp.ContentLength = int64(n)
		body = &exactly{br, int64(n)}
	}
	if req.Method == http.MethodHead || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified {
		body = http.NoBody
	}
	resp.Body = io.NopCloser(body)
	return resp, checkHeader(resp.Header)
}

// exactly reads n bytes; an earlier end is an error.
type exactly struct {
	r io.Reader
	n int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.n)])
	e.n -= int64(n)
	if err == io.EOF && e.n > 0 { //nolint:errorlint // as package io has it
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// checkHeader refuses what would not be the header that the guest meant: net/http would leave it out, or change it.
func checkHeader(h http.Header) error {
	for name, vs := range h {
		if strings.ContainsFunc(name, func(r rune) bool { return !isToken(r) }) || name == "" {
			return fmt.Errorf("%q is not a header's name", name)
		}
		for _, v := range vs {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return fmt.Errorf("the header %s has a control character in it", name)
			}
		}
	}
	return nil
}

// isToken reports whether a header's name may have the character (RFC 9110, section 5.6.2).
func isToken(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// copyHeader makes the answer's headers w's, but for those about a connection.
func copyHeader(w http.ResponseWriter, from http.Header) {
	h := w.Header()
	for _, name := range endToEnd(from) {
		h[name] = append(h[name], from[name]...)
	}
}

// sender passes a body on to the client, soon but not in small pieces.
type sender struct {
	control *http.ResponseController

	mu      sync.Mutex
	w       http.ResponseWriter
	n       int64
	timer   *time.Timer // guarded by mu; nil before the first flush is due
	pending bool        // guarded by mu: timer runs
	closed  bool        // guarded by mu
}

func (s *sender) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.w.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %w", errGone, err)
	}
	s.n += int64(n)
	s.soonLocked()
	return n, err
}

// soon has what there is, the head perhaps, flushed before long.
func (s *sender) soon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.soonLocked()
}

func (s *sender) soonLocked() {
	switch {
	case s.pending:
	case s.timer == nil:
		s.timer = time.AfterFunc(flushDelay, s.flush)
		s.pending = true
	default:
		s.timer.Reset(flushDelay)
		s.pending = true
	}
}

func (s *sender) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = false
	if !s.closed {
		_ = s.control.Flush() // the next Write has the error
	}
}

// close ends flushes: the response is the HTTP server's again.
func (s *sender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
}
