package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// copyFiles copies programs of testdata/files into a new directory.
func copyFiles(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range names {
		src, err := os.ReadFile(filepath.Join("testdata/files", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), src, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A program with a garbage-collected heap goes through a file at each kind of point, under the plan that it was started with.
func TestSnapshotOfAHeap(t *testing.T) {
	t.Parallel()
	dir := copyFiles(t, "heap.wat")
	for at, test := range map[string]struct{ plan, want string }{
		"stdin":       {"stickyimmix", "20005 in 0 "},
		"fork-point":  {"semispace", "20005 in 1 "},
		"export:main": {"markcompact", "20005 in 0 "},
	} {
		if r := runSpindle(t, dir, nil, "snapshot", "-o", test.plan, "--at", at, "--gc", test.plan, "--gc-heap", "4MiB", "heap.wat"); r.code != 0 {
			t.Fatalf("--at %s: %+v", at, r)
		}
		for _, flags := range [][]string{{"--gc-stats"}, {"--gc-stats", "--gc-heap", "6MiB", "--gc-workers", "1", "--check"}} {
			r := runSpindle(t, dir, strings.NewReader("in "), append(append([]string{"run"}, flags...), test.plan)...)
			size := "4.0 MiB"
			if len(flags) > 1 {
				size = "6.0 MiB"
			}
			if r.code != 0 || r.stdout != test.want || !strings.Contains(strings.ToLower(r.stderr), "gc: plan "+test.plan+", heap of at most "+strings.ToLower(size)) ||
				strings.Contains(r.stderr, "\ngc: 0 collections") {
				t.Errorf("--at %s: run %q: %+v, want %q", at, flags, r, test.want)
			}
		}
	}
	for want, args := range map[string][]string{
		"--gc is not for a snapshot":       {"run", "--gc", "semispace", "semispace"},
		"--gc-trace is not for a snapshot": {"run", "--gc-trace", "x", "semispace"},
		"--check is for a snapshot":        {"run", "--check", "heap.wat"},
		"there is no plan":                 {"snapshot", "-o", "x", "--gc", "none", "heap.wat"},
	} {
		if r := runSpindle(t, dir, nil, args...); r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: %+v, want %q", args, r, want)
		}
	}
	for want, args := range map[string][]string{
		"in use":       {"run", "--gc-heap", "64KiB", "semispace"},
		"has room for": {"run", "--gc-heap", "1GiB", "semispace"},
	} {
		if r := runSpindle(t, dir, nil, args...); r.code != 1 || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: %+v, want %q", args, r, want)
		}
	}
}

// A program is written to a file after a time, wherever it is then: before it waits for its input, or there.
func TestSnapshotAfterATime(t *testing.T) {
	t.Parallel()
	dir := copyFiles(t, "echo.wat", "heap.wat")
	in, out, err := os.Pipe() // which has nothing
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	for name, want := range map[string]string{"echo.wat": "warm one 0, 0 directories, generation 1\n", "heap.wat": "20005 one 0 "} {
		for _, after := range []string{"0s", "1ms", "50ms"} {
			if r := runSpindle(t, dir, in, "snapshot", "-o", "app.snap", "--at", "after:"+after, name); r.code != 0 || r.stdout != "" {
				t.Fatalf("%s after %s: %+v", name, after, r)
			}
			if r := runSpindle(t, dir, strings.NewReader("one "), "run", "app.snap"); r.code != 0 || r.stdout != want {
				t.Errorf("%s after %s: %+v, want %q", name, after, r, want)
			}
		}
	}
	for _, at := range []string{"after:", "after:-1s", "after:x", "after"} {
		if r := runSpindle(t, dir, in, "snapshot", "-o", "app.snap", "--at", at, "echo.wat"); r.code != 2 {
			t.Errorf("--at %s: %+v", at, r)
		}
	}
	// What has ended is in no file.
	if r := runSpindle(t, dir, strings.NewReader(""), "snapshot", "-o", "no.snap", "--at", "after:10m", "echo.wat"); r.code != 1 || !strings.Contains(r.stderr, "did not come to the point") {
		t.Errorf("a program that ends: %+v", r)
	}
	if _, err := os.Stat(filepath.Join(dir, "no.snap")); !os.IsNotExist(err) {
		t.Errorf("a file was written: %v", err)
	}
}
