package gcguests_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/gcguests"
	"github.com/spindle-wasm/spindle/internal/realworld/fetch"
)

// nodeCommand gives node 24 or newer: SPINDLE_NODE, or with SPINDLE_REALWORLD=all one from the npm registry. Otherwise the test
// is skipped.
func nodeCommand(t *testing.T) string {
	t.Helper()
	if node := os.Getenv("SPINDLE_NODE"); node != "" {
		return node
	}
	if os.Getenv("SPINDLE_REALWORLD") != "all" {
		t.Skip("neither SPINDLE_NODE, the path of node 24 or newer, nor SPINDLE_REALWORLD=all is set")
	}
	node := fetched(t, fetch.Node, "bin/node")
	if err := os.Chmod(node, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), node, "--version").CombinedOutput(); err != nil {
		t.Skipf("node of the npm registry does not run here: %v: %s", err, out)
	}
	return node
}

// fetched gives a file of a package of the npm registry, or skips.
func fetched(t *testing.T, p fetch.Package, file string) string {
	t.Helper()
	path, err := p.File(t.Context(), file)
	if errors.Is(err, fetch.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBinaryenFresh: random modules that nobody has seen before do what binaryen says. The day is the seed.
func TestBinaryenFresh(t *testing.T) {
	if os.Getenv("SPINDLE_REALWORLD") != "all" {
		t.Skip("SPINDLE_REALWORLD=all is not set")
	}
	const count = 20
	wasmOpt := fetched(t, fetch.Binaryen, "bin/wasm-opt")
	dir := t.TempDir()
	seed := time.Now().Unix() / (24 * 60 * 60)
	cmd := exec.CommandContext(t.Context(), nodeCommand(t), "binaryen/generate.mjs", wasmOpt, dir, strconv.Itoa(count), strconv.FormatInt(seed, 10))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	list, err := gcguests.RandomsIn(os.DirFS(dir), ".")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < count/2 {
		t.Errorf("%d modules were made of %d", len(list), count)
	}
	for _, r := range list {
		t.Run(r.Name, func(t *testing.T) {
			if checkRandom(t, r, spindle.GCConfig{}); t.Failed() {
				keepRandom(t, r)
			}
		})
	}
}

// keepRandom writes a module down for whoever looks into a failure.
func keepRandom(t *testing.T, r gcguests.Random) {
	for suffix, data := range map[string][]byte{".wasm": r.Module, ".log": []byte(r.Log)} {
		path := filepath.Join(os.TempDir(), "binaryen-"+r.Name+suffix)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Error(err)
		}
		t.Logf("see %s", path)
	}
}
