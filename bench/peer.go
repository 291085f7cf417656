package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed peer/threads.c
var threadsPeer []byte

// peer is a program of peer, compiled. The nil peer has no batches.
type peer struct{ exe string }

// compilePeer compiles a source file of that name with the system's C compiler. An error says why there is none.
func compilePeer(ctx context.Context, dir, name string, text []byte) (*peer, error) {
	cc, err := exec.LookPath("cc")
	if name := os.Getenv("CC"); name != "" {
		cc, err = exec.LookPath(name)
	}
	if err != nil {
		return nil, fmt.Errorf("no C compiler: %w", err)
	}
	source := filepath.Join(dir, name)
	exe := strings.TrimSuffix(source, ".c") + ".exe"
	if err := os.WriteFile(source, text, 0o644); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, cc, "-O2", "-pthread", "-o", exe, source).CombinedOutput(); err != nil {
		first, _, _ := strings.Cut(string(out), "\n")
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(cc), err, first)
	}
	return &peer{exe}, nil
}

// figures runs a command that prints numbers. cpu is the processor time that it used.
func figures(cmd *exec.Cmd) (values []time.Duration, cpu time.Duration, err error) {
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	for word := range strings.FieldsSeq(string(out)) {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
		}
		values = append(values, time.Duration(n))
	}
	if len(values) == 0 {
		return nil, 0, errors.New(strings.Join(cmd.Args, " ") + ": no figures")
	}
	return values, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// batch is one run of the peer.
func (p *peer) batch(what string, args ...int) batch {
	if p == nil {
		return nil
	}
	line := []string{what}
	for _, a := range args {
		line = append(line, strconv.Itoa(a))
	}
	return func(ctx context.Context) ([]time.Duration, time.Duration, error) {
		return figures(exec.CommandContext(ctx, p.exe, line...))
	}
}

// short is a batch of so many operations that it takes about batchTime; processor time is of one.
func (p *peer) short(ctx context.Context, what string) (batch, error) {
	if p == nil {
		return nil, nil
	}
	const first = 100
	v, _, err := p.batch(what, first)(ctx)
	if err != nil {
		return nil, err
	}
	n := max(first, int(batchTime/max(v[0], 1)))
	run := p.batch(what, n)
	return func(ctx context.Context) ([]time.Duration, time.Duration, error) {
		v, cpu, err := run(ctx)
		return v, cpu / time.Duration(n), err
	}, nil
}
