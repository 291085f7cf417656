package fetch

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// archive writes a .tgz of the given files, in order.
func archive(t *testing.T, files ...[2]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.tgz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	zw := gzip.NewWriter(f)
	tw := tar.NewWriter(zw)
	for _, x := range files {
		if err := tw.WriteHeader(&tar.Header{Name: x[0], Mode: 0o644, Size: int64(len(x[1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(x[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	if err := unpack(archive(t, [2]string{"package/a", "1"}, [2]string{"package/deep/er/b", "22"}), dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "package/deep/er/b"))
	if err != nil || string(got) != "22" {
		t.Errorf("deep file: %q, %v", got, err)
	}
}

func TestUnpackStaysInside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unpack(archive(t, [2]string{"../outside", "x"}), dir); err == nil {
		t.Error("a name with .. was accepted")
	}
	if _, err := os.Stat(filepath.Join(dir, "../outside")); err == nil {
		t.Error("a file was written outside")
	}
}

func TestCachedNeedsNoNPM(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("SPINDLE_CACHE", cache)
	t.Setenv("PATH", t.TempDir())
	p := Package{"@some/guest", "1.2.3"}
	if _, err := p.Get(context.Background()); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("without npm: %v, want ErrUnavailable", err)
	}
	dir := filepath.Join(cache, "npm", "some-guest-1.2.3")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Get(context.Background()); err != nil || got != dir {
		t.Errorf("cached: %q, %v, want %q", got, err, dir)
	}
	if _, err := p.File(context.Background(), "missing.wasm"); err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("a file that the package lacks: %v, want a real failure", err)
	}
}
