package modgen_test

import (
	"errors"
	"testing"

	"github.com/spindle-wasm/spindle/internal/modgen"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// TestUsed: a module is valid with just the features that the validator says it uses, and with none of them left out.
func TestUsed(t *testing.T) {
	ts := wasm.NewTypeSpace()
	for seed := range *seeds / 4 {
		b := modgen.Generate(modgen.Seed(uint64(seed)), modgen.Config{Features: wasm.AllFeatures, Imports: true, Aggregates: true, MaxInstrs: 40})
		m, err := validate(b, wasm.AllFeatures, ts)
		if err != nil {
			t.Fatal(seed, err)
		}
		if _, err := validate(b, m.Used, ts); err != nil {
			t.Errorf("seed %d: with %s, which it uses: %v", seed, m.Used, err)
		}
		for f := wasm.Features(1); f&wasm.AllFeatures != 0; f <<= 1 {
			if !m.Used.Has(f) {
				continue
			}
			_, err := validate(b, m.Used&^f, ts)
			var feature *wasm.FeatureError
			var invalid *wasm.ValidationError
			var malformed *wasm.MalformedError
			if !errors.As(err, &feature) && !errors.As(err, &invalid) && !errors.As(err, &malformed) {
				t.Errorf("seed %d: without %s, which it uses: %v", seed, f, err)
			}
		}
	}
}
