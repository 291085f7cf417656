package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
)

// testEngines are all that a kernel can run on.
func testEngines(t *testing.T) []Engine {
	ctx := context.Background()
	list := contestants(ctx, true)
	t.Cleanup(func() {
		for _, e := range list {
			if err := e.Close(ctx); err != nil {
				t.Errorf("closing %s: %v", e.Name(), err)
			}
		}
	})
	return list
}

// TestChecksums runs every kernel with a small argument on every engine: they
// must agree, and running again must give the same, for kernels keep no state.
func TestChecksums(t *testing.T) {
	engines := testEngines(t)
	for _, k := range kernels {
		t.Run(k.Name, func(t *testing.T) {
			if _, err := runKernel(context.Background(), engines, Kernel{k.Name, k.Kind, k.Check, k.Check}, "", 2, newStopwatch(false)); err != nil {
				t.Error(err)
			}
		})
	}
}

// call runs an export on wazero's interpreter, the oracle for what the kernels'
// own code computes.
func call(t *testing.T, kernel, export string, args ...uint64) uint64 {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer rt.Close(ctx)
	wasm, err := modules.ReadFile("kernels/" + kernel + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := rt.Instantiate(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	out, err := mod.ExportedFunction(export).Call(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

// A kernel that computes nonsense would still agree with itself: where another
// implementation is at hand, it is asked.
func TestKernelsAreRight(t *testing.T) {
	sum := sha256.Sum256([]byte("abc"))
	if got, want := call(t, "sha256", "abc"), binary.BigEndian.Uint64(sum[:8]); got != want {
		t.Errorf("sha256 of abc starts with %#x, want %#x", got, want)
	}
	a, b := uint64(0), uint64(1)
	for range 15 {
		a, b = b, a+b
	}
	if got := call(t, "fib", "run", 15); got != a {
		t.Errorf("fib(15) = %d, want %d", got, a)
	}
	for _, k := range []string{"quicksort", "utf8"} {
		if got := int64(call(t, k, "run", 2)); got == -1 || got == -2 {
			t.Errorf("%s finds its own result wrong: %d", k, got)
		}
	}
	var best, arg uint64
	for i := uint64(1); i < 1000; i++ {
		steps := uint64(0)
		for x := i; x != 1; steps++ {
			if x%2 == 0 {
				x /= 2
			} else {
				x = 3*x + 1
			}
		}
		if steps > best {
			best, arg = steps, i
		}
	}
	if got := call(t, "collatz", "run", 1000); got != best<<32|arg {
		t.Errorf("collatz(1000) = %#x, want %d steps from %d", got, best, arg)
	}
}

// TestOperations runs each short operation a few times on each engine.
func TestOperations(t *testing.T) {
	list, err := ops()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range testEngines(t) {
		for _, o := range list {
			do, done, err := o.open(context.Background(), e)
			if err != nil {
				t.Fatalf("%s, %s: %v", e.Name(), o.name, err)
			}
			if err := do(5); err != nil {
				t.Errorf("%s, %s: %v", e.Name(), o.name, err)
			}
			if err := done(); err != nil {
				t.Errorf("%s, %s: %v", e.Name(), o.name, err)
			}
		}
	}
}

// TestModulesMatchSources rebuilds the .wasm files and compares them, where the
// compiler that made them is installed.
func TestModulesMatchSources(t *testing.T) {
	made, err := os.ReadFile("kernels/compiler.txt")
	if err != nil {
		t.Fatal(err)
	}
	version, err := exec.Command("clang-22", "--version").Output()
	if err != nil || !strings.HasPrefix(string(version), string(made)) {
		t.Skipf("the modules were made by %s, which is not here", strings.TrimSpace(string(made)))
	}
	dir := t.TempDir()
	for _, name := range []string{"build.sh", "kernels", "calls", "guests"} {
		if err := copyTo(filepath.Join(dir, name), name); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("sh", filepath.Join(dir, "build.sh")).CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, out)
	}
	found, err := filepath.Glob("*/*.wasm")
	if err != nil || len(found) < len(kernels) {
		t.Fatalf("%d modules: %v", len(found), err)
	}
	for _, name := range append(found, "guests/tiny/tiny.wasm") {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what its source gives: run build.sh", name)
		}
	}
}

func copyTo(to, from string) error {
	if info, err := os.Stat(from); err != nil || info.IsDir() {
		if err != nil {
			return err
		}
		return os.CopyFS(to, os.DirFS(from))
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// TestKernelTable: every module is in the table, once, and the other way round.
func TestKernelTable(t *testing.T) {
	files, err := modules.ReadDir("kernels")
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, f := range files {
		left[strings.TrimSuffix(f.Name(), ".wasm")] = true
	}
	for _, k := range kernels {
		if !left[k.Name] {
			t.Errorf("kernel %s has no module, or stands twice in the table", k.Name)
		}
		delete(left, k.Name)
	}
	for name := range left {
		t.Errorf("module %s is not in the table", name)
	}
}
