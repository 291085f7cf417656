package spindle

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"

	"github.com/spindle-wasm/spindle/internal/image"
	"github.com/spindle-wasm/spindle/internal/standby"
)

// The messages between a process and its standbys. Requests are answered in their order.
const (
	// To the standby.
	msgImage    = iota + 1 // open an image, in the place of the one before; answered by msgOpened
	msgFork                // make a child of the image; answered by msgStarted before its first instruction
	msgStop                // end the guest
	msgDetach              // go on without the parent; answered by msgDetached
	msgRehearse            // do what a fork will do; answered by msgRehearsed
	// To the parent. All but the first have an error first.
	msgHello     // the standby is there; the body is standbyVersion
	msgOpened    //
	msgStarted   // with the Process's identifier
	msgDetached  //
	msgRehearsed //
	msgEnded     // how the guest ended, and its results
)

// standbyVersion is compared by the parent: a binary that was replaced has another one, perhaps.
const standbyVersion = "spindle standby 1"

// Exit codes of a standby process, beside those of its guest.
const (
	exitTrapped  = 134 // 128 + SIGABRT, as a shell tells of a C program that gives up
	exitOrphaned = 143 // 128 + SIGTERM
	exitProtocol = 70  // EX_SOFTWARE of sysexits(3)
)

// StandbyHost is what a program supplies to guests that are forked into processes of their own.
type StandbyHost struct {
	// Imports returns what such a guest imports, as OpenConfig.Imports has it for snapshots: name is the Config.Name of the Process that was frozen, and mods its modules. Those with
	// state are OpenPassed, or OpenState. It is called once for an image, before any fork of it. nil supplies nothing.
	Imports func(name string, mods []*Module) (Imports, error)
	// Before is ForkConfig.Before.
	Before func(child *Process) error
}

// ServeStandby must be called at the start of main by a program that uses Image.ForkProcess, before it does anything else: the processes for children run the same program. In those it
// does not return, but serves one child and exits; in any other it returns at once.
//
// The exit code is the guest's, its lower 8 bits, or 134 if it trapped. Standard error is the parent's, or StandbysConfig.Stderr, for what Go prints when it dies.
func ServeStandby(host StandbyHost) {
	conn, err := standby.Inherited()
	if err != nil {
		fmt.Fprintln(os.Stderr, "spindle:", err)
		os.Exit(exitProtocol)
	}
	if conn == nil {
		return
	}
	// A terminal's interrupt is for the parent to decide about: if it dies of it, that is noticed.
	signal.Ignore(os.Interrupt)
	s := &standbyServer{conn: conn, host: host, orphaned: func() { os.Exit(exitOrphaned) }, session: standby.Session}
	code, err := s.serve(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "spindle:", err)
	}
	os.Exit(code)
}

// standbyServer is a standby process's side.
type standbyServer struct {
	conn     *standby.Conn
	host     StandbyHost
	orphaned func()       // called when a child's parent has gone that is not detached; it need not return
	session  func() error // standby.Session

	rt   *Runtime
	of   passedImage // rt's options
	mods map[[32]byte]*Module
	img  *Image
}

// serve serves one child, and returns the code to exit with. The error is for people: the parent knows.
func (s *standbyServer) serve(ctx context.Context) (code int, err error) {
	defer s.close()
	if err := s.conn.Send(standby.Message{Kind: msgHello, Body: []byte(standbyVersion)}); err != nil {
		return exitOrphaned, nil //nolint:nilerr // the parent has gone
	}
	for {
		m, err := s.conn.Recv()
		if errors.Is(err, io.EOF) {
			return 0, nil // not needed any more
		}
		if err != nil {
			return exitProtocol, err
		}
		switch m.Kind {
		case msgImage:
			err = errors.Join(s.answer(msgOpened, s.open(ctx, &m), nil), m.Close())
		case msgFork:
			done, code, ferr := s.fork(ctx, &m)
			if done {
				return code, ferr
			}
			err = errors.Join(s.answer(msgStarted, ferr, nil), m.Close())
		case msgRehearse:
			err = errors.Join(s.answer(msgRehearsed, s.rehearse(ctx), nil), m.Close())
		default:
			m.Close() //nolint:errcheck // the other error is the one to report
			return exitProtocol, &standby.ProtocolError{Msg: fmt.Sprintf("message %d to a standby without a guest", m.Kind)}
		}
		switch {
		case errors.Is(err, io.EOF):
			return exitOrphaned, nil // the parent has gone, and waits for no answer
		case err != nil:
			return exitProtocol, err
		}
	}
}

func (s *standbyServer) close() {
	if s.img != nil {
		s.img.Close() //nolint:errcheck // the process ends
	}
	s.closeRuntime()
	s.conn.Close() //nolint:errcheck // likewise
}

func (s *standbyServer) closeRuntime() {
	if s.rt == nil {
		return
	}
	s.rt.Close() //nolint:errcheck // nothing of it is left
	for _, m := range s.mods {
		standby.Unmap(m.m.Bytes) //nolint:errcheck // address space is lost, no more
	}
}

// answer sends an answer, which begins with an error.
func (s *standbyServer) answer(kind byte, err error, more func(*image.Encoder)) error {
	var w image.Encoder
	writeError(&w, err, 0)
	if more != nil {
		more(&w)
	}
	return s.conn.Send(standby.Message{Kind: kind, Body: w.Bytes()})
}

// runtime returns the Runtime for an image, which has the options of that of its maker.
func (s *standbyServer) runtime(p *passedImage) *Runtime {
	of := passedImage{Features: p.Features, StackSize: p.StackSize, MaxMemory: p.MaxMemory, NoStackCheck: p.NoStackCheck}
	if s.rt != nil && s.of.Features == of.Features && s.of.StackSize == of.StackSize && s.of.MaxMemory == of.MaxMemory && s.of.NoStackCheck == of.NoStackCheck {
		return s.rt
	}
	s.closeRuntime()
	opts := []Option{WithFeatures(of.Features), WithMaxMemory(of.MaxMemory), WithStackSize(of.StackSize)}
	if of.NoStackCheck {
		opts = append(opts, WithoutStackCheck())
	}
	s.rt, s.of, s.mods = NewRuntime(opts...), of, map[[32]byte]*Module{}
	return s.rt
}

// compile returns the module in a file, which is compiled once: images of the same guest have the same.
func (s *standbyServer) compile(ctx context.Context, f *os.File) (m *Module, err error) {
	b, err := standby.MapFile(f, passedLimit)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	if m = s.mods[sum]; m == nil {
		if m, err = s.rt.Compile(ctx, b); err == nil {
			s.mods[sum] = m
			return m, nil
		}
	}
	return m, errors.Join(err, standby.Unmap(b))
}

func (s *standbyServer) imports(name string, mods []*Module) (Imports, error) {
	if s.host.Imports == nil {
		return Imports{}, nil
	}
	imports, err := s.host.Imports(name, mods)
	if imports == nil {
		imports = Imports{}
	}
	return imports, err
}

func (s *standbyServer) open(ctx context.Context, m *standby.Message) error {
	if s.img != nil {
		if err := s.img.Close(); err != nil {
			return err
		}
		s.img = nil
	}
	var err error
	s.img, err = s.openPassed(ctx, m)
	return err
}

// openPassed makes the image of a message.
func (s *standbyServer) openPassed(ctx context.Context, m *standby.Message) (img *Image, err error) {
	var p passedImage
	if err := json.Unmarshal(m.Body, &p); err != nil {
		return nil, &StandbyError{Reason: "an image that cannot be read", Cause: err}
	}
	const most = standby.MaxFiles
	if p.Modules < 0 || p.Modules > most || p.Files < 0 || p.Files > most || len(m.Files) != 2+len(p.Layouts)+p.Modules+p.Files {
		return nil, &StandbyError{Reason: fmt.Sprintf("an image of %d pages, %d modules and %d files comes with %d files", len(p.Layouts), p.Modules, p.Files, len(m.Files))}
	}
	rest := m.Files
	take := func(n int) []*os.File {
		f := rest[:n]
		rest = rest[n:]
		return f
	}
	desc, err := standby.ReadFile(take(1)[0], passedLimit)
	if err != nil {
		return nil, err
	}
	var parts []image.Part
	for k, f := range take(len(p.Layouts)) {
		parts = append(parts, image.Part{File: f, Layout: p.Layouts[k]})
	}
	r := s.runtime(&p)
	var mods []*Module
	for _, f := range take(p.Modules) {
		mod, err := s.compile(ctx, f)
		if err != nil {
			return nil, err
		}
		mods = append(mods, mod)
	}
	cfg := OpenConfig{Config: p.Config.config(), Modules: mods}
	files := take(p.Files)
	img, err = r.openImage(ctx, image.FromParts(desc, parts), cfg, func(d *image.Decoder) []byte {
		k := d.Below(uint64(len(mods)), "a module")
		if d.Err() != nil {
			return nil
		}
		return mods[k].m.Bytes
	}, func(i *Image, d *image.Decoder, name string) (FrozenModule, error) {
		if i.cfg.Imports == nil {
			var err error
			if i.cfg.Imports, err = s.imports(i.cfg.Name, mods); err != nil {
				return nil, err
			}
		}
		state := &Passed{State: d.Blob()}
		n := int(d.Below(uint64(len(files))+1, "files"))
		if d.Err() != nil {
			return nil, d.Err()
		}
		state.Files, files = hand(files[:n]), files[n:]
		return openModule(i.cfg.Imports[name], name, state)
	})
	if err != nil {
		return nil, err
	}
	if img.cfg.Imports == nil {
		if img.cfg.Imports, err = s.imports(img.cfg.Name, mods); err != nil {
			return nil, errors.Join(err, img.Close())
		}
	}
	last := m.Files[len(m.Files)-1:]
	if img.family.counter, err = standby.OpenCounter(last[0]); err != nil {
		return nil, errors.Join(err, img.Close())
	}
	hand(last)
	return img, nil
}

// hand takes files out of a message: they are somebody else's.
func hand(files []*os.File) []*os.File {
	own := slices.Clone(files)
	clear(files)
	return own
}

// passedFork is the body of msgFork.
type passedFork struct {
	name    string
	detach  bool
	call    string   // an export to call, of an image that stands nowhere
	args    []uint64 // in slot form
	options []passedOptions
}

// passedOptions is a value of ForkConfig.Options: its state, and how many of the message's files, in their order, go with it.
type passedOptions struct {
	module string
	state  []byte
	files  int
}

func (f *passedFork) write(w *image.Encoder) {
	w.String(f.name)
	w.Bool(f.detach)
	w.String(f.call)
	w.Words(f.args)
	w.Uint(uint64(len(f.options)))
	for _, o := range f.options {
		w.String(o.module)
		w.Blob(o.state)
		w.Uint(uint64(o.files))
	}
}

func (f *passedFork) read(d *image.Decoder, files int) {
	f.name, f.detach, f.call, f.args = d.String(), d.Bool(), d.String(), d.Words()
	for range d.Len(3) {
		o := passedOptions{d.String(), d.Blob(), int(d.Below(uint64(files)+1, "files"))}
		files -= o.files
		f.options = append(f.options, o)
	}
	d.End()
}

// fork makes the child. If it has begun, done is set and code is what to exit with.
func (s *standbyServer) fork(ctx context.Context, m *standby.Message) (done bool, code int, err error) {
	var f passedFork
	d := image.NewDecoder(m.Body, 0)
	if f.read(d, len(m.Files)); d.Err() != nil {
		return false, 0, &StandbyError{Reason: "a fork that cannot be read", Cause: d.Err()}
	}
	if s.img == nil {
		return false, 0, &StandbyError{Reason: "a fork of no image"}
	}
	cfg := ForkConfig{Name: f.name, Options: map[string]any{}}
	rest := m.Files
	for _, o := range f.options {
		cfg.Options[o.module] = &Passed{State: o.state, Files: hand(rest[:o.files])}
		rest = rest[o.files:]
	}
	if f.detach {
		if err := s.session(); err != nil {
			return false, 0, err
		}
	}
	c := &standbyChild{s: s, detached: f.detach}
	ctx, c.cancel = context.WithCancelCause(ctx)
	defer c.cancel(nil)
	started := false
	cfg.Before = s.host.Before
	cfg.started = func(p *Process) error { // from here on the parent has a child
		if s.img.idle() {
			if inst := p.first(); inst == nil {
				return &ForkError{Reason: "the guest has no instance to call"}
			} else if _, err := inst.Func(f.call); err != nil {
				return &ForkError{Reason: "the guest stands nowhere", Cause: err}
			}
		}
		started = true
		return s.answer(msgStarted, nil, func(w *image.Encoder) { w.Uint(uint64(p.pid)) })
	}
	p, err := s.img.Fork(ctx, cfg)
	if err != nil && !started {
		return false, 0, err
	}
	code, err = c.run(ctx, p, err, &f)
	return true, code, err
}
