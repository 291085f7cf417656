package spindle_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// threadCase is what the first lines of a program in testdata/threads say about it.
type threadCase struct {
	ends       string // "return", "exit N", "exit N..M", "trap WORDS", "unlinkable"
	thread     uint32 // which thread traps
	maxThreads int
	each       []string // the program is run with each of these in place of "(;EACH;)"
}

const eachPlace = "(;EACH;)"

func readThreadCase(t *testing.T, file string) (c threadCase, text string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = string(b)
	c.maxThreads = 50
	for line := range strings.Lines(text) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), ";; ")
		if !ok {
			break
		}
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "ends":
			c.ends = value
		case "each":
			c.each = append(c.each, value)
		case "thread":
			_, err = fmt.Sscan(value, &c.thread)
		case "max-threads":
			if _, err = fmt.Sscan(value, &c.maxThreads); c.maxThreads == 0 {
				c.maxThreads = -1
			}
		}
		if err != nil {
			t.Fatalf("%s: %s: %v", file, line, err)
		}
	}
	if c.each == nil {
		c.each = []string{""}
	} else if !strings.Contains(text, eachPlace) {
		t.Fatalf("%s: no %s", file, eachPlace)
	}
	return c, text
}

// check compares how a program ended with how it should have.
func (c threadCase) check(err error) error {
	how, rest, _ := strings.Cut(c.ends, " ")
	ok := false
	switch how {
	case "return":
		ok = err == nil
	case "exit":
		var lo, hi uint32
		if n, _ := fmt.Sscanf(rest, "%d..%d", &lo, &hi); n == 1 {
			hi = lo
		}
		var e *spindle.ExitError
		ok = lo > 0 && errors.As(err, &e) && lo <= e.Code && e.Code <= hi
	case "trap":
		var e *spindle.TrapError
		ok = errors.As(err, &e) && e.Code.String() == rest && len(e.Frames) > 0 && (c.thread == 0 || e.Thread == c.thread)
	case "unlinkable":
		var e *spindle.LinkError
		ok = errors.As(err, &e)
	default:
		return fmt.Errorf("what should it end with: %q?", c.ends)
	}
	if !ok {
		return fmt.Errorf("ended with %v, want %s", err, c.ends)
	}
	return nil
}

func (c threadCase) run(t *testing.T, rt *spindle.Runtime, text string) error {
	t.Helper()
	stdin, w := io.Pipe()
	defer w.Close()
	p, err := wasi.Start(t.Context(), rt, mustCompile(t, rt, text), wasi.Config{Stdin: stdin}, spindle.Config{MaxThreads: c.maxThreads})
	if err != nil {
		return c.check(err)
	}
	err = p.Wait(t.Context())
	return errors.Join(c.check(err), p.Close())
}

// TestThreadRules runs the programs in testdata/threads: one for each rule of wasi-threads and of the threads proposal that a guest can see. Each
// checks itself, and exits with a small code that says where it found what it should not.
func TestThreadRules(t *testing.T) {
	files, err := filepath.Glob("testdata/threads/*.wat")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d programs, %v", len(files), err)
	}
	rt := newRuntime(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".wat")
		if name == "ends" {
			continue // see TestAnyThreadEndsAll
		}
		c, text := readThreadCase(t, file)
		for i, each := range c.each {
			sub := name
			if len(c.each) > 1 {
				sub = fmt.Sprintf("%s %d", name, i)
			}
			t.Run(sub, func(t *testing.T) {
				if err := c.run(t, rt, strings.ReplaceAll(text, eachPlace, each)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
