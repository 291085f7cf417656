package modgen_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/spindle-wasm/spindle/internal/modgen"
	"github.com/spindle-wasm/spindle/internal/modgen/oracle"
)

// TestRoundTrip: what wat.Print writes, wat.Assemble turns back into the same bytes.
func TestRoundTrip(t *testing.T) {
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			for seed := range *seeds / 8 {
				b := modgen.Generate(modgen.Seed(uint64(seed)), cfg)
				if err := oracle.RoundTrip(b); err != nil {
					path := fmt.Sprintf("%s/modgen-%s-%d.wasm", os.TempDir(), name, seed)
					_ = os.WriteFile(path, b, 0o644)
					t.Fatalf("seed %d: %v (%s)", seed, err, path)
				}
			}
		})
	}
}
