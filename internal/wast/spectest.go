package wast

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/spindle-wasm/spindle"
)

// Spectest is the host module "spectest" that the scripts of the official suites import from, for one Process. Its functions print
// their arguments. Memories, tables and globals are made when they are asked for.
type Spectest struct {
	out   io.Writer
	mu    sync.Mutex
	items spindle.HostModule // guarded by mu
}

// NewSpectest makes the module. Functions print to out, which must take concurrent writes if it is used by several; nil
// discards.
func NewSpectest(out io.Writer) *Spectest {
	if out == nil {
		out = io.Discard
	}
	return &Spectest{out: out, items: spindle.HostModule{}}
}

// Lookup implements spindle.ImportModule.
func (s *Spectest) Lookup(p *spindle.Process, name string) (spindle.Extern, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.items[name]; ok {
		return x, true
	}
	x, err := s.make(p, name)
	if x == nil || err != nil {
		return nil, false
	}
	s.items[name] = x
	return x, true
}

var spectestPrints = map[string][]spindle.ValueType{
	"print":         nil,
	"print_i32":     {spindle.TypeI32},
	"print_i64":     {spindle.TypeI64},
	"print_f32":     {spindle.TypeF32},
	"print_f64":     {spindle.TypeF64},
	"print_i32_f32": {spindle.TypeI32, spindle.TypeF32},
	"print_f64_f64": {spindle.TypeF64, spindle.TypeF64},
}

// 32-bit and 64-bit bit patterns of 666 and 666.6.
var spectestGlobals = map[string]struct {
	t    spindle.ValueType
	bits uint64
}{
	"global_i32": {spindle.TypeI32, 666},
	"global_i64": {spindle.TypeI64, 666},
	"global_f32": {spindle.TypeF32, spindle.F32(666.6)},
	"global_f64": {spindle.TypeF64, spindle.F64(666.6)},
}

func (s *Spectest) make(p *spindle.Process, name string) (spindle.Extern, error) {
	if params, ok := spectestPrints[name]; ok {
		return s.printer(name, params), nil
	}
	if g, ok := spectestGlobals[name]; ok {
		return extern(p.NewGlobal(spindle.GlobalType{Type: g.t}, g.bits))
	}
	switch name {
	case "table", "table64":
		t := spindle.TableType{Elem: spindle.TypeFuncRef}
		t.Min, t.Max, t.HasMax, t.Is64 = 10, 20, true, name == "table64"
		return extern(p.NewTable(t, 0))
	case "memory", "shared_memory":
		t := spindle.MemoryType{}
		t.Min, t.Max, t.HasMax, t.Shared = 1, 2, true, name == "shared_memory"
		return extern(p.NewMemory(t))
	}
	return nil, nil
}

// extern keeps a failed constructor's nil pointer from becoming a non-nil interface.
func extern[T spindle.Extern](x T, err error) (spindle.Extern, error) {
	if err != nil {
		return nil, err
	}
	return x, nil
}

func (s *Spectest) printer(name string, params []spindle.ValueType) *spindle.HostFunc {
	return spindle.RawFunc(spindle.FuncType{Params: params}, func(_ *spindle.Caller, slots []uint64) {
		var words []string
		for i, t := range params {
			words = append(words, fmt.Sprintf("%s : %v", FormatNumber(t, slots[i:i+1]), t))
		}
		fmt.Fprintln(s.out, strings.Join(words, ", "))
	}).Named("spectest." + name)
}
