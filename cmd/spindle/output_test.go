//go:build unix

package main_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReplacedFile checks that a result takes the place of a file, also at the end of a link, and keeps its mode; and that nothing else is left.
func TestReplacedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link, fresh := filepath.Join(dir, "a.wat"), filepath.Join(dir, "link.wat"), filepath.Join(dir, "fresh.wat")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{link, fresh} {
		if res := runSpindle(t, "testdata/files", nil, "wasm2wat", "lib.wat", "-o", out); res.code != 0 {
			t.Fatalf("%+v", res)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is one no more: %v, %v", info, err)
	}
	// A new file's mode is what the user's mask leaves, as of any file that this test makes.
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	want, err := os.Stat(other)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(fresh); err != nil || info.Mode() != want.Mode() {
		t.Errorf("%v, %v, want mode %v", info, err, want.Mode())
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 4 {
		t.Errorf("%v, %v", all, err)
	}
}
