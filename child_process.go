package spindle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle/internal/image"
	"github.com/spindle-wasm/spindle/internal/standby"
)

// ChildProcess is an OS process with a guest that Image.ForkProcess has made. It is safe for concurrent use.
type ChildProcess struct {
	peer *peer
	rt   *Runtime
	pid  uint32

	mu       sync.Mutex
	stopped  error // guarded by mu; why Stop was called, first
	detached bool  // guarded by mu

	done    chan struct{}
	err     error    // read after done
	results []uint64 // likewise
}

// PID returns the OS's identifier of the process.
func (c *ChildProcess) PID() int { return c.peer.proc.PID() }

// GuestPID returns Process.PID of the child's Process.
func (c *ChildProcess) GuestPID() uint32 { return c.pid }

// Done is closed when the process has ended.
func (c *ChildProcess) Done() <-chan struct{} { return c.done }

// Wait waits until the process has ended, and returns nil if its guest returned or exited with code 0, otherwise the reason: as Process.Wait, a *SignalError if a signal ended the
// process, a *StandbyError if it ended without a word. What has no type here, such as an uncaught exception, is a *RemoteError. If ctx is done first its cause is
// returned and the child runs on.
func (c *ChildProcess) Wait(ctx context.Context) error {
	select {
	case <-c.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	var exit *ExitError
	if errors.As(c.err, &exit) && exit.Code == 0 {
		return nil
	}
	return c.err
}

// Results returns the results, in slot form, of the call that the child went on with or made (ProcessForkConfig.Call), once Done is closed and Wait has returned nil.
func (c *ChildProcess) Results() []uint64 {
	select {
	case <-c.done:
		return slices.Clone(c.results)
	default:
		return nil
	}
}

// Signal sends a signal to the process. What that does to a guest is what it does to any Go program: SIGSTOP and SIGCONT stop it and have it go on, SIGTERM and SIGKILL end it; but
// SIGINT, which a terminal sends to all processes, is ignored. The error is os.ErrProcessDone if it has ended.
func (c *ChildProcess) Signal(s os.Signal) error { return c.peer.proc.Signal(s) }

// Stop has the guest end as Process.Close does, without waiting for it: wherever it is, with cause as the cause of its TrapError. The first cause counts.
func (c *ChildProcess) Stop(cause error) error {
	if cause == nil {
		cause = ErrClosed
	}
	c.mu.Lock()
	first := c.stopped == nil
	if first {
		c.stopped = cause
	}
	c.mu.Unlock()
	if !first {
		return nil
	}
	return c.tell(msgStop)
}

func (c *ChildProcess) tell(kind byte) error {
	err := c.peer.proc.Send(standby.Message{Kind: kind})
	select {
	case <-c.done:
		return os.ErrProcessDone
	default:
		return err
	}
}

// Detach has the child outlive this process, and Runtime.Close: it becomes the leader of a session of its own. Wait goes on to tell how it ends. It returns when the
// child has heard of it, which a process that is stopped (SIGSTOP) has not.
func (c *ChildProcess) Detach(ctx context.Context) error {
	c.mu.Lock()
	was := c.detached
	c.detached = true
	c.mu.Unlock()
	if was {
		return nil
	}
	err := c.tell(msgDetach)
	if err == nil {
		err = c.peer.answer(ctx, msgDetached)
	}
	if err != nil {
		c.mu.Lock()
		c.detached = false
		c.mu.Unlock()
		return err
	}
	c.rt.removeChild(c)
	return nil
}

// Close ends the process with SIGKILL, detached or not, and waits for its end. The guest gets no say; see Stop.
func (c *ChildProcess) Close() error {
	if err := c.peer.proc.Signal(os.Kill); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-c.done
	return nil
}

// watch notes the end.
func (c *ChildProcess) watch(ctx context.Context) {
	unhook := context.AfterFunc(ctx, func() {
		c.Stop(context.Cause(ctx)) //nolint:errcheck // it may have ended
	})
	go func() {
		<-c.peer.dead
		unhook()
		c.err, c.results = c.peer.end()
		c.mu.Lock()
		cause := c.stopped
		c.mu.Unlock()
		if t, ok := c.err.(*TrapError); ok && t.Cause == errStopped { //nolint:errorlint // exactly that
			if cause == nil {
				cause = ErrClosed
			}
			t.Cause = cause
		}
		c.rt.removeChild(c)
		close(c.done)
	}()
}

// peer is a process that was started, as its parent sees it.
type peer struct {
	proc    *standby.Process
	born    time.Time
	answers chan standby.Message // but msgEnded; without files
	dead    chan struct{}        // closed when all has been read and the process is reaped

	// Read after dead.
	ended  *standby.Message // msgEnded
	broken error            // it did what no standby does
	status standby.Status

	// Of who holds the peer.
	img     *Image        // that it has open
	greeted bool          // msgHello has been read
	taken   chan struct{} // closed when it leaves its Standbys
}

func startPeer(cfg standby.Config) (*peer, error) {
	if standby.Waiting() {
		return nil, &StandbyError{Reason: "this process was started as one, and has not called ServeStandby at the start of main"}
	}
	proc, err := standby.Start(cfg)
	if err != nil {
		// Go's exec says EBADF where a limit leaves no room for the descriptors that it sets up in the child (dup(2)).
		return nil, &StandbyError{Reason: "the process cannot be started", Cause: err}
	}
	p := &peer{proc: proc, born: time.Now(), answers: make(chan standby.Message, 4), dead: make(chan struct{})}
	go p.read()
	return p, nil
}

// read reads what the process says until it is dead.
func (p *peer) read() {
	defer close(p.dead)
	defer p.proc.Close() //nolint:errcheck // all has been read
	for {
		m, err := p.proc.Recv()
		if err == nil {
			err = m.Close() // there is nothing to send back
		}
		if err == nil && m.Kind == msgEnded {
			if p.ended == nil {
				p.ended = &m
				continue
			}
			err = &standby.ProtocolError{Msg: "it ended twice"}
		} else if err == nil {
			select {
			case p.answers <- m:
				continue
			default:
				err = &standby.ProtocolError{Msg: "answers that nobody has asked for"}
			}
		}
		var bad *standby.ProtocolError
		if errors.As(err, &bad) {
			p.broken = bad
		}
		break
	}
	// Its end of the connection is closed, or it is of no use. If it exits just now the signal changes nothing.
	p.proc.Signal(os.Kill) //nolint:errcheck // it may have ended
	var err error
	if p.status, err = p.proc.Wait(); err != nil && p.broken == nil {
		p.broken = err
	}
}

// end returns how the guest ended, once the process is dead.
func (p *peer) end() (error, []uint64) { //nolint:revive // a pair, not a failure
	switch {
	case p.ended != nil:
		d := image.NewDecoder(p.ended.Body, 0)
		err := readError(d, 0)
		results := d.Words()
		if d.End(); d.Err() == nil {
			return err, results
		}
		return &StandbyError{Reason: "how its guest ended cannot be read", Cause: d.Err()}, nil
	case p.broken != nil:
		return &StandbyError{Reason: "it broke the protocol", Cause: p.broken}, nil
	case p.status.Signal != 0:
		return &SignalError{PID: p.proc.PID(), Signal: p.status.Signal}, nil
	}
	return &StandbyError{Reason: fmt.Sprintf("the process exited with code %d without a word", p.status.Code)}, nil
}

// errPeerDied says that a process ended before its guest had begun.
type errPeerDied struct{ error }

func (e errPeerDied) Unwrap() error { return e.error }

// patience is how long a process may take for an answer that takes no time but what a busy machine needs, and compiling.
const patience = time.Minute

// next waits for an answer.
func (p *peer) next(ctx context.Context, kind byte) (*image.Decoder, error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	var m standby.Message
	select {
	case m = <-p.answers:
	default:
		select {
		case m = <-p.answers:
		case <-p.dead:
			select {
			case m = <-p.answers: // the last one
			default:
				err, _ := p.end()
				return nil, errPeerDied{&StandbyError{Reason: "the process died", Cause: err}}
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-late.C:
			return nil, &StandbyError{Reason: fmt.Sprintf("no answer within %v: does main begin with ServeStandby?", patience)}
		}
	}
	if m.Kind != kind {
		return nil, &StandbyError{Reason: "it broke the protocol", Cause: &standby.ProtocolError{Msg: fmt.Sprintf("answer %d in the place of %d", m.Kind, kind)}}
	}
	return image.NewDecoder(m.Body, 0), nil
}

// answer waits for an answer that is an error, or none.
func (p *peer) answer(ctx context.Context, kind byte) error {
	d, err := p.next(ctx, kind)
	if err != nil {
		return err
	}
	err = readError(d, 0)
	if d.End(); d.Err() != nil {
		return &StandbyError{Reason: "an answer that cannot be read", Cause: d.Err()}
	}
	return err
}

// hello waits until the process is there.
func (p *peer) hello(ctx context.Context) error {
	if p.greeted {
		return nil
	}
	p.greeted = true
	d, err := p.next(ctx, msgHello)
	if err == nil && string(d.Rest()) != standbyVersion {
		err = &StandbyError{Reason: "the process is of another version of this program"}
	}
	return err
}

// kill ends the process and waits for it.
func (p *peer) kill() {
	p.proc.Signal(os.Kill) //nolint:errcheck // it may have ended
	<-p.dead
}
