package spindle

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle/internal/standby"
)

// StandbysConfig configures Standbys.
type StandbysConfig struct {
	// Size is how many processes wait; 0 means 1.
	Size int
	// Stderr is the standard error of the processes, for what Go prints when it dies; nil is this process's. Guests have what the image and ProcessForkConfig.Options say.
	Stderr *os.File
	// Failed, if set, is told of each process that could not be made ready. Another one is tried at the next fork.
	Failed func(error)
}

// Standbys is a pool of processes of this program that wait for a fork, each with an image open. A process that is taken is replaced in the background. They
// run nothing while they wait. It is safe for concurrent use.
type Standbys struct {
	cfg StandbysConfig

	mu      sync.Mutex
	idle    []*peer       // guarded by mu
	want    *Image        // guarded by mu; that they are to have open, or nil
	making  int           // guarded by mu; processes that are being made ready
	closed  bool          // guarded by mu
	changed chan struct{} // guarded by mu; closed, and made anew, when one is ready or could not be
	fault   error         // guarded by mu; of the last one
	running sync.WaitGroup
	ctx     context.Context // done when it is closed
	cancel  context.CancelFunc
}

// NewStandbys makes a pool, which fills in the background. Errors: *StandbyError in a process that was started as a standby and has not called ServeStandby.
func NewStandbys(cfg StandbysConfig) (*Standbys, error) {
	if cfg.Size <= 0 {
		cfg.Size = 1
	}
	if standby.Waiting() {
		_, err := startPeer(standby.Config{})
		return nil, err
	}
	s := &Standbys{cfg: cfg, changed: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fillLocked()
	return s, nil
}

// Warm has the processes open an image, those that wait and those to come, and waits until all of them have. Without it they open the first image that is forked from the pool, until
// that is closed. Errors: those of Image.ForkProcess but for what has to do with the child.
func (s *Standbys) Warm(ctx context.Context, img *Image) error {
	if err := img.use(); err != nil {
		return err
	}
	defer img.unuse() //nolint:errcheck // nobody has closed it
	if _, err := img.pass(); err != nil {
		return err
	}
	s.mu.Lock()
	s.want, s.fault = img, nil
	for {
		s.fillLocked()
		ready := len(s.idle)
		for _, p := range s.idle {
			if p.img != img {
				ready--
			}
		}
		closed, fault, changed := s.closed, s.fault, s.changed
		s.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case fault != nil:
			return fault
		case ready >= s.cfg.Size:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		s.mu.Lock()
	}
}

// Ready returns how many processes wait that have an image open.
func (s *Standbys) Ready() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, p := range s.idle {
		if p.img != nil {
			n++
		}
	}
	return n
}

// Close ends the processes that wait. Children that have been forked go on.
func (s *Standbys) Close() error {
	s.mu.Lock()
	s.closed = true
	var idle []*peer
	for len(s.idle) > 0 {
		idle = append(idle, s.removeLocked(0))
	}
	s.tellLocked()
	s.mu.Unlock()
	s.cancel()
	for _, p := range idle {
		p.kill()
	}
	s.running.Wait()
	return nil
}

// removeLocked takes a process out of the pool.
func (s *Standbys) removeLocked(k int) *peer {
	p := s.idle[k]
	s.idle = slices.Delete(s.idle, k, k+1)
	close(p.taken)
	return p
}

func (s *Standbys) tellLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// fillLocked has processes made ready: as many as are missing, and those that have another image open.
func (s *Standbys) fillLocked() {
	if s.closed {
		return
	}
	if s.want != nil {
		for k := 0; k < len(s.idle); {
			if s.idle[k].img != s.want {
				s.readyLocked(s.removeLocked(k))
			} else {
				k++
			}
		}
	}
	for len(s.idle)+s.making < s.cfg.Size && s.making < max(2, runtime.GOMAXPROCS(0)) {
		s.readyLocked(nil)
	}
}

// readyLocked makes a process ready in the background, a new one if p is nil.
func (s *Standbys) readyLocked(p *peer) {
	s.making++
	s.running.Add(1)
	img := s.want
	go func() {
		defer s.running.Done()
		p, err := s.ready(p, img)
		s.mu.Lock()
		s.making--
		switch {
		case s.closed:
			s.mu.Unlock()
			if p != nil {
				p.kill()
			}
			return
		case err == nil:
			p.taken = make(chan struct{})
			s.idle = append(s.idle, p)
			s.running.Add(1)
			go s.guard(p, p.taken)
			s.fillLocked()
		case errors.Is(err, errImageClosed) && s.want == img:
			s.want = nil
			s.fillLocked()
			err = nil
		case s.want != img:
			s.fillLocked() // of what nobody wants any more
			err = nil
		default:
			s.fault = err
		}
		s.tellLocked()
		s.mu.Unlock()
		if err != nil && s.cfg.Failed != nil {
			s.cfg.Failed(err)
		}
	}()
}

func (s *Standbys) ready(p *peer, img *Image) (*peer, error) {
	var err error
	if p == nil {
		if p, err = startPeer(standby.Config{Stderr: s.cfg.Stderr}); err != nil {
			return nil, err
		}
		if err = p.hello(s.ctx); err != nil {
			p.kill()
			return nil, err
		}
	}
	if img == nil || p.img == img {
		return p, nil
	}
	if err = img.use(); err == nil {
		err = p.sendImage(img)
		img.unuse() //nolint:errcheck // closing it is its maker's business
	}
	if err == nil {
		err = p.answer(s.ctx, msgOpened)
	}
	if err == nil {
		err = p.send(&standby.Message{Kind: msgRehearse})
	}
	if err == nil {
		err = p.answer(s.ctx, msgRehearsed)
	}
	if err != nil {
		p.kill()
		return nil, err
	}
	p.img = img
	return p, nil
}

// guard takes a process that dies while it waits out of the pool.
func (s *Standbys) guard(p *peer, taken <-chan struct{}) {
	defer s.running.Done()
	select {
	case <-p.dead:
	case <-taken:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := slices.Index(s.idle, p); k >= 0 {
		s.removeLocked(k)
		if time.Since(p.born) > time.Second { // one that dies at once would have us start processes for ever
			s.fillLocked()
		}
	}
}

// take returns a process for a child of an image, and whether it is one of the pool. s may be nil.
func (s *Standbys) take(img *Image) (p *peer, pooled bool, err error) {
	var cfg standby.Config
	if s != nil {
		cfg.Stderr = s.cfg.Stderr
		s.mu.Lock()
		closed := s.closed
		if s.want == nil || s.want.isClosed() {
			s.want = img
		}
		if len(s.idle) > 0 {
			p = s.removeLocked(max(0, slices.IndexFunc(s.idle, func(p *peer) bool { return p.img == img })))
		}
		s.mu.Unlock()
		if closed {
			return nil, false, ErrClosed
		}
		if p != nil {
			return p, true, nil
		}
	}
	p, err = startPeer(cfg)
	return p, false, err
}

// fill replaces what has been taken. s may be nil.
func (s *Standbys) fill() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fillLocked()
}
