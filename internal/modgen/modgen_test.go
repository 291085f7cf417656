package modgen_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/spindle-wasm/spindle/internal/modgen"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

var seeds = flag.Int("seeds", 2000, "modules to generate")

// configs are those that the tests go through: everything, and what engines commonly have.
var configs = map[string]modgen.Config{
	"all":        {Features: wasm.AllFeatures, Imports: true},
	"aggregates": {Features: wasm.AllFeatures, Imports: true, Aggregates: true},
	"closed":     {Features: wasm.AllFeatures},
	"canonical":  {Features: wasm.AllFeatures, Imports: true, CanonicalNaN: true},
	"mvp":        {Features: wasm.FeatureMvp, Imports: true},
	"v1":         {Features: wasm.FeatureMutableGlobals | wasm.FeatureSignExtension | wasm.FeatureMultiValue | wasm.FeatureSaturatingFloatToInt, Imports: true},
	"v2":         {Features: featuresV2, Imports: true},
	"functions":  {Features: featuresV2 | wasm.FeatureFunctionReferences | wasm.FeatureTailCall, Imports: true},
	"exceptions": {Features: featuresV2 | wasm.FeatureExceptionHandling, Imports: true},
}

const featuresV2 = wasm.FeatureMutableGlobals | wasm.FeatureSignExtension | wasm.FeatureMultiValue | wasm.FeatureSaturatingFloatToInt |
	wasm.FeatureBulkMemory | wasm.FeatureReferenceTypes | wasm.FeatureSimd

func validate(b []byte, f wasm.Features, ts *wasm.TypeSpace) (*wasm.Module, error) {
	m, err := wasm.Decode(b, wasm.DecodeOptions{Features: f})
	if err == nil {
		err = wasm.Validate(m, ts, wasm.ValidateOptions{Workers: 1})
	}
	return m, err
}

// TestValid: every generated module is valid with just the features it was allowed.
func TestValid(t *testing.T) {
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			ts := wasm.NewTypeSpace()
			n := *seeds
			if name != "all" {
				n /= 4
			}
			for seed := range n {
				b := modgen.Generate(modgen.Seed(uint64(seed)), cfg)
				if _, err := validate(b, cfg.Features, ts); err != nil {
					path := fmt.Sprintf("%s/modgen-%s-%d.wasm", os.TempDir(), name, seed)
					_ = os.WriteFile(path, b, 0o644)
					t.Fatalf("seed %d: %v (%s)", seed, err, path)
				}
			}
		})
	}
}
