package wat

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// suiteDirs are the wanted parts of the official test data.
var suiteDirs = []string{"spec", "spec/custom", "spec/proposals/threads", "threads-core"}

// findSuite finds the official test data.
func findSuite() (root string, ok bool) {
	for _, dir := range []string{os.Getenv("SPINDLE_TESTSUITE"), "../../../shared/testsuite"} {
		if dir != "" {
			if _, err := os.Stat(filepath.Join(dir, "spec")); err == nil {
				return dir, true
			}
		}
	}
	return "", false
}

// suiteRoot finds the official test data, or skips the test.
func suiteRoot(t testing.TB) string {
	root, ok := findSuite()
	if !ok {
		t.Skip("no official test data: neither $SPINDLE_TESTSUITE nor ../shared/testsuite is there")
	}
	return root
}

// suiteModules calls f for every module of the wanted scripts that is at most max bytes of text or binary, if the data is there.
func suiteModules(max int, f func(m *Module)) {
	root, ok := findSuite()
	if !ok {
		return
	}
	for _, dir := range suiteDirs {
		files, _ := filepath.Glob(filepath.Join(root, dir, "*.wast"))
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				continue
			}
			script, err := ParseScript(src)
			if err != nil {
				continue
			}
			for _, c := range script.Commands {
				if m := c.Module; m != nil && len(m.data) <= max && len(m.source()) <= max {
					f(m)
				}
			}
		}
	}
}

// suiteFiles calls f for each wanted script.
func suiteFiles(t *testing.T, f func(t *testing.T, name string, src []byte)) {
	root := suiteRoot(t)
	for _, dir := range suiteDirs {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.wast"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no scripts (%v)", dir, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(dir+"/"+filepath.Base(file), func(t *testing.T) { f(t, dir+"/"+filepath.Base(file), src) })
		}
	}
}

// suiteOptions are the options that a suite is made for: the threads proposal's core predates memory64.
func suiteOptions(name string) Options {
	if strings.HasPrefix(name, "spec/proposals/threads/") {
		return Options{Off: wasm.FeatureMemory64}
	}
	return Options{}
}

// TestSuite parses every script, assembles every module that must assemble, and checks that the others are refused in the words
// that the script expects.
func TestSuite(t *testing.T) {
	suiteFiles(t, func(t *testing.T, name string, src []byte) {
		script, err := ParseScript(src)
		if err != nil {
			t.Fatal(err)
		}
		checkCommands(t, script.Commands, suiteOptions(name))
	})
}

func checkCommands(t *testing.T, cmds []Command, opts Options) {
	for _, c := range cmds {
		if c.Kind == CmdThread {
			checkCommands(t, c.Body, opts)
		}
		if c.Module == nil || c.Module.Kind == ModuleBinary {
			continue
		}
		_, err := c.Module.Assemble(opts)
		switch c.Kind {
		case CmdAssertMalformed, CmdAssertMalformedCustom, CmdAssertInvalidCustom:
			if err == nil {
				t.Errorf("%v: assembled, want %q\n%s", c.Pos, c.Message, c.Module.source())
			} else if msg := err.(*SyntaxError).Msg; !strings.HasPrefix(msg, c.Message) && !strings.HasSuffix(msg, c.Message) {
				t.Errorf("%v: %v, want %q\n%s", c.Pos, err, c.Message, c.Module.source())
			}
		default:
			if err != nil {
				t.Errorf("%v: %v", c.Pos, err)
			}
		}
	}
}

// source returns the text of a text or quoted module, nil for a binary one. A text module's is what stands within its parentheses.
func (m *Module) source() []byte {
	switch m.Kind {
	case ModuleBinary:
		return nil
	case ModuleQuote:
		return m.data
	}
	return m.src.text[m.src.toks[m.from].off:m.src.toks[m.to].off]
}
