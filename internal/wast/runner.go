package wast

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// Config configures a run.
type Config struct {
	// Off are the features that modules may not use.
	Off spindle.Features
	// Out receives what the functions of the module spectest print; nil discards it.
	Out io.Writer
	// Report is called with the result of each command; never by two goroutines at the same time.
	Report func(Result)
}

// Result tells how one command of a script went.
type Result struct {
	Pos  wat.Pos
	Kind wat.CommandKind
	Err  error // nil if the command did what the script expects
}

// Run runs a script and returns how many of its commands passed and failed. ctx ends it, wherever its guests are: what is left
// of it then fails.
func Run(ctx context.Context, script *wat.Script, cfg Config) (passed, failed int) {
	rt := spindle.NewRuntime(spindle.WithFeatures(spindle.AllFeatures &^ cfg.Off))
	if cfg.Out != nil {
		cfg.Out = &lockedWriter{w: cfg.Out}
	}
	s := &session{cfg: cfg, rt: rt}
	s.run(ctx, script.Commands, nil)
	if err := rt.Close(); err != nil {
		s.report(Result{Err: fmt.Errorf("closing the runtime: %w", err)})
	}
	return s.passed, s.failed
}

// session is what the threads of one script share.
type session struct {
	cfg Config
	rt  *spindle.Runtime

	mu             sync.Mutex
	passed, failed int // guarded by mu
}

func (s *session) report(r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Err == nil {
		s.passed++
	} else {
		s.failed++
	}
	if s.cfg.Report != nil {
		s.cfg.Report(r)
	}
}

// run runs the commands of a script, or of a thread of it that sees the instances in shared, in a Process of its own. It returns
// when all threads that they started have ended.
func (s *session) run(ctx context.Context, cmds []wat.Command, shared map[string]*instance) {
	r := &runner{
		session: s,
		imports: spindle.Imports{"spectest": NewSpectest(s.cfg.Out)},
		modules: map[string]*spindle.Module{},
		insts:   map[string]*instance{},
		threads: map[string]chan struct{}{},
	}
	for name, inst := range shared {
		r.insts[name] = inst
	}
	proc, err := s.rt.NewProcess(spindle.Config{Imports: r.imports})
	if err != nil {
		s.report(Result{Err: err})
		return
	}
	r.proc = proc
	for i := range cmds {
		c := &cmds[i]
		s.report(Result{Pos: c.Pos, Kind: c.Kind, Err: r.command(ctx, c)})
	}
	r.join()
	if err := proc.Close(); err != nil {
		s.report(Result{Err: err})
	}
}

// runner is the state of a script, or of one thread of it.
type runner struct {
	*session
	proc    *spindle.Process
	imports spindle.Imports // of proc: what the script has registered

	modules    map[string]*spindle.Module
	lastModule *spindle.Module
	insts      map[string]*instance
	last       *instance // the current one

	threads map[string]chan struct{} // not waited for yet; closed when the thread has ended
	started []chan struct{}          // all of them
}

func (r *runner) command(ctx context.Context, c *wat.Command) error {
	switch c.Kind {
	case wat.CmdModule:
		return r.module(ctx, c.Module)
	case wat.CmdInstance:
		return r.instantiateAgain(ctx, c)
	case wat.CmdRegister:
		return r.register(c)
	case wat.CmdAction:
		_, err := r.action(ctx, c.Action)
		return err
	case wat.CmdAssertReturn:
		return r.assertReturn(ctx, c)
	case wat.CmdAssertTrap, wat.CmdAssertExhaustion:
		return r.assertTrap(ctx, c)
	case wat.CmdAssertException:
		return r.assertException(ctx, c)
	case wat.CmdAssertMalformed, wat.CmdAssertMalformedCustom:
		return r.assertMalformed(ctx, c)
	case wat.CmdAssertInvalid, wat.CmdAssertInvalidCustom:
		return r.assertInvalid(ctx, c)
	case wat.CmdAssertUnlinkable:
		return r.assertUnlinkable(ctx, c)
	case wat.CmdThread:
		return r.thread(ctx, c)
	case wat.CmdWait:
		return r.wait(c)
	}
	return fmt.Errorf("command %v is not supported", c.Kind)
}

// lockedWriter lets the threads of a script print to one writer.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
