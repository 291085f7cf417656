package spindle_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// overrunPlace marks the line of a program that overruns a stack.
const overrunPlace = "(;OVERRUN;)"

// withoutOverrun takes that line away, and the program is right.
func withoutOverrun(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, overrunPlace) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestCStacks runs the programs in testdata/cstack, which overrun their stacks in linear memory or do what looks like it. Those that overrun are run
// without that too, and without the check.
func TestCStacks(t *testing.T) {
	files, err := filepath.Glob("testdata/cstack/*.wat")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d programs, %v", len(files), err)
	}
	rt, unchecked := newRuntime(t), newRuntime(t, spindle.WithoutStackCheck())
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".wat")
		c, text := readThreadCase(t, file)
		for i, each := range c.each {
			c := c
			t.Run(fmt.Sprintf("%s %d", name, i), func(t *testing.T) {
				text := strings.ReplaceAll(text, eachPlace, each)
				if err := c.run(t, rt, text); err != nil {
					t.Error(err)
				}
				if c.ends == "return" {
					return
				}
				if err := c.run(t, unchecked, text); err == nil {
					t.Error("without the check: no difference")
				}
				c.ends = "return"
				if err := c.run(t, rt, withoutOverrun(text)); err != nil {
					t.Errorf("without the overrun: %v", err)
				}
			})
		}
	}
}
