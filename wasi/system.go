package wasi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi/internal/stream"
)

// ModuleName is the name that guests import the functions under.
const ModuleName = "wasi_snapshot_preview1"

// System is the WASI state of one Process: its arguments, clocks and open files. It implements spindle.ImportModule; the first
// Process that imports from it keeps it, and closes it when it is closed itself. All of the Process's instances and threads share it.
type System struct {
	args, env strs
	fds       fdTable
	hub       *sharedHub
	owned     []*os.File // of another process: closed with it, after fds

	random    *source
	realtime  func() time.Time
	monotonic func() time.Duration
	cpu       cpuClock

	process atomic.Pointer[spindle.Process]
	closing sync.Once
}

// New makes a System. On success it owns cfg.Listeners.
func New(cfg Config) (*System, error) {
	s := &System{
		hub: newHub(), random: &source{r: cfg.Random}, realtime: cfg.Realtime, monotonic: cfg.Monotonic,
	}
	var err error
	if s.args, err = newStrs(cfg.Args); err != nil {
		return nil, fmt.Errorf("wasi: arguments: %w", err)
	}
	if s.env, err = newStrs(cfg.Env); err != nil {
		return nil, fmt.Errorf("wasi: environment: %w", err)
	}
	for _, kv := range cfg.Env {
		if strings.IndexByte(kv, '=') <= 0 {
			return nil, fmt.Errorf("wasi: environment: %q is not KEY=VALUE", kv)
		}
	}
	if s.fds.max = cfg.MaxFiles; s.fds.max == 0 {
		s.fds.max = 1 << 16
	}
	if s.fds.max < 3+len(cfg.Mounts)+len(cfg.Listeners) {
		return nil, errors.New("wasi: MaxFiles is too small for what the guest starts with")
	}
	if s.random.r == nil {
		s.random.r = rand.Reader
	}
	if s.realtime == nil {
		s.realtime = time.Now
	}
	if s.monotonic == nil {
		start := time.Now()
		s.monotonic = func() time.Duration { return time.Since(start) + time.Millisecond } // never 0, which programs take for unset
	}
	if err := s.setUp(&cfg); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// source makes random bytes, for parents and children: no two get the same.
type source struct {
	mu sync.Mutex
	r  io.Reader // guarded by mu, unless it is the system's
}

func (s *source) fill(b []byte) error {
	if s.r != rand.Reader {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	_, err := io.ReadFull(s.r, b)
	return err
}

// sharedHub is a Hub of all Systems that share its files.
type sharedHub struct {
	*stream.Hub
	refs atomic.Int32
}

func newHub() *sharedHub {
	h := &sharedHub{Hub: stream.NewHub()}
	h.refs.Store(1)
	return h
}

func (h *sharedHub) drop() {
	if h.refs.Add(-1) == 0 {
		h.Close()
	}
}

// Lookup implements spindle.ImportModule. It finds nothing for a second Process.
func (s *System) Lookup(p *spindle.Process, name string) (spindle.Extern, bool) {
	c, ok := calls[name]
	if !ok || !s.bind(p) {
		return nil, false
	}
	return c.hostFunc(s, name), true
}

func (s *System) bind(p *spindle.Process) bool {
	if s.process.CompareAndSwap(nil, p) {
		p.OnClose(s.close)
		return true
	}
	return s.process.Load() == p
}

// threads returns how many threads the guest has.
func (s *System) threads() int {
	if p := s.process.Load(); p != nil {
		return p.NumThreads()
	}
	return 1
}

// Close closes all files. It is for a System that no Process came to own; with one it is the Process's business. Calls in
// flight that wait on a file end.
func (s *System) Close() error {
	s.close()
	return nil
}

func (s *System) close() {
	s.closing.Do(func() {
		s.fds.closeAll()
		for _, f := range s.owned {
			_ = f.Close()
		}
		s.hub.drop()
	})
}

// Start makes a System of cfg and starts mod with it: Runtime.Start with the System, Threads, Wasix, Forks and SharedMemories
// added to pc.Imports.
func Start(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, cfg Config, pc spindle.Config) (*spindle.Process, error) {
	return with(rt, mod, cfg, pc, func(pc spindle.Config) (*spindle.Process, error) { return rt.Start(ctx, mod, pc) })
}

// Instantiate makes a System of cfg and instantiates mod with it, for a reactor: Runtime.Instantiate with
// the System, Threads, Wasix, Forks and SharedMemories added to pc.Imports.
func Instantiate(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, cfg Config, pc spindle.Config) (*spindle.Instance, error) {
	return with(rt, mod, cfg, pc, func(pc spindle.Config) (*spindle.Instance, error) { return rt.Instantiate(ctx, mod, pc) })
}

func with[T interface{ comparable }](rt *spindle.Runtime, mod *spindle.Module, cfg Config, pc spindle.Config, start func(spindle.Config) (T, error)) (t T, err error) {
	s, err := New(cfg)
	if err != nil {
		return t, err
	}
	imports := maps.Clone(pc.Imports)
	if imports == nil {
		imports = spindle.Imports{}
	}
	imports[ModuleName] = s
	if imports[ThreadModule] == nil {
		imports[ThreadModule] = Threads()
	}
	for im := range mod.Imports() {
		switch {
		case imports[im.Module] != nil:
		case im.Module == WasixModule:
			imports[im.Module] = Wasix(s)
		case im.Module == ForkModule:
			imports[im.Module] = Forks(nil)
		}
	}
	release, err := SharedMemories(rt, mod, imports)
	if err != nil {
		return t, errors.Join(err, s.Close())
	}
	defer release()
	pc.Imports = imports
	t, err = start(pc)
	if err != nil {
		return t, errors.Join(err, s.Close())
	}
	if s.process.Load() == nil { // the module imports nothing of it
		s.close()
	}
	return t, nil
}
