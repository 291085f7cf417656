package spindle_test

import (
	"errors"
	"os"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// What a child has of its own grows by the pages that it writes to, and what it shares gets less by them. Siblings are not touched.
func TestMemoryUse(t *testing.T) {
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.CompileText(t.Context(), []byte(`(module (memory (export "memory") 64)
	  (func (export "fill") (memory.fill (i32.const 0) (i32.const 1) (i32.const 4194304))))`))
	if err != nil {
		t.Fatal(err)
	}
	inst, err := rt.Instantiate(t.Context(), mod, spindle.Config{Name: "m", Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Close()
	if _, err := inst.Call(t.Context(), "fill"); err != nil {
		t.Fatal(err)
	}
	use := func(p *spindle.Process) spindle.MemoryUse {
		t.Helper()
		u, err := p.MemoryUse()
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip("this system does not tell")
		}
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	if u := use(inst.Process()); u.Private < 4<<20 || u.Shared != 0 {
		t.Errorf("before a freeze: %+v", u)
	}
	img, _, err := inst.Process().Freeze(t.Context(), spindle.FreezeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	var kids [2]*spindle.Process
	var before [2]spindle.MemoryUse
	for k := range kids {
		if kids[k], err = img.Fork(t.Context(), spindle.ForkConfig{}); err != nil {
			t.Fatal(err)
		}
		defer kids[k].Close()
		before[k] = use(kids[k])
		if u := before[k]; u.Shared != 4<<20 || u.Private > 64<<10 {
			t.Errorf("a new child: %+v", u)
		}
	}
	m, err := kids[0].Instance("m").Memory("memory")
	if err != nil {
		t.Fatal(err)
	}
	const pages = 37
	size := uint64(os.Getpagesize())
	for k := range uint64(pages) {
		if !m.Write(3*k*size+5, []byte{2}) {
			t.Fatal("no such address")
		}
	}
	u := use(kids[0])
	if u.Private-before[0].Private != pages*size || before[0].Shared-u.Shared != pages*size {
		t.Errorf("%+v, and after %d pages %+v", before[0], pages, u)
	}
	if u := use(kids[1]); u != before[1] {
		t.Errorf("the other child: %+v, then %+v", before[1], u)
	}
	if err := kids[0].Close(); err != nil {
		t.Fatal(err)
	}
	if u := use(kids[0]); u != (spindle.MemoryUse{}) {
		t.Errorf("closed: %+v", u)
	}
}
