package serve

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/warm"
)

// generation is an image that children are forked of, or were: it goes when the last of them has gone.
type generation struct {
	number int
	img    *spindle.Image
	made   time.Time
	served int // requests that the guest had answered when the image was made
	size   spindle.MemoryUse

	forks atomic.Uint64
	live  atomic.Int64
}

// Generation describes an image of a Server.
type Generation struct {
	Number int       `json:"number"` // 0 is the image of the guest that was warmed up; each refork makes the next
	Made   time.Time `json:"made"`   // when
	Served int       `json:"served"` // requests that the guest had answered until then
}

func (g *generation) info() Generation { return Generation{g.number, g.made, g.served} }

// reforks is what a Server knows of its next image. Guarded by Server.mu.
type reforks struct {
	since   int         // requests answered since the last image, or since a failure; heirs' do not count
	running bool        // an heir is out
	served  int         // by the heirs up to mold, since the last image
	mold    warm.Frozen // the last heir's; empty if there is none
	waiting map[chan reforked]struct{}

	done, failed, retired uint64
	lastErr               error
}

// reforked is what those who wait for a refork are told.
type reforked struct {
	gen Generation
	err error
}

// ErrReforkFailed is what Refork returns for, with the reason. The server goes on with the image that it has.
var ErrReforkFailed = errors.New("serve: no new image could be made")

// Refork makes a new image of a child that has answered requests, and returns when later requests are forked of it. For that the next request's child is kept when it
// has answered, until it is at its point again, and frozen there; with Config.ReforkWarm the next request goes to a fork of that, and so on. What a request has
// left behind in the guest is in all children from then on. So Refork waits for requests, until ctx is done.
//
// If the guest does not come to its point again (it ends after a request, or traps), or cannot be frozen there, the error is ErrReforkFailed, and the image stays the one
// that it was. Requests whose client is to blame are passed over.
func (s *Server) Refork(ctx context.Context) (Generation, error) {
	ch := make(chan reforked, 1)
	s.mu.Lock()
	if s.gen == nil {
		s.mu.Unlock()
		return Generation{}, errClosed
	}
	s.refork.waiting[ch] = struct{}{}
	s.mu.Unlock()
	select {
	case r := <-ch:
		return r.gen, r.err
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.refork.waiting, ch)
	select {
	case r := <-ch: // in the same moment
		return r.gen, r.err
	default:
	}
	return Generation{}, context.Cause(ctx)
}

// lineage is what a new child is forked of.
type lineage struct {
	gen  *generation
	img  *spindle.Image
	heir bool // it is to become an image
}

// source says what the next child is forked of. For an heir, settle has to follow.
func (s *Server) source() (lineage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen == nil {
		return lineage{}, errClosed
	}
	l := lineage{gen: s.gen, img: s.gen.img}
	r := &s.refork
	if !r.running && (len(r.waiting) > 0 || s.cfg.ReforkAfter > 0 && r.since >= s.cfg.ReforkAfter) {
		l.heir, r.running = true, true
		if r.mold.Image != nil {
			l.img = r.mold.Image
		}
	}
	l.gen.live.Add(1) // the image stays until leave
	return l, nil
}

// leave is called when a child has gone, or could not be made.
func (s *Server) leave(g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.live.Add(-1) == 0 && g != s.gen {
		s.retireLocked(g)
	}
}

func (s *Server) retireLocked(g *generation) {
	for k, o := range s.old {
		if o == g {
			s.old = append(s.old[:k], s.old[k+1:]...)
			s.refork.retired++
			if err := g.img.Close(); err != nil {
				s.cfg.Log.Warn("an image was not given back", "generation", g.number, "error", err)
			}
			return
		}
	}
}

// errPassed is what settle is told of an heir that says nothing about the guest: its client had gone, for example.
var errPassed = errors.New("the request did not end well, which is not the guest's fault")

// settle takes what became of an heir: an image, or why there is none.
func (s *Server) settle(f warm.Frozen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.refork
	r.running = false
	switch {
	case s.gen == nil: // closed meanwhile
		if f.Image != nil {
			_ = f.Image.Close()
		}
	case errors.Is(f.Err, errPassed):
	case f.Err != nil:
		r.failed++
		r.lastErr = f.Err
		s.cfg.Log.Warn("refork failed", "generation", s.gen.number, "error", f.Err)
		s.dropMoldLocked()
		s.tellLocked(reforked{s.gen.info(), fmt.Errorf("%w: %w", ErrReforkFailed, f.Err)})
	default:
		s.replaceMoldLocked(f)
		r.served++
		if r.served >= s.cfg.ReforkWarm {
			s.advanceLocked()
		}
	}
}

// advanceLocked makes the mold the image of a new generation.
func (s *Server) advanceLocked() {
	r, was := &s.refork, s.gen
	s.gen = &generation{number: was.number + 1, img: r.mold.Image, made: time.Now(), served: was.served + r.served, size: r.mold.Size}
	s.old = append(s.old, was)
	if was.live.Load() == 0 {
		s.retireLocked(was)
	}
	r.mold = warm.Frozen{} // it is the generation's now
	s.dropMoldLocked()
	r.done++
	s.cfg.Log.Info("reforked", "generation", s.gen.number, "served", s.gen.served)
	s.tellLocked(reforked{gen: s.gen.info()})
}

// dropMoldLocked begins to count anew.
func (s *Server) dropMoldLocked() {
	s.replaceMoldLocked(warm.Frozen{})
	s.refork.served, s.refork.since = 0, 0
}

func (s *Server) replaceMoldLocked(f warm.Frozen) {
	r := &s.refork
	if r.mold.Image != nil {
		_ = r.mold.Image.Close()
	}
	r.mold = f
}

func (s *Server) tellLocked(r reforked) {
	for ch := range s.refork.waiting {
		ch <- r // there is room for one, and no second comes
	}
	clear(s.refork.waiting)
}

// counted counts a request that has been answered. An heir's is in the next image, and may be so before it is counted.
func (s *Server) counted(of lineage) {
	if of.heir {
		return
	}
	s.mu.Lock()
	s.refork.since++
	s.mu.Unlock()
}
