package wasm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// kindOf names the kind of an error as the data files do.
func kindOf(err error) string {
	var malformed *wasm.MalformedError
	var invalid *wasm.ValidationError
	var feature *wasm.FeatureError
	var limit *wasm.LimitError
	switch {
	case err == nil:
		return "valid"
	case errors.As(err, &malformed):
		return "malformed"
	case errors.As(err, &invalid):
		return "invalid"
	case errors.As(err, &feature):
		return "feature"
	case errors.As(err, &limit):
		return "limit"
	}
	return "untyped"
}

func TestVerdicts(t *testing.T) {
	for _, s := range sectionsOf(t, "verdicts.txt") {
		want, off, _ := strings.Cut(s.header, "; off: ")
		kind, words, _ := strings.Cut(want, " ")
		text := s.text[:strings.LastIndex(s.text, ")")+1]
		bin, err := wat.Assemble([]byte(text), wat.Options{})
		if err != nil {
			t.Errorf("line %d: %v", s.line, err)
			continue
		}
		features := wasm.AllFeatures
		for name := range strings.SplitSeq(off, ",") {
			if name != "" {
				f, err := wasm.ParseFeature(name)
				if err != nil {
					t.Fatal(err)
				}
				features &^= f
			}
		}
		m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: features})
		if err == nil {
			err = wasm.Validate(m, wasm.NewTypeSpace(), wasm.ValidateOptions{})
		}
		if kindOf(err) != kind {
			t.Errorf("line %d: %v, want %s", s.line, err, want)
		} else if err != nil && !strings.Contains(err.Error(), words) {
			t.Errorf("line %d: error %q does not say %q", s.line, err, words)
		}
		if err == nil && m.Used&^features != 0 {
			t.Errorf("line %d: uses %v, which is off", s.line, m.Used&^features)
		}
	}
}

// TestUsedSuffices: a module is valid with just the features that it was found to use, and with none of them missing.
func TestUsedSuffices(t *testing.T) {
	ts := wasm.NewTypeSpace()
	suiteModules(t, func(where string, off wasm.Features, c wat.Command, bin []byte) {
		m, err := check(bin, ts, off)
		if err != nil {
			return
		}
		if _, err := check(bin, ts, wasm.AllFeatures&^m.Used); err != nil {
			t.Errorf("%s: with %v only: %v", where, m.Used, err)
		}
		for f := wasm.Features(1); f < wasm.AllFeatures; f <<= 1 {
			if m.Used&f == 0 {
				continue
			}
			if _, err := check(bin, ts, f); err == nil {
				t.Errorf("%s: valid without %v, which is used", where, f)
			}
		}
	})
}
