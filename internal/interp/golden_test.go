package interp

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

var update = flag.Bool("update", false, "rewrite testdata/lower/*.golden")

// TestLoweringGolden compares the code of small modules with what was looked at before.
func TestLoweringGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/lower/*.wat")
	if err != nil || len(files) == 0 {
		t.Fatal("no modules", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := compile(t, wasm.NewTypeSpace(), string(src))
		c := newCode(New(), m)
		var got strings.Builder
		for i := range m.Bodies {
			s, err := c.Dump(uint32(m.NumImportedFuncs + i))
			if err != nil {
				t.Fatal(err)
			}
			got.WriteString(s + "\n")
		}
		golden := strings.TrimSuffix(file, ".wat") + ".golden"
		if *update {
			if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		// A checkout may have changed the line ends.
		if got.String() != strings.ReplaceAll(string(want), "\r\n", "\n") {
			t.Errorf("%s: the code differs from %s (go test -update to bless):\n%s", file, golden, got.String())
		}
	}
}
