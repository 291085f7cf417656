package spindle

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle/internal/image"
	"github.com/spindle-wasm/spindle/internal/standby"
)

// standbyChild is a child that runs in a standby process.
type standbyChild struct {
	s      *standbyServer
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	detached bool // guarded by mu
}

// run waits for the guest's end, tells the parent, and returns the code to exit with.
func (c *standbyChild) run(ctx context.Context, p *Process, err error, f *passedFork) (int, error) {
	// When a detached guest waits for ever and its parent has gone nothing may be left that ever wakes a goroutine. That is for whoever has detached it to end: a program that
	// has a timer is not ended by Go's runtime for being deadlocked.
	defer time.AfterFunc(math.MaxInt64, func() {}).Stop()
	listening := make(chan error, 1)
	go func() { listening <- c.listen() }()
	var results []uint64
	switch {
	case err != nil: // it did not come to its first instruction
	case p.Done() != nil:
		err = p.Wait(context.Background()) // the guest itself ends when ctx does
		results = p.Results()
	default:
		results, err = p.first().Call(ctx, f.call, f.args...)
		var exit *ExitError
		if errors.As(err, &exit) && exit.Code == 0 {
			err = nil
		}
	}
	if p != nil {
		err = errors.Join(err, p.Close())
	}
	err = alone(err)
	told := c.s.answer(msgEnded, err, func(w *image.Encoder) { w.Words(results) })
	c.s.conn.Close() //nolint:errcheck // it ends listen
	fault := <-listening
	if c.isDetached() || errors.Is(told, io.EOF) {
		told = nil // nobody need be there, and that the parent has died is nothing to complain of
	}
	var exit *ExitError
	switch {
	case fault != nil:
		return exitProtocol, fault
	case errors.As(err, &exit):
		return int(exit.Code & 0xff), told
	case err != nil:
		return exitTrapped, told
	}
	return 0, told
}

// alone takes an error out of a Join that has only that.
func alone(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // exactly that
		if all := j.Unwrap(); len(all) == 1 {
			return all[0]
		}
	}
	return err
}

func (c *standbyChild) isDetached() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.detached
}

// listen does what the parent says, until the connection ends. The error says what was wrong with a message; the guest ends then.
func (c *standbyChild) listen() error {
	for {
		m, err := c.s.conn.Recv()
		if err == nil {
			err = m.Close()
		}
		switch {
		case errors.Is(err, io.EOF) && !c.isDetached():
			c.cancel(errStopped)
			c.s.orphaned()
			return nil
		case err != nil:
			var bad *standby.ProtocolError
			if errors.As(err, &bad) {
				c.cancel(bad)
				return bad
			}
			return nil // closed at this end, or gone
		case m.Kind == msgStop:
			c.cancel(errStopped)
		case m.Kind == msgDetach:
			err := c.detach()
			if c.s.answer(msgDetached, err, nil) != nil {
				return nil // the parent has gone; the next Recv would say so
			}
		default:
			err := &standby.ProtocolError{Msg: "a message that is none to a standby with a guest"}
			c.cancel(err)
			return err
		}
	}
}

func (c *standbyChild) detach() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.detached {
		return nil
	}
	if err := c.s.session(); err != nil {
		return err
	}
	c.detached = true
	return nil
}
