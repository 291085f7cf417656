package spindle_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// tally is a host module's state.
type tally struct {
	n    atomic.Int64
	open *atomic.Int64 // tallies that are to be closed
}

func newTally(n int64, open *atomic.Int64) *tally {
	t := &tally{open: open}
	t.n.Store(n)
	open.Add(1)
	return t
}

func (c *tally) Close() error { c.open.Add(-1); return nil }

func tallyFuncs(c *tally) spindle.HostModule {
	return spindle.HostModule{"add": spindle.Func1(func(_ *spindle.Caller, n int64) int64 { return c.n.Add(n) })}
}

// A module says in a word what a fork means for its state.
func TestStateModules(t *testing.T) {
	ctx := t.Context()
	rt := checkedRuntime(t)
	mod := compileText(t, rt, `(module (import "host" "add" (func $add (param i64) (result i64)))
		(func (export "add") (param i64) (result i64) (call $add (local.get 0))))`)
	var open atomic.Int64
	clone := func(c *tally) (*tally, error) { return newTally(c.n.Load(), &open), nil }
	fresh := spindle.FreshState(func(child *spindle.Process) (*tally, error) {
		return newTally(int64(child.Generation()*100), &open), nil
	})
	for name, c := range map[string]struct {
		fork         spindle.OnFork[*tally]
		first, after uint64 // what a first child and then the parent has, both having added 1 to what was 10
	}{
		"share": {spindle.ShareState[*tally](), 12, 13},
		"copy":  {spindle.CopyState(clone), 11, 12},
		"fresh": {fresh, 101, 12},
	} {
		state := newTally(10, &open)
		inst, err := rt.Instantiate(ctx, mod, spindle.Config{Name: "a", Imports: spindle.Imports{"host": spindle.StateModule(state, c.fork, tallyFuncs)}})
		if err != nil {
			t.Fatal(err)
		}
		add := func(p *spindle.Process, want uint64) {
			t.Helper()
			if res, err := p.Instance("a").Call(ctx, "add", 1); err != nil || res[0] != want {
				t.Errorf("%s: %v, %v; want %d", name, res, err, want)
			}
		}
		p := inst.Process()
		img, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		add(p, 11) // not in the image's copy
		child, err := img.Fork(ctx, spindle.ForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		add(child, c.first)
		add(p, c.after)
		given := newTally(1000, &open)
		other, err := img.Fork(ctx, spindle.ForkConfig{Options: map[string]any{"host": given}})
		if err != nil {
			t.Fatal(err)
		}
		add(other, 1001)
		if _, err := img.Fork(ctx, spindle.ForkConfig{Options: map[string]any{"host": 1}}); err == nil || !strings.Contains(err.Error(), "the option is a int") {
			t.Errorf("%s: an option of another type: %v", name, err)
		}
		grand, _, err := child.Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		add(grand, map[string]uint64{"share": 14, "copy": 12, "fresh": 201}[name])
		var snap *spindle.SnapshotError
		f := &strings.Builder{}
		if _, err := img.WriteTo(f); (name == "fresh") != (err == nil) || err != nil && !errors.As(err, &snap) {
			t.Errorf("%s: in a file: %v", name, err)
		}
		if name == "fresh" {
			opened := throughFile(t, img, spindle.Imports{"host": spindle.StateModule(state, c.fork, tallyFuncs)})
			add(opened, 101)
			if err := opened.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(img.Close(), grand.Close(), other.Close(), child.Close(), p.Close(), given.Close(), state.Close()); err != nil {
			t.Error(err)
		}
		if n := open.Load(); n != 0 {
			t.Errorf("%s: %d states are open", name, n)
		}
	}
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Imports: spindle.Imports{"host": spindle.StateModule(newTally(0, &open), spindle.RefuseFork[*tally]("it has a session"), tallyFuncs)}})
	if err != nil {
		t.Fatal(err)
	}
	var fe *spindle.ForkError
	if _, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{}); !errors.As(err, &fe) || err.Error() != `fork: import module "host": it has a session` {
		t.Error(err)
	}
}

// A reference or handle that host code has of a Process means nothing in its children: calls with them are refused, or are the parent's.
func TestReferencesOfTheParent(t *testing.T) {
	ctx := t.Context()
	rt := checkedRuntime(t)
	mod := compileText(t, rt, `(module
		(type $s (struct (field i32)))
		(table (export "t") 2 funcref)
		(func $f (export "f") (result i32) (i32.const 3))
		(func (export "take") (param (ref null $s)) (result i32) (struct.get $s 0 (local.get 0)))
		(func (export "make") (param i32) (result (ref null $s)) (struct.new $s (local.get 0)))
		(func (export "extern") (param externref) (result externref) (local.get 0)))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Name: "a", Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	p := inst.Process()
	if _, err := inst.Call(ctx, "make", 1); err != nil { // so that there is a heap
		t.Fatal(err)
	}
	objects := func(p *spindle.Process) *spindle.Objects {
		t.Helper()
		o, err := p.NewObjects()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(o.Close)
		return o
	}
	st, err := mod.ObjectType(0)
	if err != nil {
		t.Fatal(err)
	}
	own := objects(p)
	ref, err := own.NewStruct(st, 7)
	if err != nil {
		t.Fatal(err)
	}
	handle, err := own.Hold(ref)
	if err != nil {
		t.Fatal(err)
	}
	ext := p.ExternRef("the parent's")
	child, _, err := p.Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{})
	if err != nil {
		t.Fatal(err)
	}
	c := child.Instance("a")
	var re *spindle.RefError
	if res, err := c.Call(ctx, "take", ref); !errors.As(err, &re) {
		t.Errorf("a local reference of the parent's as an argument: %v, %v", res, err)
	}
	theirs := objects(child)
	if v, err := theirs.Field(ref, 0); !errors.As(err, &re) {
		t.Errorf("a local reference of the parent's: %v, %v", v, err)
	}
	if r, err := theirs.Local(handle); !errors.As(err, &re) {
		t.Errorf("a handle of the parent's: %v, %v", r, err)
	}
	if err := child.Release(handle); !errors.As(err, &re) {
		t.Errorf("a handle of the parent's is released: %v", err)
	}
	// Host values are the guest's: their references are as they were, with the same value, wherever the guest has kept one; this one it has not.
	if res, err := c.Call(ctx, "extern", ext); err == nil {
		if v, ok := child.ExternValue(res[0]); ok && v != "the parent's" {
			t.Errorf("a host value of the parent's became %v", v)
		}
	} else if !errors.As(err, &re) {
		t.Errorf("a host value's reference of the parent's: %v", err)
	}
	// Functions of the parent's are the parent's.
	f, err := inst.Func("f")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Call(ctx); !errors.Is(err, spindle.ErrClosed) {
		t.Errorf("a function of the parent's, which is closed: %v", err)
	}
	if res, err := c.Call(ctx, "f"); err != nil || res[0] != 3 {
		t.Errorf("%v, %v", res, err)
	}
}
