package spindle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/spindle-wasm/spindle/internal/image"
	"github.com/spindle-wasm/spindle/internal/standby"
)

// ProcessForkConfig configures a child in an OS process of its own.
type ProcessForkConfig struct {
	// Standbys has processes that wait for this; nil starts one, which takes milliseconds and not fractions of one.
	Standbys *Standbys
	// Name replaces Config.Name if it is not empty.
	Name string
	// Options are for modules that are ForkStates, by module name, as in ForkConfig. Each value must be a PassedOptions.
	Options map[string]any
	// Detach has the child outlive this process from the start; see ChildProcess.Detach.
	Detach bool
	// Call names an export of the first instance, for an image that stands nowhere: the child calls it with Args, in slot form, and ends. If it is empty Image.Entry is called.
	Call string
	Args []uint64
}

// ForkProcess makes a Process of the image in an OS process of its own, which goes on from where the image was made. That process runs this very program, whose main must begin with
// ServeStandby. It shares the image's pages as children in this process do. All threads, stacks and heaps are the child's own; open files that import modules pass (PassedModule) are
// the same open file descriptions in both. It dies with this process, however that ends, unless it is detached.
//
// ctx ends the guest when it is done, also while the child is made.
//
// Errors: *ForkError, *SnapshotError for what cannot leave this process (see Image.WriteTo), *LinkError if the other process does not supply an import, *StandbyError if there
// is no process; errors.ErrUnsupported, inside a *ForkError, on other systems than Linux.
func (i *Image) ForkProcess(ctx context.Context, cfg ProcessForkConfig) (*ChildProcess, error) {
	if err := i.use(); err != nil {
		return nil, err
	}
	c, err := i.forkProcess(ctx, &cfg)
	if errors.Is(err, errors.ErrUnsupported) {
		err = &ForkError{Reason: "this system cannot fork into a process", Cause: err}
	}
	if cerr := i.unuse(); err == nil {
		err = cerr
	}
	return c, err
}

// idle reports whether the main thread of a child would have nothing to do.
func (i *Image) idle() bool { return i.jobs[0].job == nil }

func (i *Image) forkProcess(ctx context.Context, cfg *ProcessForkConfig) (*ChildProcess, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	fork, err := i.passFork(cfg)
	if err != nil {
		return nil, err
	}
	defer fork.Close() //nolint:errcheck // they have been sent, or will not be
	if _, err := i.pass(); err != nil {
		return nil, err
	}
	defer cfg.Standbys.fill() // now that it does not hold up this one
	for {
		p, pooled, err := cfg.Standbys.take(i)
		if err != nil {
			return nil, err
		}
		pid, err := p.fork(ctx, i, fork)
		if err != nil {
			p.kill()
			var died errPeerDied
			if errors.As(err, &died) {
				if pooled {
					continue // somebody has killed it while it waited
				}
				err = died.error
			}
			return nil, err
		}
		c := &ChildProcess{peer: p, rt: i.rt, pid: pid, detached: cfg.Detach, done: make(chan struct{})}
		if !cfg.Detach {
			if err := i.rt.addChild(c); err != nil {
				p.kill()
				return nil, err
			}
		}
		c.watch(ctx)
		return c, nil
	}
}

// passFork makes the message of a fork.
func (i *Image) passFork(cfg *ProcessForkConfig) (_ *standby.Message, err error) {
	f := passedFork{name: cfg.Name, detach: cfg.Detach}
	if i.idle() {
		if f.call, f.args = cfg.Call, cfg.Args; f.call == "" {
			f.call = i.Entry()
		}
		if f.call == "" {
			return nil, &ForkError{Reason: "the guest stands nowhere: which export is to be called?"}
		}
	}
	m := &standby.Message{Kind: msgFork}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	for _, name := range sortedKeys(cfg.Options) {
		o, ok := cfg.Options[name].(PassedOptions)
		if !ok {
			return nil, &ForkError{Reason: fmt.Sprintf("the options for import module %q, a %T, cannot go to another process", name, cfg.Options[name])}
		}
		p, err := o.Pass()
		if err != nil {
			return nil, &ForkError{Reason: fmt.Sprintf("the options for import module %q", name), Cause: err}
		}
		f.options = append(f.options, passedOptions{name, p.State, len(p.Files)})
		m.Files = append(m.Files, p.Files...)
	}
	var w image.Encoder
	f.write(&w)
	m.Body = w.Bytes()
	return m, nil
}

// fork has a process make a child, and returns the identifier of its Process.
func (p *peer) fork(ctx context.Context, i *Image, fork *standby.Message) (pid uint32, err error) {
	// Both go at once; the answers are waited for afterwards.
	opened := p.img == i
	if !opened {
		err = p.sendImage(i)
	}
	if err == nil {
		err = p.send(fork)
	}
	if err == nil {
		err = p.hello(ctx)
	}
	if err == nil && !opened {
		err = p.answer(ctx, msgOpened)
	}
	if err != nil {
		return 0, err
	}
	d, err := p.next(ctx, msgStarted)
	if err != nil {
		return 0, err
	}
	if err = readError(d, 0); err == nil {
		pid = d.Uint32()
	}
	if d.End(); d.Err() != nil {
		return 0, &StandbyError{Reason: "an answer that cannot be read", Cause: d.Err()}
	}
	return pid, err
}

func (p *peer) sendImage(i *Image) error {
	m, err := i.pass()
	if err != nil {
		return err
	}
	return p.send(m)
}

// send sends a message. That the process is dead is no error: its answer will be one.
func (p *peer) send(m *standby.Message) error {
	err := p.proc.Send(*m)
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
