package realworld

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// goPackages are the standard library packages whose own tests must pass. The
// marked ones run by default: the others with SPINDLE_REALWORLD=all.
// Subtests start in this order, so the slowest stand first.
var goPackages = []struct {
	path  string
	quick bool
}{
	{"math/big", false},
	{"time", false},
	{"strings", false},
	{"bytes", false},
	{"sort", true},
	{"slices", false},
	{"strconv", false},
	{"encoding/json", false},
	{"encoding/binary", true},
	{"compress/flate", false},
	{"math", false},
	{"regexp", false},
	{"os", false},
	{"io/fs", false},
	{"path/filepath", false},
	{"bufio", false},
	{"text/template", false},
	{"container/heap", false},
	{"container/list", true},
	{"container/ring", false},
	{"unicode", false},
	{"unicode/utf8", false},
	{"unicode/utf16", false},
	{"hash/crc32", false},
	{"hash/crc64", false},
	{"hash/fnv", false},
	{"hash/adler32", true},
	{"hash/maphash", false},
	{"fmt", false},
	{"sync", false},
	{"context", true},
	{"errors", true},
	{"reflect", false},
}

// goRoot is where the toolchain's sources lie.
var goRoot = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(out)), err
})

// TestGoStandardLibrary builds each package's tests for wasip1 and runs them
// with -test.short in the package's directory, with the whole host file system
// mounted, the way Go's own go_wasip1_wasm_exec does.
func TestGoStandardLibrary(t *testing.T) {
	needSlow(t)
	if runtime.GOOS == "windows" {
		t.Skip("guest paths are the host's here, and wasip1 knows no drive letters")
	}
	root, err := goRoot()
	if err != nil {
		t.Skipf("go env GOROOT: %v", err)
	}
	all := os.Getenv("SPINDLE_REALWORLD") == "all"
	for _, p := range goPackages {
		if !all && !p.quick {
			continue
		}
		t.Run(p.path, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(root, "src", filepath.FromSlash(p.path))
			if found, _ := filepath.Glob(filepath.Join(dir, "*_test.go")); len(found) == 0 {
				t.Skipf("this toolchain has no tests for %s", p.path)
			}
			test := filepath.Join(t.TempDir(), "std.test")
			start := time.Now()
			buildGoTest(t, test, p.path)
			built := time.Since(start)
			// Guest paths are the host's: "/" is mounted as it is. TMPDIR is the
			// test's own, so that nothing stays behind.
			tmp := t.TempDir()
			r := spindle(t, 15*time.Minute, dir, "run",
				"--dir", "/", "--env", "PWD="+dir, "--env", "PATH="+os.Getenv("PATH"), "--env", "TMPDIR="+tmp,
				test, "-test.short")
			if r.code != 0 || !strings.HasSuffix(strings.TrimSpace(r.stdout), "PASS") {
				t.Fatalf("%s: %s", p.path, r.tail())
			}
			t.Logf("built in %.1f s, ran in %.1f s", built.Seconds(), (time.Since(start) - built).Seconds())
		})
	}
}

// buildGoTest compiles a standard package's tests to a wasip1 command.
func buildGoTest(t *testing.T, out, pkg string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go test -c %s: %v\n%s", pkg, err, msg)
	}
}
