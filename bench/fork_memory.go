package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spindle-wasm/spindle"
)

// idleFigures has a new process make n children of a guest: how many there were, bytes that are nobody else's of each, nanoseconds until all were
// there, and until all were gone, and how much of the bytes are page tables.
func idleFigures(ctx context.Context, self string, n, mib int) ([]time.Duration, time.Duration, error) {
	v, cpu, err := figures(exec.CommandContext(ctx, self, "-children", fmt.Sprintf("%d,%d", n, mib)))
	if err == nil && (len(v) != 5 || v[0] != time.Duration(n)) {
		err = fmt.Errorf("figures of %d children: %v", n, v)
	}
	return v, cpu, err
}

// parseChildren reads what idleFigures has written.
func parseChildren(s string) (n, mib int, err error) {
	a, b, ok := strings.Cut(s, ",")
	n, err1 := strconv.Atoi(a)
	mib, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || n < 1 || mib < 1 {
		return 0, 0, fmt.Errorf("%q is not a number of children and one of MiB", s)
	}
	return n, mib, nil
}

// idleChildren makes n children of a guest that wait, and has them end. Only a program that has done nothing else before gives the bytes right.
func idleChildren(ctx context.Context, n, mib int) (line string, err error) {
	g, err := newForkGuest(ctx, mib, 0)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, g.rt.Close()) }()
	r, img, _, err := g.freeze(ctx, nil)
	if err != nil {
		return "", err
	}
	defer img.Close()
	if err := r.cycle(ctx, img); err != nil { // what is there once, whatever the number
		return "", err
	}
	before, err := ownMemory()
	if err != nil {
		return "", err
	}
	r.gate = make(chan struct{})
	children := make([]*spindle.Process, 0, n)
	begin := time.Now()
	for range n {
		c, err := img.Fork(ctx, spindle.ForkConfig{})
		if err != nil {
			return "", err
		}
		children = append(children, c)
	}
	for r.idle.Load() < int64(n) {
		time.Sleep(time.Millisecond)
	}
	made := time.Since(begin)
	after, err := ownMemory()
	if err != nil {
		return "", err
	}
	begin = time.Now()
	close(r.gate)
	for _, c := range children {
		if err := errors.Join(c.Wait(ctx), c.Close()); err != nil {
			return "", err
		}
	}
	ended := time.Since(begin)
	tables := (after.tables - before.tables) / int64(n)
	private := (after.private-before.private)/int64(n) + tables
	return fmt.Sprintf("%d %d %d %d %d", n, private, made.Nanoseconds(), ended.Nanoseconds(), tables), nil
}

// memory is what of this process's memory is nobody else's, in bytes.
type memory struct{ private, tables int64 }

// ownMemory leaves garbage out. It counts anonymous pages: copies of the image's pages, stacks, Go's heap. The image's file is left out, which is there once: as the only process
// that has it is this one, the system calls pages of it private when one of the mappings has them, and shared when two have.
func ownMemory() (m memory, err error) {
	debug.FreeOSMemory()
	if m.private, err = sumKiB("/proc/self/smaps_rollup", "Anonymous"); err != nil {
		return m, err
	}
	m.tables, err = sumKiB("/proc/self/status", "VmPTE")
	return m, err
}

// sumKiB sums the lines of a file of the system that begin with a word.
func sumKiB(file, word string) (bytes int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if !strings.HasPrefix(name, word) {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		bytes += n << 10
	}
	return bytes, nil
}
