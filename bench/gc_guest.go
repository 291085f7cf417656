package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/gcguests"
)

// gcOptions are of our side only, but for heap.
type gcOptions struct {
	plan string // "" is the default
	heap int    // MiB, 0 is the engine's default
}

// gcGuest makes calls on this tree's engine as internal/gcguests.Peer wants it: it is our side of the table, a process of its own.
func gcGuest(ctx context.Context, o gcOptions, file string, in io.Reader, out io.Writer) error {
	var calls []gcguests.PeerCall
	if err := json.NewDecoder(in).Decode(&calls); err != nil {
		return err
	}
	module, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var (
		printed gcguests.Printer
		mu      sync.Mutex
		pauses  []int64 // guarded by mu
	)
	start := time.Now()
	rt := spindle.NewRuntime()
	mod, err := rt.Compile(ctx, module)
	if err != nil {
		return err
	}
	print := spindle.Proc1(func(_ *spindle.Caller, c uint32) { printed.Print(c) })
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{
		StackSize: 64 << 20,
		GC: spindle.GCConfig{Plan: o.plan, HeapBytes: int64(o.heap) << 20, Stats: func(c spindle.GCCollection) {
			mu.Lock()
			defer mu.Unlock()
			pauses = append(pauses, (c.Stop + c.Pause).Nanoseconds())
		}},
		Imports: spindle.Imports{"spectest": spindle.HostModule{"print_char": print}},
	})
	if err != nil {
		return err
	}
	loaded := time.Since(start).Nanoseconds()
	var results []gcguests.PeerResult
	for _, c := range calls {
		r := gcguests.PeerResult{Loaded: loaded}
		var args []uint64
		for _, a := range c.Args {
			args = append(args, spindle.I32(a))
		}
		for range max(c.Repeat, 1) {
			printed = gcguests.Printer{}
			cpu, ok := cpuTime()
			start := time.Now()
			got, err := inst.Call(ctx, c.Func, args...)
			r.NS = append(r.NS, time.Since(start).Nanoseconds())
			if ok {
				after, _ := cpuTime()
				r.CPU = append(r.CPU, (after - cpu).Nanoseconds())
			}
			var exn *spindle.ExceptionError
			switch {
			case errors.As(err, &exn):
				r.Thrown = true
			case err != nil:
				r.Trap = err.Error()
			case len(got) > 0:
				r.Result = strconv.FormatInt(int64(got[0]), 10)
			}
		}
		r.Printed, r.Peak = printed.String(), gcguests.PeakResident()
		mu.Lock()
		r.Pauses, pauses = pauses, nil
		mu.Unlock()
		results = append(results, r)
	}
	if err := json.NewEncoder(out).Encode(results); err != nil {
		return err
	}
	if err := errors.Join(inst.Close(), rt.Close()); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
