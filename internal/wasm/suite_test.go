package wasm_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// suites are the parts of the official test data that hold for this validator, with the features that each was made for.
var suites = []struct {
	dir string
	off wasm.Features
}{
	{"spec", 0},
	{"spec/custom", 0},
	// A fork of an older core, in which a second memory or table is invalid and indices are 32 bits wide.
	{"spec/proposals/threads", wasm.FeatureMultiMemory | wasm.FeatureMemory64 | wasm.FeatureReferenceTypes},
	{"threads-core", 0},
}

// suiteRoot finds the official test data, or skips the test.
func suiteRoot(t testing.TB) string {
	for _, dir := range []string{os.Getenv("SPINDLE_TESTSUITE"), "../../../shared/testsuite"} {
		if dir != "" {
			if _, err := os.Stat(filepath.Join(dir, "spec")); err == nil {
				return dir
			}
		}
	}
	t.Skip("no official test data: neither $SPINDLE_TESTSUITE nor ../shared/testsuite is there")
	return ""
}

// suiteModules calls f for each module of the official suites that has a binary form.
func suiteModules(t testing.TB, f func(where string, off wasm.Features, c wat.Command, bin []byte)) {
	root := suiteRoot(t)
	for _, s := range suites {
		files, err := filepath.Glob(filepath.Join(root, s.dir, "*.wast"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no scripts (%v)", s.dir, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, err := wat.ParseScript(src)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			eachModule(script.Commands, func(c wat.Command) {
				bin, err := c.Module.Assemble(wat.Options{Off: s.off & wasm.FeatureMemory64})
				if err == nil {
					f(s.dir+"/"+filepath.Base(file)+":"+c.Pos.String(), s.off, c, bin)
				}
			})
		}
	}
}

func eachModule(cmds []wat.Command, f func(wat.Command)) {
	for _, c := range cmds {
		if c.Module != nil {
			f(c)
		}
		eachModule(c.Body, f)
	}
}

func check(bin []byte, ts *wasm.TypeSpace, off wasm.Features) (*wasm.Module, error) {
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures &^ off})
	if err == nil {
		err = wasm.Validate(m, ts, wasm.ValidateOptions{})
	}
	return m, err
}

// TestSuiteVerdicts checks that exactly the malformed and the invalid modules of the official suites are refused, each with
// the right kind of error. All modules share a TypeSpace.
func TestSuiteVerdicts(t *testing.T) {
	ts := wasm.NewTypeSpace()
	var malformed, invalid, valid, words int
	suiteModules(t, func(where string, off wasm.Features, c wat.Command, bin []byte) {
		_, err := check(bin, ts, off)
		var m *wasm.MalformedError
		var v *wasm.ValidationError
		switch c.Kind {
		case wat.CmdAssertMalformed:
			malformed++
			if !errors.As(err, &m) {
				t.Errorf("%s: %v, want malformed: %s", where, err, c.Message)
			}
		case wat.CmdAssertInvalid:
			invalid++
			if !errors.As(err, &v) {
				t.Errorf("%s: %v, want invalid: %s", where, err, c.Message)
			} else if v.Offset == 0 {
				t.Errorf("%s: %v: no offset", where, err)
			}
		case wat.CmdAssertMalformedCustom, wat.CmdAssertInvalidCustom:
			return // custom sections are advice: the decoder is tolerant of them
		default:
			valid++
			if err != nil {
				t.Errorf("%s: %v, want valid", where, err)
			}
			return
		}
		if m != nil && strings.Contains(m.Msg, c.Message) || v != nil && strings.Contains(v.Msg, c.Message) {
			words++
		} else if err != nil {
			t.Logf("%s: %v, the suite says %q", where, err, c.Message)
		}
	})
	if malformed < 600 || invalid < 2000 || valid < 2000 {
		t.Errorf("only %d malformed, %d invalid and %d valid modules found", malformed, invalid, valid)
	}
	t.Logf("%d malformed, %d invalid (%d of both in the suite's words), %d valid", malformed, invalid, words, valid)
}
