package main

import (
	"context"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestThreadGuests has each function of threads.wat do a little, with a small and a large table.
func TestThreadGuests(t *testing.T) {
	ctx := t.Context()
	for _, table := range []int{6, 10_000} {
		g, err := newThreadGuest(ctx, table)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		inst, err := g.instance(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer inst.Close()
		for _, name := range []string{"spawn", "pingpong"} {
			if _, err := inst.Call(ctx, name, 20); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for range 3 {
			if sum, err := inst.Call(ctx, "add", 5, 1000); err != nil || sum[0] != 5000 {
				t.Errorf("add: %v, %v", sum, err)
			}
		}
		if took, err := g.trapWhile(ctx, [3]int{1, 2, 3}); err != nil || took <= 0 {
			t.Errorf("trap: %v, %v", took, err)
		}
	}
}

func TestBlockGuests(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("resident memory is asked of Linux's /proc")
	}
	if f, err := blockGuests(t.Context(), 300); err != nil || f.threads != 300 || f.wake <= 0 {
		t.Errorf("%v, %v", f, err)
	}
}

// TestPeer compiles the C side and has it do a little of everything.
func TestPeer(t *testing.T) {
	ctx := t.Context()
	p, err := compilePeer(ctx, t.TempDir(), "threads.c", threadsPeer)
	if err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		line  []string
		count int
	}{
		{[]string{"spawn", "10"}, 1}, {[]string{"pingpong", "10"}, 1}, {[]string{"add", "3", "3000"}, 1},
		{[]string{"blocked", "10"}, 3}, {[]string{"exit", "4", "1", "2", "3"}, 4},
	} {
		v, _, err := figures(exec.CommandContext(ctx, p.exe, c.line...))
		if err != nil || len(v) != c.count || c.count == 4 && slices.Min(v) <= 0 {
			t.Errorf("%s: %v, %v", c.line, v, err)
		}
	}
	if _, _, err := figures(exec.CommandContext(ctx, p.exe, "spawn", "0")); err == nil {
		t.Error("no operations: no error")
	}
}

// TestNoPeer: without a C compiler the C column is empty.
func TestNoPeer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CC", "")
	p, err := compilePeer(t.Context(), t.TempDir(), "threads.c", threadsPeer)
	if p != nil || err == nil {
		t.Fatalf("%v, %v", p, err)
	}
	theirs, err := p.short(t.Context(), "spawn")
	if theirs != nil || err != nil || p.batch("spawn", 1) != nil {
		t.Errorf("%v, %v", theirs != nil, err)
	}
	ours := func(context.Context) ([]time.Duration, time.Duration, error) { return []time.Duration{3000}, 2000, nil }
	s, err := takeTurns(t.Context(), 2, ours, theirs)
	if err != nil {
		t.Fatal(err)
	}
	row := &Row{Name: "x", Samples: s, Note: cpuNote(s)}
	sec := &Section{Title: "threads", Columns: []string{"spindle", "C"}, Clock: "wall time", Rows: []*Row{row}}
	if got, want := strings.Join(sec.cells()[1], "|"), "x|3000 ns|3000 ns|-|-|-|processor time 2000 ns"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPercentile(t *testing.T) {
	s := &Sample{}
	for i := range 200 {
		s.add(time.Duration(200 - i))
	}
	for p, want := range map[int]time.Duration{1: 2, 50: 100, 99: 198, 100: 200} {
		if got := s.percentile(p); got != want {
			t.Errorf("%d of a hundred: %d, want %d", p, got, want)
		}
	}
}

func TestSelectKernels(t *testing.T) {
	names := func(filter string) (out []string) {
		list, err := selectKernels(filter)
		if (err != nil) != (len(list) == 0) {
			t.Errorf("%q: %d kernels, %v", filter, len(list), err)
		}
		for _, k := range list {
			out = append(out, k.Name)
		}
		return out
	}
	if got := names(""); len(got) != len(kernels) {
		t.Errorf("no filter: %q", got)
	}
	if got := names("fib,br_table"); !slices.Equal(got, []string{"fib", "bytecode"}) {
		t.Errorf("by name and by kind: %q", got)
	}
	if got := names("no such"); got != nil {
		t.Errorf("nothing: %q", got)
	}
}
