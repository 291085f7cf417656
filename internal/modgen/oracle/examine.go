package oracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/modgen"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// RoundTrip prints a module and assembles the text; the result must be the same module, byte by byte. That holds for modules
// with the shortest encodings, such as modgen.Generate's.
func RoundTrip(b []byte) error {
	m, err := wasm.Decode(b, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		return err
	}
	again, _, err := reassemble(m)
	if err != nil {
		return err
	}
	if !bytes.Equal(b, again) {
		at := 0
		for at < len(b) && at < len(again) && b[at] == again[at] {
			at++
		}
		return fmt.Errorf("%d bytes become %d, the first difference is at %#x", len(b), len(again), at)
	}
	return nil
}

func reassemble(m *wasm.Module) (bin, text []byte, err error) {
	var w bytes.Buffer
	if err := wat.Print(&w, m, wat.PrintOptions{}); err != nil {
		return nil, nil, fmt.Errorf("print: %w", err)
	}
	bin, err = wat.Assemble(w.Bytes(), wat.Options{})
	if err != nil {
		return nil, w.Bytes(), fmt.Errorf("assemble: %w", err)
	}
	return bin, w.Bytes(), nil
}

// A variation is what must make no difference.
type variation struct {
	name string
	opts Options
}

func variations(n int) []variation {
	return []variation{
		{"again", Options{Tables: true}},
		{"small stack", Options{Tables: true, StackSize: 256 << 10}},
		{"large stack", Options{Tables: true, StackSize: 64 << 20}},
		{"paused", Options{Tables: true, During: pauses(uint64(n))}},
		{"forked", Options{Tables: true, Forks: &Forks{Seed: uint64(n), Max: 12}}},
		{"snapshot", Options{Tables: true, Forks: &Forks{Seed: uint64(n) + 1, Max: 4, Files: true}}},
	}
}

// heaps are variations of modules with objects: each plan, with a collection at every few allocations or at every safepoint, or forked. A module
// gets three of them, that of a plan that moves objects whenever it collects, another, and one that is forked.
func heaps(n int) []variation {
	var list []variation
	var forkedHeaps []variation
	for i, plan := range spindle.GCPlans() {
		gc := spindle.GCConfig{Plan: plan, Stress: 1 + (n+i)%11, Sanity: true, Workers: 1 + n%2}
		forkedHeaps = append(forkedHeaps,
			variation{plan + ", forked", Options{Tables: true, GC: gc, Forks: &Forks{Seed: uint64(n), Max: 12}}},
			variation{plan + ", snapshot", Options{Tables: true, GC: gc, Forks: &Forks{Seed: uint64(n), Max: 4, Files: true}}})
		if plan == "nogc" {
			continue // never collects
		}
		list = append(list,
			variation{plan + ", stress", Options{Tables: true, GC: spindle.GCConfig{Plan: plan, Stress: 1 + (n+i)%7, Sanity: true, Workers: 1 + n%2}}},
			variation{plan + ", every safepoint", Options{Tables: true, GC: spindle.GCConfig{Plan: plan, EverySafepoint: true, Sanity: true, Workers: 1}}})
	}
	return []variation{
		{"semispace", Options{Tables: true, GC: spindle.GCConfig{Plan: "semispace", Stress: 1, Workers: 1}}},
		list[n%len(list)],
		forkedHeaps[n%len(forkedHeaps)],
	}
}

// Examine runs a module of modgen in several ways and returns what it did, and what was wrong, if something was.
func Examine(features wasm.Features, bin []byte) (base Trace, wrong string) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		// Not closed then: a guest whose call panicked counts as running for ever.
		if v := recover(); v != nil {
			wrong = fmt.Sprintf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	support, err := modgen.Support(bin)
	if err != nil {
		return nil, "support: " + err.Error()
	}
	s, err := NewSpindle(features, bin, support)
	if err != nil {
		return nil, "compile: " + err.Error()
	}
	ctx := context.Background()
	base, err = s.Run(ctx, Options{Tables: true})
	if err != nil {
		return base, "run: " + err.Error()
	}
	all := variations(len(bin))
	if s.mod.Features().Has(wasm.FeatureGc) {
		all = append(all, heaps(len(bin))...)
	}
	for _, v := range all {
		trace, err := s.Run(ctx, v.opts)
		if err != nil {
			return base, v.name + ": " + err.Error()
		}
		if v.opts.StackSize > 0 && (trace.Exhausted() || base.Exhausted()) {
			continue // on a stack that is too small; that tells nothing
		}
		if d := Diff(base, trace); d != "" {
			return base, v.name + ": " + d
		}
	}
	if err := s.Close(); err != nil {
		return base, "close: " + err.Error()
	}
	return base, ""
}

// pauses pauses and resumes the Process from another goroutine, at random.
func pauses(seed uint64) func(*spindle.Process) func() {
	return func(p *spindle.Process) func() {
		var wg sync.WaitGroup
		done := make(chan struct{})
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, 1))
			// Each pause costs a round trip of two goroutines: so many that a run has some, so few that it ends.
			for range 40 {
				select {
				case <-done:
					return
				default:
				}
				if p.Pause(context.Background()) == nil {
					if r.IntN(4) == 0 && p.Pause(context.Background()) == nil { // pauses nest
						p.Resume()
					}
					p.Resume()
				}
				for range r.IntN(1 << r.IntN(12)) {
					runtime.Gosched()
				}
			}
		})
		return func() {
			close(done)
			wg.Wait()
		}
	}
}

// stops is how many times Survive's guests are paused before they are told to end.
const stops = 50

// Survive does with any bytes what can be done: if they are a valid module it is printed, assembled, run, and stopped after some
// polls if it goes on. It returns what was wrong: an error that is not of the API's, or text that does not come back.
func Survive(b []byte) (wrong string) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			wrong = fmt.Sprintf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	m, err := wasm.Decode(b, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		return untyped("decode", err)
	}
	if err := wasm.Validate(m, wasm.NewTypeSpace(), wasm.ValidateOptions{}); err != nil {
		return untyped("validate", err)
	}
	if err := stable(m); err != nil {
		return "text: " + err.Error()
	}
	support, err := modgen.Support(b)
	if err != nil {
		support = nil // imports of types without a plain value: then it will not link
	}
	s, err := NewSpindle(wasm.AllFeatures, b, support)
	if err != nil {
		return untyped("compile", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err = s.Run(ctx, Options{Tables: true, During: func(p *spindle.Process) func() { return stopAfter(p, stops, cancel) }})
	if err != nil {
		if wrong := untyped("run", err); wrong != "" {
			return wrong
		}
	}
	return untyped("close", s.Close())
}

// stopAfter pauses a Process a number of times, each of which takes it to a safepoint, and then cancels its context.
func stopAfter(p *spindle.Process, n int, cancel func()) (wait func()) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for range n {
			if p.Pause(context.Background()) == nil {
				p.Resume()
			}
			runtime.Gosched()
		}
		cancel()
	})
	return wg.Wait
}

// stable checks that a module's text assembles to a module with the same text.
func stable(m *wasm.Module) error {
	bin, text, err := reassemble(m)
	if err != nil {
		return err
	}
	again, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		return fmt.Errorf("decode again: %w", err)
	}
	if err := wasm.Validate(again, wasm.NewTypeSpace(), wasm.ValidateOptions{}); err != nil {
		return fmt.Errorf("validate again: %w", err)
	}
	_, text2, err := reassemble(again)
	if err != nil {
		return err
	}
	if !bytes.Equal(text, text2) {
		return errors.New("printed again, the module has another text")
	}
	return nil
}

// untyped returns a complaint about an error that is none of those that the API documents.
func untyped(what string, err error) string {
	if err == nil {
		return ""
	}
	for _, target := range []any{
		new(*spindle.MalformedError), new(*spindle.ValidationError), new(*spindle.ImplementationLimitError), new(*spindle.FeatureError),
		new(*spindle.LinkError), new(*spindle.LimitError), new(*spindle.TrapError), new(*spindle.ExceptionError),
	} {
		if errors.As(err, target) {
			return ""
		}
	}
	return what + ": " + err.Error()
}
