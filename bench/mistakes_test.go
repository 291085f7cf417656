package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/spindle-wasm/spindle"
)

// mistakes has one entry for each thing that modgen.Config.Peers keeps out of generated modules because wazero does it differently from
// the specification: a module that shows it, in which "f" must return 1 unless trap is given. The test fails for an entry that wazero has
// right: then the generator need not leave it out any more.
var mistakes = []struct {
	name string
	// why is what the specification (3.0) says, and where.
	why string
	// exports is instantiated first, if not empty, under the name "exports"; its "f" is called, whether or not instantiating text fails.
	exports, text string
	trap          spindle.TrapCode
	// only one of wazero's engines is wrong.
	interpreterOnly bool
}{
	{
		name: "an exception with a vector is caught with its values",
		why: "execution of throw: as many values are taken from the stack as the tag has parameters, whole ones. The interpreter takes a slot for each, " +
			"and a vector has two; catch_all, which passes no values, is right",
		text: `(module (tag $t (param v128)) (func (export "f") (result i32)
			(i32x4.extract_lane 0 (block (result v128)
				(try_table (catch $t 0) (throw $t (v128.const i32x4 1 2 3 4)))
				unreachable))))`,
		interpreterOnly: true,
	},
	{
		name: "an exception with a vector is caught with its values and its reference",
		why:  "the same with catch_ref",
		text: `(module (tag $t (param v128)) (func (export "f") (result i32)
			(block (result v128 exnref)
				(try_table (catch_ref $t 0) (throw $t (v128.const i32x4 1 2 3 4)))
				unreachable)
			drop
			i32x4.extract_lane 0))`,
		interpreterOnly: true,
	},
	{
		name: "memory.init of an active segment",
		why:  "instantiation: after its use at instantiation an active segment is dropped, that is, empty",
		text: `(module (memory 1) (data $d (i32.const 0) "abc") (func (export "f") (result i32)
			(memory.init $d (i32.const 8) (i32.const 0) (i32.const 1))
			(i32.const 1)))`,
		trap: spindle.TrapMemoryOutOfBounds,
	},
	{
		name: "a data segment out of bounds behind an element segment",
		why:  "instantiation: element segments come first, and what they did stays although instantiation fails",
		exports: `(module (table (export "t") 1 funcref) (memory (export "m") 1) (func (export "f") (result i32)
			(i32.eqz (ref.is_null (table.get (i32.const 0))))))`,
		text: `(module (table (import "exports" "t") 1 funcref) (memory (import "exports" "m") 1) (func $g)
			(elem (i32.const 0) $g) (data (i32.const 65536) "y"))`,
	},
	{
		name: "table.init of an element segment of external references",
		why:  "execution of table.init: a segment of any reference type has the references that its expressions give",
		text: `(module (table 1 externref) (elem $e externref (ref.null extern)) (func (export "f") (result i32)
			(table.init $e (i32.const 0) (i32.const 0) (i32.const 1))
			(i32.const 1)))`,
	},
	{
		name: "select of exception references",
		why:  "validation of select: valid for every value type that it names",
		text: `(module (func (export "f") (result i32)
			(ref.is_null (select (result exnref) (ref.null exn) (ref.null exn) (i32.const 0)))))`,
	},
}

func TestMistakes(t *testing.T) {
	engines := map[string]wazero.RuntimeConfig{"interpreter": wazero.NewRuntimeConfigInterpreter()}
	if runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64") {
		engines["compiler"] = wazero.NewRuntimeConfigCompiler()
	}
	for _, m := range mistakes {
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			got, err := mistakeHere(t.Context(), m.exports, m.text)
			var trap *spindle.TrapError
			if errors.As(err, &trap) {
				if m.trap == 0 || trap.Code != m.trap {
					t.Errorf("Spindle: %v; %s", err, m.why)
				}
			} else if err != nil || got != 1 || m.trap != 0 {
				t.Errorf("Spindle: %d, %v; %s", got, err, m.why)
			}
			for name, rc := range engines {
				got, err := mistakeThere(t.Context(), rc, m.exports, m.text)
				right := err == nil && got == 1 && m.trap == 0 || err != nil && m.trap != 0
				if wrong := name == "interpreter" || !m.interpreterOnly; wrong == right {
					t.Errorf("wazero's %s: %d, %v: right is %t, which this entry, and modgen's Peers, should know", name, got, err, right)
				}
			}
		})
	}
}

// mistakeHere gives the value of "f", or the error of calling it.
func mistakeHere(ctx context.Context, exports, text string) (uint64, error) {
	rt := spindle.NewRuntime()
	defer rt.Close()
	p, err := rt.NewProcess(spindle.Config{})
	if err != nil {
		return 0, err
	}
	defer p.Close()
	var f *spindle.Func
	for _, m := range []struct{ name, text string }{{"exports", exports}, {"", text}} {
		if m.text == "" {
			continue
		}
		bin, err := spindle.Assemble([]byte(m.text))
		if err != nil {
			return 0, err
		}
		mod, err := rt.Compile(ctx, bin)
		if err != nil {
			return 0, err
		}
		inst, err := p.Instantiate(ctx, mod, m.name)
		if f != nil {
			break
		}
		if err != nil {
			return 0, err
		}
		if f, err = inst.Func("f"); err != nil {
			return 0, err
		}
	}
	slots := []uint64{0}
	err = f.CallSlots(ctx, slots)
	return slots[0], err
}

// mistakeThere does the same with wazero.
func mistakeThere(ctx context.Context, rc wazero.RuntimeConfig, exports, text string) (got uint64, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	rt := wazero.NewRuntimeWithConfig(ctx, rc.WithCoreFeatures(wazeroV2|experimental.CoreFeaturesExceptionHandling))
	defer rt.Close(ctx)
	var f api.Function
	for _, m := range []struct{ name, text string }{{"exports", exports}, {"", text}} {
		if m.text == "" {
			continue
		}
		bin, err := spindle.Assemble([]byte(m.text))
		if err != nil {
			return 0, err
		}
		inst, err := rt.InstantiateWithConfig(ctx, bin, wazero.NewModuleConfig().WithName(m.name))
		if f != nil {
			break
		}
		if err != nil {
			return 0, err
		}
		f = inst.ExportedFunction("f")
	}
	res, err := f.Call(ctx)
	if err != nil {
		return 0, err
	}
	return res[0], nil
}
