package spindle

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/spindle-wasm/spindle/internal/interp"
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// Features is a set of WebAssembly features.
type Features = wasm.Features

// AllFeatures are the features that are on by default: WebAssembly 3.0 and the threads proposal.
const AllFeatures = wasm.AllFeatures

// ParseFeature returns the feature of a name such as "simd" or "tail-call".
func ParseFeature(name string) (Features, error) { return wasm.ParseFeature(name) }

// Runtime holds what modules and Processes share: the type space, pools of memory, limits. Runtimes are independent of each
// other, and safe for concurrent use.
type Runtime struct {
	features  Features
	stackSize int
	maxMemory uint64

	noStackCheck bool

	types  *wasm.TypeSpace
	pools  *vm.Pools
	engine vm.Engine

	mu        sync.Mutex
	processes map[*Process]struct{}      // guarded by mu
	children  map[*ChildProcess]struct{} // guarded by mu; those that end with the Runtime
	closed    bool                       // guarded by mu
}

// Option configures a Runtime.
type Option func(*Runtime)

// WithFeatures sets the features that modules may use; the default is AllFeatures.
func WithFeatures(f Features) Option { return func(r *Runtime) { r.features = f } }

// WithMaxMemory bounds the linear memories that a Process has, all of them together, to n bytes (rounded down to whole pages of 64 KiB); 0 means no
// bound but the modules' own. A shared memory counts once in each Process that imports it, however many threads and instances of the Process use it, and
// when it grows it must fit into the bound of each of them; a thread's unshared memories count for each thread. What is larger than that at its start is
// refused with a LimitError, of an import inside a LinkError; memory.grow fails. Also bounds each memory of NewSharedMemory.
func WithMaxMemory(n uint64) Option { return func(r *Runtime) { r.maxMemory = n } }

// WithStackSize sets the size in bytes of guest stacks; the default of 8 MiB holds more than 100,000 simple frames.
func WithStackSize(n int) Option { return func(r *Runtime) { r.stackSize = n } }

// WithoutStackCheck turns the detection of overruns of C stacks in linear memory off. With it, which is the default, a function whose frame does not fit on
// the stack of its thread traps (TrapStackOverrun) before it writes over other data. That takes a module that tells where its stack pointer is,
// by its name or by what wasm-ld makes, and for the exact place where the stack of a thread ends, one made by wasi-libc or by guest/pthread.
// Programs that are right never trap.
func WithoutStackCheck() Option { return func(r *Runtime) { r.noStackCheck = true } }

// NewRuntime makes a Runtime.
func NewRuntime(opts ...Option) *Runtime {
	r := &Runtime{
		features: AllFeatures, types: wasm.NewTypeSpace(), pools: vm.NewPools(), engine: interp.New(),
		processes: map[*Process]struct{}{},
	}
	for _, o := range opts {
		o(r)
	}
	return r
}

// Compile decodes and validates a module in the binary format and prepares its code. It keeps b, which must not be changed
// afterwards. Errors: *MalformedError, *ValidationError, *ImplementationLimitError, *FeatureError.
func (r *Runtime) Compile(ctx context.Context, b []byte) (*Module, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	m, err := wasm.Decode(b, wasm.DecodeOptions{Features: r.features})
	if err != nil {
		return nil, err
	}
	if err := wasm.Validate(m, r.types, wasm.ValidateOptions{}); err != nil {
		return nil, err
	}
	code, err := r.engine.Compile(m, r.types)
	if err != nil {
		return nil, err
	}
	return &Module{rt: r, m: m, code: code}, nil
}

// CompileText is Compile for the text format. Errors: also *SyntaxError.
func (r *Runtime) CompileText(ctx context.Context, text []byte) (*Module, error) {
	b, err := wat.Assemble(text, wat.Options{})
	if err != nil {
		return nil, err
	}
	return r.Compile(ctx, b)
}

// Close closes all Processes and gives memory back. Modules must not be used afterwards. Children in OS processes of their own are ended (ChildProcess.Close), unless they are
// detached.
func (r *Runtime) Close() error {
	r.mu.Lock()
	r.closed = true
	ps := make([]*Process, 0, len(r.processes))
	for p := range r.processes {
		ps = append(ps, p)
	}
	children := slices.Collect(maps.Keys(r.children))
	r.mu.Unlock()
	r.pools.Close() // before the Processes: what they give back need not be cleared for others
	var first error
	for _, c := range children {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	for _, p := range ps {
		if err := p.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (r *Runtime) add(p *Process) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	r.processes[p] = struct{}{}
	return nil
}

func (r *Runtime) remove(p *Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.processes, p)
}

func (r *Runtime) addChild(c *ChildProcess) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	if r.children == nil {
		r.children = map[*ChildProcess]struct{}{}
	}
	r.children[c] = struct{}{}
	return nil
}

func (r *Runtime) removeChild(c *ChildProcess) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.children, c)
}

// Assemble turns a module in the text format into the binary format. Errors: *SyntaxError.
func Assemble(text []byte) ([]byte, error) { return wat.Assemble(text, wat.Options{}) }
