package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle/internal/gcguests"
	"github.com/spindle-wasm/spindle/internal/realworld/fetch"
)

// A gcRow is a guest that lives on the garbage-collected heap, and a call of it.
type gcRow struct {
	name   string
	module []byte
	call   gcguests.PeerCall
	want   func(gcguests.PeerResult) error
	// exceptions keeps wasmtime out: its binding for Go cannot turn them on.
	exceptions bool
}

// gcRows lists binary-trees at three depths, the heavy calls of the other loads, and the MoonBit programs that take long enough.
func gcRows() ([]gcRow, error) {
	var rows []gcRow
	for _, l := range gcguests.Loads() {
		module, err := l.Module()
		if err != nil {
			return nil, err
		}
		add := func(name, fn string, args []int32, twin func() int64) {
			twin = sync.OnceValue(twin)
			rows = append(rows, gcRow{name: name, module: module, call: gcguests.PeerCall{Func: fn, Args: args},
				exceptions: l.Name == "exceptions", want: func(r gcguests.PeerResult) error {
					if want := twin(); r.Result != strconv.FormatInt(want, 10) {
						return fmt.Errorf("result %q (%s), want %d", r.Result, r.Trap, want)
					}
					return nil
				}})
		}
		if l.Name == "trees" {
			for _, depth := range []int32{14, 16, 18} {
				add(fmt.Sprintf("binary-trees %d", depth), "trees", []int32{depth}, func() int64 { return treeNodes(int(depth)) })
			}
			continue
		}
		for _, c := range l.Calls {
			if c.Heavy {
				add(l.Name+" "+c.String(), c.Func, c.Args, c.Want)
			}
		}
	}
	for _, p := range gcguests.MoonBitPrograms() {
		if p.Name == "hello" {
			continue
		}
		rows = append(rows, gcRow{name: "MoonBit " + p.Name, module: p.Module, call: gcguests.PeerCall{Func: "_start"},
			want: func(r gcguests.PeerResult) error {
				if r.Printed != p.Expected || r.Trap != "" {
					return fmt.Errorf("it printed %q (%s)", r.Printed, r.Trap)
				}
				return nil
			}})
	}
	return rows, nil
}

// treeNodes is how many nodes binary-trees counts; its twin in Go takes as long as V8.
func treeNodes(n int) int64 {
	nodes := func(depth int) int64 { return 2<<depth - 1 }
	sum := nodes(n+1) + nodes(n)
	for d := 4; d <= n; d += 2 {
		sum += nodes(d) << (n - d + 4)
	}
	return sum
}

// A gcPeer is an engine as a command that internal/gcguests.Peer drives. line makes its command line.
type gcPeer struct {
	name string
	line func(module string) []string
}

// gcPeers are this program, V8 and wasmtime. What is not to be had is an error, and its line is nil.
func gcPeers(ctx context.Context, o gcOptions, dir, root string) (peers []gcPeer, missing []error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	script := filepath.Join(dir, "v8.mjs")
	if err := os.WriteFile(script, gcguests.V8Script, 0o644); err != nil {
		return nil, nil, err
	}
	peers = []gcPeer{{"spindle", func(module string) []string {
		return []string{self, "-gcguest", module, "-gc", o.plan, "-gc-heap", strconv.Itoa(o.heap)}
	}}, {name: "V8"}, {name: "wasmtime"}}
	node, err := nodeCommand(ctx)
	if err != nil {
		missing = append(missing, fmt.Errorf("V8: %w", err))
	} else {
		peers[1].line = func(module string) []string {
			line := []string{node, "--stack-size=4000"}
			if o.heap > 0 {
				line = append(line, fmt.Sprintf("--max-heap-size=%d", o.heap))
			}
			return append(line, script, module)
		}
	}
	wasmtime, err := wasmtimeCommand(ctx, dir, root)
	if err != nil {
		missing = append(missing, fmt.Errorf("wasmtime: %w", err))
	} else {
		peers[2].line = func(module string) []string { return []string{wasmtime, module} }
	}
	return peers, missing, nil
}

// nodeCommand is SPINDLE_NODE, node of version 24 or newer, or that of the npm registry.
func nodeCommand(ctx context.Context) (string, error) {
	if node := os.Getenv("SPINDLE_NODE"); node != "" {
		return exec.LookPath(node)
	}
	node, err := fetch.Node.File(ctx, "bin/node")
	if err != nil {
		return "", err
	}
	return node, os.Chmod(node, 0o755)
}

// wasmtimeCommand builds peer/wasmtime, which wants a C compiler and its library, 200 MB, from the Go module proxy.
func wasmtimeCommand(ctx context.Context, dir, root string) (string, error) {
	exe := filepath.Join(dir, "wasmtime.exe")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", exe, ".")
	cmd.Dir = filepath.Join(root, "bench", "peer", "wasmtime")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOWORK=off")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %.300s", err, msg)
	}
	return exe, nil
}

// runGC measures guests of the garbage-collected heap. Each figure is of a process of its own, in which the call is made twice: the second
// one's time counts, when V8 has compiled what it wants to. The processor time is that of all threads, so collectors that work beside the program count.
func runGC(ctx context.Context, o options, progress func(string)) (*Section, error) {
	dir, err := os.MkdirTemp("", "spindle-bench-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	root, err := treeRoot(ctx)
	if err != nil {
		return nil, err
	}
	peers, missing, err := gcPeers(ctx, o.gc, dir, root)
	if err != nil {
		return nil, err
	}
	rows, err := gcRows()
	if err != nil {
		return nil, err
	}
	watch := newStopwatch(o.wall)
	title := "gcguests"
	if o.gc.heap > 0 {
		title += fmt.Sprintf(", heaps of %d MiB", o.gc.heap)
	}
	sec := &Section{Title: title, Clock: watch.String()}
	for _, p := range peers {
		sec.Columns = append(sec.Columns, p.name)
	}
	for _, g := range rows {
		if !matches(o.filter, g.name) {
			continue
		}
		progress(g.name)
		made, err := measureGC(ctx, dir, peers, g, o.runs, watch)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", g.name, err)
		}
		sec.Rows = append(sec.Rows, made...)
	}
	if len(sec.Rows) == 0 {
		return nil, fmt.Errorf("no guest matches %q", o.filter)
	}
	for _, err := range missing {
		sec.Rows = append(sec.Rows, &Row{Name: "(missing)", Samples: samples(len(peers)), Note: err.Error()})
	}
	return sec, nil
}

// measureGC gives a row of times and one of the largest resident sizes.
func measureGC(ctx context.Context, dir string, peers []gcPeer, g gcRow, runs int, watch stopwatch) ([]*Row, error) {
	file := filepath.Join(dir, "guest.wasm")
	if err := os.WriteFile(file, g.module, 0o644); err != nil {
		return nil, err
	}
	times := &Row{Name: g.name, Samples: samples(len(peers))}
	sizes := &Row{Name: g.name + ": peak resident", Unit: "KiB", Samples: samples(len(peers))}
	call := g.call
	call.Repeat = 2
	var pauses []time.Duration
	for range runs {
		for i, p := range peers {
			if p.line == nil || p.name == "wasmtime" && g.exceptions {
				continue
			}
			run, err := gcguests.Peer(ctx, p.line(file), []gcguests.PeerCall{call})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			r := run.Results[0]
			if err := g.want(r); err != nil {
				if p.name == "spindle" {
					return nil, err
				}
				times.Note = p.name + ": " + err.Error() // a peer that cannot is not our failure
				continue
			}
			took := r.NS
			if watch.cpu && len(r.CPU) > 0 {
				took = r.CPU
			}
			times.Samples[i].add(time.Duration(took[len(took)-1]))
			if r.Peak > 0 {
				sizes.Samples[i].add(time.Duration(r.Peak))
			}
			for _, ns := range r.Pauses {
				pauses = append(pauses, time.Duration(ns))
			}
		}
	}
	if len(pauses) > 0 {
		s := &Sample{Times: pauses}
		times.Note += fmt.Sprintf("%d pauses of ours: min %s, median %s, p99 %s, max %s", len(pauses),
			duration(s.min()), duration(s.median()), duration(s.percentile(99)), duration(s.percentile(100)))
	}
	return []*Row{times, sizes}, nil
}
