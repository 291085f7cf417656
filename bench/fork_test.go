package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// TestMain lets processes that were started for children be that.
func TestMain(m *testing.M) {
	serveStandby()
	os.Exit(m.Run())
}

// TestForkTable makes the table of small guests, a few forks each, but for the rows of many children.
func TestForkTable(t *testing.T) {
	small := forkSizes{mib: 1, large: 2, snapshot: 1, batch: 3, dirty: 5, idle: 2, many: 3}
	filter := "first,threads,freeze,live,snapshot,throughput"
	if runtime.GOOS == "linux" {
		filter += ",processes"
	}
	sec, err := runFork(t.Context(), small, 1, filter, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range sec.Rows {
		if strings.HasPrefix(r.Name, "(") {
			continue
		}
		if ours := r.Samples[0].Times; len(ours) == 0 || r.Samples[0].min() <= 0 {
			t.Errorf("%s: %v", r.Name, ours)
		}
	}
	if _, err := runFork(t.Context(), small, 1, "no such", func(string) {}); err == nil {
		t.Error("no rows: no error")
	}
}

func TestIdleChildren(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("private memory is asked of Linux's /proc")
	}
	line, err := idleChildren(t.Context(), 20, 1)
	if words := strings.Fields(line); err != nil || len(words) != 5 || words[0] != "20" {
		t.Errorf("%q, %v", line, err)
	}
	for _, bad := range []string{"", "1", "0,1", "1,0", "x,1", "1,x"} {
		if n, mib, err := parseChildren(bad); err == nil {
			t.Errorf("%q: %d children of %d MiB", bad, n, mib)
		}
	}
}

// TestForkPeer compiles the C side and has it do a little of everything.
func TestForkPeer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads Linux's /proc")
	}
	ctx := t.Context()
	p, err := compilePeer(ctx, t.TempDir(), "fork.c", forkPeer)
	if err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		line  string
		count int
	}{{"first 1 0 3", 3}, {"first 4 1 2", 2}, {"cycle 1 10 3", 1}, {"idle 1 4", 4}} {
		v, _, err := figures(exec.CommandContext(ctx, p.exe, strings.Fields(c.line)...))
		if err != nil || len(v) != c.count || v[0] <= 0 {
			t.Errorf("%s: %v, %v", c.line, v, err)
		}
	}
	if _, _, err := figures(exec.CommandContext(ctx, p.exe, "first", "0", "0", "1")); err == nil {
		t.Error("nothing resident: no error")
	}
}
