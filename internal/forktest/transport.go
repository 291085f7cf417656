package forktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// Transport is a way for an image to become a running Process.
type Transport struct {
	Name string
	// Go has a copy of what the image is go on to its end, which had printed so much. look, if not nil, is shown the Process before its first instruction, by
	// transports that have it here.
	Go func(ctx context.Context, w *World, img *spindle.Image, printed string, look func(*spindle.Process) error) (Outcome, error)
	// Linux says that there is no such way on other systems.
	Linux bool
	// GC says that images with a garbage-collected heap can go this way.
	GC bool
}

// Transports are all ways there are.
func Transports() []Transport {
	return []Transport{
		{Name: "fork", Go: goFork, GC: true},
		{Name: "file", Go: goFile, GC: true},
		{Name: "file, process", Go: goProcess, GC: true},
		{Name: "process", Go: goStandby, GC: true, Linux: true},
	}
}

// goFork is Image.Fork.
func goFork(ctx context.Context, w *World, img *spindle.Image, printed string, look func(*spindle.Process) error) (Outcome, error) {
	out := NewBuffer(printed)
	before := func(p *spindle.Process) error {
		w.setOut(p, out)
		return seen(look, p)
	}
	p, err := img.Fork(ctx, spindle.ForkConfig{Before: before, Options: map[string]any{
		wasi.ModuleName: &wasi.ForkOptions{Stdin: strings.NewReader(w.Guest.Stdin), Stdout: out},
	}})
	if err != nil {
		return Outcome{}, err
	}
	o, err := w.Wait(ctx, p)
	return o, errors.Join(err, p.Close())
}

func seen(look func(*spindle.Process) error, p *spindle.Process) error {
	if look == nil {
		return nil
	}
	return look(p)
}

// goFile is Image.WriteTo, and Runtime.OpenImage in another Runtime.
func goFile(ctx context.Context, w *World, img *spindle.Image, printed string, look func(*spindle.Process) error) (o Outcome, err error) {
	f, drop, err := write(img)
	if err != nil {
		return o, err
	}
	defer drop()
	return open(ctx, w.Guest, w.Dir, f, printed, look)
}

// write writes an image to a file, which drop removes.
func write(img *spindle.Image) (f *os.File, drop func(), err error) {
	if f, err = os.CreateTemp("", "forktest"); err != nil {
		return nil, nil, err
	}
	drop = func() {
		f.Close()           //nolint:errcheck // it has been read
		os.Remove(f.Name()) //nolint:errcheck // it stays, no more
	}
	if _, err = img.WriteTo(f); err != nil {
		drop()
	}
	return f, drop, err
}

// open has a copy of what is in a file go on to its end, with the directory that the original has.
func open(ctx context.Context, g *Guest, dir string, f *os.File, printed string, look func(*spindle.Process) error) (o Outcome, err error) {
	w, err := NewWorld(ctx, g, dir)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	out := NewBuffer(printed)
	sys, err := w.system(strings.NewReader(g.Stdin), out)
	if err != nil {
		return o, err
	}
	defer sys.Close() //nolint:errcheck // returns none
	cfg := spindle.OpenConfig{Config: spindle.Config{Imports: w.Imports(sys)}, Check: true}
	for _, m := range w.Mods {
		cfg.Modules = append(cfg.Modules, m)
	}
	img, err := w.RT.OpenImage(ctx, f, cfg)
	if err != nil {
		return o, err
	}
	p, err := img.Fork(ctx, spindle.ForkConfig{Before: func(p *spindle.Process) error {
		w.setOut(p, out)
		return seen(look, p)
	}})
	if err := errors.Join(err, img.Close()); err != nil {
		return o, err
	}
	o, err = w.Wait(ctx, p)
	return o, errors.Join(err, p.Close())
}

// order is what the other process is told to do, by the variable named orderVar.
type order struct {
	Guest   Guest
	Dir     string
	Printed string
}

const orderVar = "SPINDLE_FORKTEST_ORDER"

// goProcess is goFile in another OS process, which knows nothing but the file.
func goProcess(ctx context.Context, w *World, img *spindle.Image, printed string, _ func(*spindle.Process) error) (o Outcome, err error) {
	f, drop, err := write(img)
	if err != nil {
		return o, err
	}
	defer drop()
	self, err := os.Executable()
	if err != nil {
		return o, err
	}
	text, err := json.Marshal(order{*w.Guest, w.Dir, printed})
	if err != nil {
		return o, err
	}
	cmd := exec.CommandContext(ctx, self, f.Name())
	cmd.Env = append(os.Environ(), orderVar+"="+string(text))
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	if err != nil {
		return o, fmt.Errorf("the other process: %w", err)
	}
	return o, json.Unmarshal(said, &o)
}

// goStandby is Image.ForkProcess. What the guest prints comes by a pipe.
func goStandby(ctx context.Context, w *World, img *spindle.Image, printed string, _ func(*spindle.Process) error) (o Outcome, err error) {
	in, feed, err := os.Pipe()
	if err != nil {
		return o, err
	}
	defer in.Close() //nolint:errcheck // the child has its own
	out, to, err := os.Pipe()
	if err != nil {
		return o, errors.Join(err, feed.Close())
	}
	defer out.Close()                        //nolint:errcheck // it has been read
	_, err = feed.WriteString(w.Guest.Stdin) // less than a pipe holds
	if err = errors.Join(err, feed.Close()); err != nil {
		return o, errors.Join(err, to.Close())
	}
	child, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Call: "_start", Options: map[string]any{
		wasi.ModuleName: &wasi.ForkOptions{Stdin: in, Stdout: to},
	}})
	if err = errors.Join(err, to.Close()); err != nil {
		return o, err
	}
	said, err := io.ReadAll(out)
	o = Outcome{Output: printed + string(said), End: End(child.Wait(ctx))}
	return o, errors.Join(err, child.Close())
}

// Main is what the other process of a transport does instead of tests; in others it returns at once.
func Main() {
	spindle.ServeStandby(spindle.StandbyHost{Imports: func(string, []*spindle.Module) (spindle.Imports, error) {
		sys, err := wasi.New(wasi.Config{})
		if err != nil {
			return nil, err
		}
		return (&World{}).Imports(sys), nil
	}})
	text := os.Getenv(orderVar)
	if text == "" {
		return
	}
	err := func() error {
		var o order
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return err
		}
		f, err := os.Open(os.Args[1])
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it has been read
		outcome, err := open(context.Background(), &o.Guest, o.Dir, f, o.Printed, nil)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(outcome)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
