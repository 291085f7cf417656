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

// A file that was taken for a snapshot, and a snapshot that was taken for something else, are told as what they are.
func TestNotASnapshot(t *testing.T) {
	dir := copyFiles(t, "echo.wat", "hello.txt", "empty.wasm")
	if r := runSpindle(t, dir, strings.NewReader(""), "snapshot", "-o", "app.snap", "--at", "fork-point", "echo.wat"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	b, err := os.ReadFile(filepath.Join(dir, "app.snap"))
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"hello.txt": "text.snap", "empty.wasm": "empty.snap", "echo.wat": "module.snap"} {
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	const neither = "neither a binary module (those begin with \\0asm) nor the text format\n"
	const module = "this is a snapshot, not a module; spindle run goes on with it, from a file\n"
	for _, c := range []struct {
		in, want string
		args     []string
	}{
		{"", "spindle: text.snap: not a snapshot, and " + neither, []string{"run", "text.snap"}},
		{"", "spindle: text.snap: not a snapshot, and " + neither, []string{"validate", "text.snap"}},
		{"", "spindle: empty.snap: the file is empty\n", []string{"run", "empty.snap"}},
		{"hello", "spindle: standard input: " + neither, []string{"run", "-"}},
		{string(b), "spindle: standard input: " + module, []string{"run", "-"}},
		{"", "spindle: app.snap: " + module, []string{"inspect", "app.snap"}},
		{"", "spindle: app.snap: " + module, []string{"snapshot", "-o", "again.snap", "app.snap"}},
	} {
		if r := runSpindle(t, dir, strings.NewReader(c.in), c.args...); r.code != 1 || r.stderr != c.want || r.stdout != "" {
			t.Errorf("%q: %+v, want %q", c.args, r, c.want)
		}
	}
	// A module may have any name.
	if r := runSpindle(t, dir, strings.NewReader("in"), "run", "module.snap"); r.code != 0 {
		t.Errorf("a module: %+v", r)
	}
}

// Any thread may tell that the program is warm; all threads are in the file.
func TestSnapshotAtASecondThreadsPoint(t *testing.T) {
	dir := copyFiles(t, "threadpoint.wat")
	in := strings.NewReader("")
	if r := runSpindle(t, dir, in, "run", "threadpoint.wat"); r.code != 0 || r.stdout != "1 times, 0\n" {
		t.Errorf("without a snapshot: %+v", r)
	}
	if r := runSpindle(t, dir, in, "snapshot", "-o", "app.snap", "--at", "fork-point", "threadpoint.wat"); r.code != 0 || r.stdout != "" {
		t.Fatalf("%+v", r)
	}
	for range 2 {
		if r := runSpindle(t, dir, in, "run", "app.snap"); r.code != 0 || r.stdout != "1 times, 1\n" {
			t.Errorf("of the file: %+v", r)
		}
	}
}
