package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// statusGone is in logs and metrics for clients that did not wait for their answer.
const statusGone = 499

var (
	errTimeout = errors.New("the request took longer than the server allows")
	errDone    = errors.New("the request is over")
	errGone    = errors.New("the client has gone")
)

// outcome is what became of a request.
type outcome struct {
	status int
	bytes  int64
	pid    uint32 // of the child, 0 if there was none
	begun  bool   // the client has a part of the answer
	err    error
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	if s.cfg.At == PointAccept {
		http.Error(w, "the guest takes connections, not requests", http.StatusNotImplemented)
		return
	}
	id, err := s.begin()
	if err != nil {
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	defer s.live.Done()
	o := s.answer(w, r, begin)
	s.report(r, id, time.Since(begin), &o)
	switch {
	case o.err == nil:
	case o.begun:
		panic(http.ErrAbortHandler) // the client must not take what it has for all
	case o.status != statusGone:
		if o.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
		} else {
			w.Header().Set("Connection", "close") // something of the request may be left
		}
		http.Error(w, http.StatusText(o.status), o.status)
	}
}

// report logs a request and counts it.
func (s *Server) report(r *http.Request, id uint64, took time.Duration, o *outcome) {
	s.metrics.answered(o.status, took)
	attrs := []slog.Attr{
		slog.Uint64("id", id), slog.String("client", r.RemoteAddr), slog.String("method", r.Method), slog.String("uri", r.RequestURI),
		slog.Int("status", o.status), slog.Int64("bytes", o.bytes), slog.Duration("took", took), slog.Uint64("pid", uint64(o.pid)),
	}
	s.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "request", attrs...)
	if o.err != nil && o.status != statusGone {
		s.cfg.Log.LogAttrs(context.Background(), slog.LevelWarn, "request failed", slog.Uint64("id", id), slog.Int("status", o.status), slog.String("error", o.err.Error()))
	}
}

// answer answers a request, or leaves that to the caller if the outcome has an error and nothing has begun.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, begin time.Time) (o outcome) {
	if s.cfg.MaxRequest >= 0 && r.ContentLength > s.cfg.MaxRequest {
		return outcome{status: http.StatusRequestEntityTooLarge, err: errTooLarge}
	}
	head, err := s.head(r)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errNoLength) {
			status = http.StatusLengthRequired
		}
		return outcome{status: status, err: err}
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(errDone)
	control := http.NewResponseController(w)
	if s.cfg.Timeout > 0 {
		deadline := begin.Add(s.cfg.Timeout)
		c, stop := context.WithDeadlineCause(ctx, deadline, errTimeout)
		defer stop()
		ctx = c
		// A client that does not read blocks this goroutine, which no context ends. The second is for telling of the timeout.
		_ = control.SetWriteDeadline(deadline.Add(time.Second))
	}
	if err := s.slots.take(ctx); err != nil {
		return outcome{status: statusOf(ctx, err), err: err}
	}
	defer s.slots.put()
	_ = control.EnableFullDuplex() // a guest may answer before it has read all
	in := newInput(w, r, head, s.cfg.MaxRequest, cancel)
	pr, pw := io.Pipe()
	p, err := s.fork(ctx, spindle.ForkConfig{Options: options(&wasi.ForkOptions{Stdin: in, Stdout: pw})})
	if err != nil {
		return outcome{status: forkStatus(ctx, err), err: err}
	}
	s.metrics.live.Add(1)
	o.pid = p.PID()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = pw.CloseWithError(finish(ctx, p, &s.cfg)) // nil is the end of the output
		_ = p.Close()
		s.metrics.live.Add(-1)
	}()
	defer func() {
		cancel(errDone)
		_ = pr.CloseWithError(errDone)
		in.stop()
		<-ended
	}()
	o = s.relay(w, r, pr, in, o)
	switch {
	case o.err == nil:
	case o.begun && context.Cause(ctx) == nil:
	case errors.Is(context.Cause(ctx), errTimeout) && in.waiting():
		o.status = http.StatusRequestTimeout
	default:
		o.status = statusOf(ctx, o.err)
	}
	if o.status == statusGone && o.err != nil {
		o.err = errGone
	}
	return o
}

// head makes what comes before a request's body.
func (s *Server) head(r *http.Request) ([]byte, error) {
	if s.cfg.Protocol == SCGI {
		return scgi(r)
	}
	return header(r), nil
}

func options(o *wasi.ForkOptions) map[string]any { return map[string]any{wasi.ModuleName: o} }

// relay passes a guest's answer on, and waits for the guest's end.
func (s *Server) relay(w http.ResponseWriter, r *http.Request, out io.Reader, in *input, o outcome) outcome {
	resp, err := readAnswer(out, r, func(early *http.Response) {
		before := maps.Clone(w.Header())
		copyHeader(w, early.Header)
		w.WriteHeader(early.StatusCode)
		clear(w.Header())
		maps.Copy(w.Header(), before)
	})
	if err != nil {
		o.err = err
		return o
	}
	copyHeader(w, resp.Header)
	if resp.Header.Get("Content-Type") == "" {
		w.Header()["Content-Type"] = nil // what the guest does not say is not guessed
	}
	if !in.complete() {
		w.Header().Set("Connection", "close") // what is left of the request is not read
	}
	o.status, o.begun = resp.StatusCode, true
	w.WriteHeader(resp.StatusCode)
	to := &sender{control: http.NewResponseController(w), w: w}
	defer to.close()
	_, err = io.Copy(to, resp.Body)
	to.flush() // also what comes before an error: the client is to see that something is missing
	if err == nil {
		_, err = io.Copy(io.Discard, out) // the client has all; the guest may have something to finish
	}
	o.bytes, o.err = to.n, err
	return o
}

// statusOf tells the client what went wrong with its request.
func statusOf(ctx context.Context, err error) int {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errTimeout):
		return http.StatusGatewayTimeout
	case errors.Is(cause, errTooLarge):
		return http.StatusRequestEntityTooLarge
	case cause != nil:
		return statusGone
	case errors.Is(err, errBusy), errors.Is(err, errClosed):
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}

// forkStatus is statusOf for a fork: one that fails may succeed when others have ended.
func forkStatus(ctx context.Context, err error) int {
	if n := statusOf(ctx, err); n != http.StatusBadGateway {
		return n
	}
	return http.StatusServiceUnavailable
}
