package gcguests_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/gcguests"
)

// savedCall is a call that runs in a file's guest, or is to be made there.
type savedCall struct {
	File       string
	Load, Call int // in Loads
}

const manifestVariable = "SPINDLE_TEST_SNAPSHOTS"

// TestSnapshotsInAnotherProcess: loads that are written to files at some moments of their runs, under each plan, go on in another OS process to the results that they have unforked.
func TestSnapshotsInAnotherProcess(t *testing.T) {
	if name := os.Getenv(manifestVariable); name != "" {
		goOnHere(t, name)
		return
	}
	for _, plan := range spindle.GCPlans() {
		t.Run(plan, func(t *testing.T) {
			if plan == "pageprotect" {
				t.Skip("a system call for each object: minutes")
			}
			dir := t.TempDir()
			var saved []savedCall
			running := 0
			for li, l := range gcguests.Loads() {
				module, err := l.Module()
				if err != nil {
					t.Fatal(err)
				}
				rt, mod := compiled(t, module)
				var left atomic.Int64 // safepoints until the freeze
				var img *spindle.Image
				cfg := spindle.Config{StackSize: 64 << 20, Forkable: true, Name: "load", AtSafepoint: func(p *spindle.Process) {
					if left.Add(-1) != 0 {
						return
					}
					var err error
					if img, _, err = p.Freeze(t.Context(), spindle.FreezeOptions{}); err != nil {
						t.Errorf("a freeze: %v", err)
					}
				}}
				cfg.GC.Plan, cfg.GC.Workers, cfg.GC.NurseryBytes = plan, 2, 8<<20
				for ci, c := range l.Calls {
					if c.Heavy || c.End != gcguests.Returns {
						continue
					}
					inst, err := rt.Instantiate(t.Context(), mod, cfg)
					if err != nil {
						t.Fatal(err)
					}
					img = nil
					left.Store(1 + int64(ci*137%1000)<<(ci%8))
					if _, err := inst.Call(t.Context(), c.Func, argsOf(c)...); err != nil {
						t.Fatalf("%v: %v", c, err)
					}
					if img != nil {
						running++
					} else if img, _, err = inst.Process().Freeze(t.Context(), spindle.FreezeOptions{}); err != nil { // it has ended before
						t.Fatal(err)
					}
					name := filepath.Join(dir, fmt.Sprintf("%s-%d.snap", l.Name, ci))
					f, err := os.Create(name)
					if err != nil {
						t.Fatal(err)
					}
					_, err = img.WriteTo(f)
					if err := errors.Join(err, f.Close(), img.Close(), inst.Close()); err != nil {
						t.Fatalf("%v: %v", c, err)
					}
					saved = append(saved, savedCall{name, li, ci})
				}
			}
			t.Logf("%d files, %d with a guest that runs", len(saved), running)
			manifest, err := json.Marshal(saved)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(dir, "manifest")
			if err := os.WriteFile(name, manifest, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestSnapshotsInAnotherProcess$", "-test.v")
			cmd.Env = append(os.Environ(), manifestVariable+"="+name)
			out, err := cmd.CombinedOutput()
			if want := fmt.Appendf(nil, "%d files, %d with a guest that runs", len(saved), running); running < len(saved)/2 || err != nil || !bytes.Contains(out, want) {
				t.Errorf("%d files, %d with a guest that runs; the other process: %v\n%s", len(saved), running, err, out)
			}
		})
	}
}

func argsOf(c gcguests.Call) (args []uint64) {
	for _, a := range c.Args {
		args = append(args, spindle.I32(a))
	}
	return args
}

// goOnHere opens the files of a manifest.
func goOnHere(t *testing.T, name string) {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var saved []savedCall
	if err := json.Unmarshal(b, &saved); err != nil {
		t.Fatal(err)
	}
	running := 0
	for k, s := range saved {
		c := gcguests.Loads()[s.Load].Calls[s.Call]
		f, err := os.Open(s.File)
		if err != nil {
			t.Fatal(err)
		}
		rt := spindle.NewRuntime()
		cfg := spindle.OpenConfig{Check: k%2 == 0}
		cfg.GC.Workers, cfg.GC.Sanity = 2, true
		img, err := rt.OpenImage(t.Context(), f, cfg)
		if err != nil {
			t.Fatal(err)
		}
		p, err := img.Fork(t.Context(), spindle.ForkConfig{})
		if err := errors.Join(err, img.Close(), f.Close(), os.Remove(s.File)); err != nil {
			t.Fatal(err)
		}
		if p.Done() != nil { // the call that ran
			running++
			if err := p.Wait(t.Context()); err != nil {
				t.Errorf("%v: %v", c, err)
			} else if got := p.Results(); len(got) != 1 || int64(got[0]) != c.Want() {
				t.Errorf("%v: %v, want %d", c, got, c.Want())
			}
		}
		// It is there to be called again, and to be collected.
		if err := p.CollectGarbage(); err != nil {
			t.Errorf("%v: %v", c, err)
		}
		if got, err := p.Instance("load").Call(t.Context(), c.Func, argsOf(c)...); err != nil || int64(got[0]) != c.Want() {
			t.Errorf("%v: called again: %v, %v; want %d", c, got, err, c.Want())
		}
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d files, %d with a guest that runs", len(saved), running)
}
