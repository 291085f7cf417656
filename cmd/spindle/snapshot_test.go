package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A program is written to a file at each kind of point, and goes on from there in another process, as often as one likes.
func TestSnapshot(t *testing.T) {
	dir := copyFiles(t, "echo.wat")
	for at, want := range map[string]string{
		"stdin":       "0, 1 directories, generation 1\n",
		"fork-point":  "1, 1 directories, generation 1\n",
		"export:main": "?, 1 directories, generation 1\n",
	} {
		in := strings.NewReader("")
		if at == "export:main" {
			// Its _start reads, and leaves a 0 where the call of snapshot is noted.
			want = "0, 1 directories, generation 1\n"
		}
		if r := runSpindle(t, dir, in, "snapshot", "-o", "app.snap", "--at", at, "--dir", ".", "echo.wat"); r.code != 0 {
			t.Fatalf("--at %s: %+v", at, r)
		}
		for _, input := range []string{"one ", "two "} {
			r := runSpindle(t, dir, strings.NewReader(input), "run", "--dir", ".", "app.snap")
			if r.code != 0 || r.stdout != "warm "+input+want {
				t.Errorf("--at %s: %+v, want %q", at, r, "warm "+input+want)
			}
		}
		if r := runSpindle(t, dir, strings.NewReader(""), "run", "app.snap"); r.code != 1 || !strings.Contains(r.stderr, "directory ., which is not given") {
			t.Errorf("--at %s, without the directory: %+v", at, r)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "app.snap"))
	if err != nil {
		t.Fatal(err)
	}
	b[100] ^= 1
	if err := os.WriteFile(filepath.Join(dir, "bad.snap"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := runSpindle(t, dir, strings.NewReader(""), "run", "bad.snap"); r.code != 1 || !strings.Contains(r.stderr, "damaged") {
		t.Errorf("a damaged file: %+v", r)
	}
	if r := runSpindle(t, dir, strings.NewReader(""), "validate", "app.snap", "bad.snap"); r.code != 1 || r.stdout != "app.snap: valid\n" || !strings.Contains(r.stderr, "bad.snap") {
		t.Errorf("validate: %+v", r)
	}
	for _, args := range [][]string{{"snapshot", "echo.wat"}, {"snapshot", "-o", "x", "--at", "noon", "echo.wat"}, {"run", "--invoke", "main", "app.snap"}} {
		if r := runSpindle(t, dir, strings.NewReader(""), args...); r.code != 2 {
			t.Errorf("%q: %+v", args, r)
		}
	}
}
