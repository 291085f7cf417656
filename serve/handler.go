package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/spindle-wasm/spindle/wasi"
)

// statusGone is in logs and metrics for clients that did not wait for their answer.
const statusGone = 499

var (
	errTimeout = errors.New("the request took longer than the server allows")
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
	if ambiguous(r.Context(), r) {
		w.Header().Set("Connection", "close")
	}
	if s.cfg.At == PointAccept {
		http.Error(w, "the guest takes connections, not requests", http.StatusNotImplemented)
		return
	}
	id, err := s.begin()
	if err != nil {
		w.Header().Set("Retry-After", "1") // another server may be there by then
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	defer s.live.Done()
	o := s.answer(w, r, id, begin)
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
	s.metrics.errors[o.kind()].Add(1)
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
func (s *Server) answer(w http.ResponseWriter, r *http.Request, id uint64, begin time.Time) (o outcome) {
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
	_ = control.EnableFullDuplex() // a guest may answer before it has read all
	in := newInput(w, r, head, s.cfg.MaxRequest, cancel)
	defer watchGone(r.Context(), in, cancel)()
	var x *exchange
	c, err := s.fork(ctx, r.Method+" "+r.URL.Path, func(heir bool) streams {
		x = newExchange(in, heir && s.cfg.At == PointStdin)
		return streams{
			options: &wasi.ForkOptions{Stdin: stdin{x}, Stdout: x}, back: x.back, output: x.end, slow: func() bool { return x.waiting() && !in.waiting() },
		}
	})
	if err != nil {
		s.slots.put()
		return outcome{status: forkStatus(ctx, err), err: err}
	}
	o.pid = c.p.PID()
	var late *time.Timer
	o = s.relay(w, r, x, in, o, func() { late = c.release(begin.Add(s.limit())) })
	if o.err == nil {
		s.counted(c.of)
		if c.of.heir || in.complete() {
			s.handDown(id, c, x, in, late)
			return o
		}
		_, o.err = io.Copy(io.Discard, x) // the client has all; the guest may have something to finish, and to read
		late.Stop()
	}
	defer s.slots.put()
	defer func() {
		switch o.kind() {
		case kindTrap, kindExit, kindOutput:
			cancel(fault{o.err})
		default:
			cancel(errDone)
		}
		x.close()
		in.stop()
		<-c.ended
	}()
	switch {
	case o.err == nil:
	case errors.Is(o.err, errGone) && context.Cause(ctx) == nil:
		o.status = statusGone
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

// handDown lets a child that has answered end, or an heir come back to its point. The request is over; its slot is not free before the child has gone.
func (s *Server) handDown(id uint64, c *child, x *exchange, in *input, late *time.Timer) {
	if x.back != nil && !in.all() {
		c.cancel(errUnread) // it would begin with what is left
	}
	in.stop()
	s.live.Add(1) // there is the request's own
	go func() {
		defer s.live.Done()
		defer s.slots.put()
		_, _ = io.Copy(io.Discard, x) // how it ends, the child tells
		<-c.ended
		late.Stop()
		if c.err != nil && !c.of.heir {
			o := outcome{pid: c.p.PID(), begun: true, err: c.err}
			s.metrics.errors[o.kind()].Add(1)
			s.cfg.Log.Warn("the guest failed after its answer", "id", id, "error", c.err)
		}
	}()
}

// errUnread keeps a guest from becoming an image that takes a part of one request for the next one.
var errUnread = errors.New("the guest did not read the whole request")

// head makes what comes before a request's body.
func (s *Server) head(r *http.Request) ([]byte, error) {
	if s.cfg.Protocol == SCGI {
		return scgi(r)
	}
	return header(r), nil
}

// relay passes a guest's answer on. It calls whole when the client has all of it.
func (s *Server) relay(w http.ResponseWriter, r *http.Request, out *exchange, in *input, o outcome, whole func()) outcome {
	resp, err := readAnswer(out, r, func(early *http.Response) {
		before := maps.Clone(w.Header())
		w.Header().Del("Connection") // that is for the last one to say
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
	if in.refused() {
		in.stop() // who gets an answer instead does not send it (RFC 9110, section 10.1.1)
	}
	out.begin()
	o.status, o.begun = resp.StatusCode, true
	w.WriteHeader(resp.StatusCode)
	to := &sender{control: http.NewResponseController(w), w: w}
	defer to.close()
	to.soon() // the head: the body may take its time
	_, err = io.Copy(to, resp.Body)
	to.flush() // also what comes before an error: the client is to see that something is missing
	if err == nil {
		whole()
		out.complete()
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
