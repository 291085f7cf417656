package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	spindle "github.com/spindle-wasm/spindle"
)

// headerTimeout bounds how long a client may take for the head of a request.
const headerTimeout = 10 * time.Second

// maxRequestHead bounds the head of a request; net/http lets a little more pass.
const maxRequestHead = 64 << 10

// Server answers requests in forks of a warm guest. It is an http.Handler, for whatever server; Serve and Shutdown are one. It is safe for concurrent use.
type Server struct {
	cfg     Config
	slots   slots
	metrics metrics
	web     http.Server

	// accepting ends what accepts, serving what is served; for PointAccept.
	accepting, serving context.Context
	stopAccepting      context.CancelFunc
	stopServing        context.CancelCauseFunc

	kids   kids
	points *hooks
	begun  time.Time

	mu     sync.Mutex
	gen    *generation    // guarded by mu; nil when closed
	old    []*generation  // guarded by mu; earlier ones that have children
	refork reforks        // guarded by mu
	serial uint64         // guarded by mu; of requests
	live   sync.WaitGroup // of requests; added to under mu, or where there is one already
}

// New starts the guest, and returns when it is frozen. ctx bounds that; it has nothing to do with requests. The Runtime must stay open until the Server is closed.
func New(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, cfg Config) (*Server, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, slots: newSlots(cfg.Concurrency, cfg.Queue), begun: time.Now()}
	s.kids.all = map[*child]struct{}{}
	s.points = &hooks{of: map[*spindle.Process]func(*spindle.Caller){}}
	s.refork.waiting = map[chan reforked]struct{}{}
	f, err := warmUp(ctx, rt, mod, &cfg, s.points)
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	s.gen = &generation{img: f.Image, made: time.Now(), size: f.Size}
	cfg.Log.Info("warm", "point", string(cfg.At), "took", time.Since(s.begun))
	s.accepting, s.stopAccepting = context.WithCancel(context.Background())
	s.serving, s.stopServing = context.WithCancelCause(context.Background())
	s.web = http.Server{Handler: s, ReadHeaderTimeout: headerTimeout, IdleTimeout: time.Minute, MaxHeaderBytes: maxRequestHead, ConnContext: withConn}
	return s, nil
}

// Serve answers what comes in on l, until Shutdown or Close, when it returns nil, or an error of l. It closes l.
func (s *Server) Serve(l net.Listener) error {
	if s.cfg.At == PointAccept {
		return s.serveAccept(l)
	}
	if err := s.web.Serve(framed{l}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown accepts nothing more, and waits for the requests that there are, until ctx is done; then those are cut off, and the error is ctx's. Close has to follow.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopAccepting()
	err := s.web.Shutdown(ctx)
	if err != nil {
		return errors.Join(err, s.web.Close())
	}
	ended := make(chan struct{})
	go func() {
		s.live.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	s.stopServing(errClosed)
	<-ended
	return err
}

// Close ends what Serve serves, waits for requests to end, also for those that came by ServeHTTP, and gives the image up.
func (s *Server) Close() error {
	s.stopAccepting()
	s.stopServing(errClosed)
	err := s.web.Close()
	s.mu.Lock()
	gen := s.gen
	if s.gen = nil; gen != nil {
		s.dropMoldLocked()
		s.tellLocked(reforked{err: errClosed})
	}
	s.mu.Unlock()
	s.live.Wait()
	if gen != nil {
		err = errors.Join(err, gen.img.Close())
	}
	return err
}

// limit is how long a guest may take for what nobody waits for.
func (s *Server) limit() time.Duration {
	if s.cfg.Timeout > 0 {
		return s.cfg.Timeout
	}
	return defaultTimeout
}

var errClosed = errors.New("serve: the server is closed")

// begin counts a request in; live.Done ends it. Its number is for logs.
func (s *Server) begin() (id uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen == nil {
		return 0, errClosed
	}
	s.live.Add(1)
	s.serial++
	return s.serial, nil
}
