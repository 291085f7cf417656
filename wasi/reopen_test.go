package wasi_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// filesGuest does what it is told: its exports are calls of WASI, with a path or bytes at 0 and results from 1024 on.
const filesGuest = `(module
	(import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_tell" (func $tell (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
	(import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
	(memory (export "memory") 1)
	(func $iov (param i32) (i32.store (i32.const 1032) (i32.const 0)) (i32.store (i32.const 1036) (local.get 0)))
	(func (export "open") (param $dir i32) (param $n i32) (param $oflags i32) (param $rights i64) (param $flags i32) (result i32)
		(call $open (local.get $dir) (i32.const 1) (i32.const 0) (local.get $n) (local.get $oflags) (local.get $rights) (i64.const -1) (local.get $flags) (i32.const 1024)))
	(func (export "read") (param i32 i32) (result i32) (call $iov (local.get 1)) (call $read (local.get 0) (i32.const 1032) (i32.const 1) (i32.const 1024)))
	(func (export "write") (param i32 i32) (result i32) (call $iov (local.get 1)) (call $write (local.get 0) (i32.const 1032) (i32.const 1) (i32.const 1024)))
	(func (export "tell") (param i32) (result i32) (call $tell (local.get 0) (i32.const 1024)))
	(func (export "close") (param i32) (result i32) (call $close (local.get 0)))
	(func (export "stat") (param i32) (result i32) (call $stat (local.get 0) (i32.const 1024)))
	(func (export "readdir") (param i32) (result i32) (call $readdir (local.get 0) (i32.const 2048) (i32.const 4096) (i64.const 0) (i32.const 1024)))
	(func (export "accept") (param i32) (result i32) (call $accept (local.get 0) (i32.const 0) (i32.const 1024))))`

// The rights that path_open is asked for.
const (
	toRead  = 1<<1 | 1<<2 | 1<<5 | 1<<14
	toWrite = 1<<6 | 1<<2 | 1<<5
)

// files drives a guest.
type files struct {
	t    *testing.T
	inst *spindle.Instance
}

// call makes a call with bytes at 0 and returns the 8 bytes of its result.
func (f *files) call(name string, in string, args ...uint64) uint64 {
	f.t.Helper()
	m, err := f.inst.Memory("memory")
	if err != nil {
		f.t.Fatal(err)
	}
	m.PutUint64(1024, 0)
	m.Write(0, []byte(in))
	res, err := f.inst.Call(f.t.Context(), name, args...)
	if err != nil || res[0] != 0 {
		f.t.Fatalf("%s(%q, %d): %v, %v", name, in, args, res, err)
	}
	n, _ := m.Uint64(1024)
	return n
}

func (f *files) open(dir uint64, path string, oflags, rights, flags uint64) uint64 {
	f.t.Helper()
	return f.call("open", path, dir, uint64(len(path)), oflags, rights, flags)
}

func (f *files) read(fd uint64, n uint64) string {
	f.t.Helper()
	n = f.call("read", "", fd, n)
	m, _ := f.inst.Memory("memory")
	b, _ := m.View(0, n)
	return string(b)
}

// save writes what the guest is to bytes.
func (f *files) save() ([]byte, error) {
	f.t.Helper()
	img, _, err := f.inst.Process().Freeze(f.t.Context(), spindle.FreezeOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	defer img.Close()
	var b bytes.Buffer
	_, err = img.WriteTo(&b)
	return b.Bytes(), err
}

// restore makes a guest of what save returned, with a System of cfg.
func restore(t *testing.T, b []byte, cfg wasi.Config) (*files, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	sys, err := wasi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer sys.Close()
	rt := spindle.NewRuntime()
	t.Cleanup(func() { rt.Close() })
	img, err := rt.OpenImage(t.Context(), file, spindle.OpenConfig{Config: spindle.Config{Imports: spindle.Imports{
		wasi.ModuleName: sys, wasi.ThreadModule: wasi.Threads(),
	}}})
	if err != nil {
		return nil, err
	}
	p, err := img.Fork(context.Background(), spindle.ForkConfig{})
	if err := errors.Join(err, img.Close()); err != nil {
		t.Fatal(err)
	}
	return &files{t, p.Instance("main")}, nil
}

func startFiles(t *testing.T, cfg wasi.Config) *files {
	t.Helper()
	rt := spindle.NewRuntime()
	t.Cleanup(func() { rt.Close() })
	mod, err := rt.CompileText(t.Context(), []byte(filesGuest))
	if err != nil {
		t.Fatal(err)
	}
	inst, err := wasi.Instantiate(t.Context(), rt, mod, cfg, spindle.Config{Name: "main"})
	if err != nil {
		t.Fatal(err)
	}
	return &files{t, inst}
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Files and directories that a guest has opened are opened again by their paths, at their offsets, with their flags; generation after generation.
func TestSnapshotWithOpenFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "in.txt"), "0123456789")
	put(t, filepath.Join(dir, "sub/deep/data"), "abcdefgh")
	put(t, filepath.Join(dir, "log"), "first\n")
	put(t, filepath.Join(dir, "both"), "xxxxxxxx")
	cfg := wasi.Config{Mounts: []wasi.Mount{{Host: dir, Guest: "/data"}}}
	f := startFiles(t, cfg)
	in := f.open(3, "in.txt", 0, toRead, 0)
	sub := f.open(3, "sub", 1<<1, toRead, 0)
	data := f.open(sub, "./deep/../deep/data", 0, toRead, 0)
	log := f.open(3, "log", 0, toWrite, 1)
	both := f.open(3, "both", 0, toRead|toWrite, 0)
	gone := f.open(3, "in.txt", 0, toRead, 0)
	f.call("close", "", gone)
	last := f.open(sub, "deep", 1<<1, toRead, 0)
	if got := f.read(in, 3) + f.read(data, 2); got != "012ab" {
		t.Fatalf("it reads %q", got)
	}
	f.call("write", "yy", both, 2)
	want := map[uint64]string{in: "3456789", data: "cdefgh"}
	offset := uint64(2)
	for generation := range 3 {
		b, err := f.save()
		if err != nil {
			t.Fatal(err)
		}
		// The original goes on, which moves no offset but its own; a log may have grown.
		f.read(in, 1)
		f.call("write", "again\n", log, 6)
		if f, err = restore(t, b, cfg); err != nil {
			t.Fatal(err)
		}
		for fd, want := range want {
			if got := f.read(fd, uint64(len(want))); generation == 2 && got != want {
				t.Errorf("descriptor %d reads %q, want %q", fd, got, want)
			} else if got[:1] != want[:1] {
				t.Errorf("generation %d: descriptor %d reads %q, want %q", generation, fd, got, want)
			}
		}
		if generation < 2 { // back to where they were: files are opened once for all
			if f, err = restore(t, b, cfg); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.call("tell", "", both); got != offset {
			t.Errorf("generation %d: offset %d, want %d", generation, got, offset)
		}
		f.call("write", "z\n", log, 2)
		f.call("stat", "", log)
		m, _ := f.inst.Memory("memory")
		if stat, _ := m.Uint32(1024); stat>>16 != 1 || stat&0xff != 4 {
			t.Errorf("generation %d: the log's flags and type are %#x", generation, stat)
		}
		if n := f.call("readdir", "", sub); n == 0 {
			t.Error("no entries")
		}
		if n := f.call("readdir", "", last); n == 0 {
			t.Error("no entries")
		}
		if next := f.open(sub, "deep/data", 0, toRead, 0); next != last+1 {
			t.Errorf("the next descriptor is %d, want %d", next, last+1)
		}
		f.call("close", "", last+1)
	}
	if got, want := content(t, filepath.Join(dir, "log")), "first\n"+strings.Repeat("again\nz\n", 3); got != want {
		t.Errorf("the log has %q, want %q", got, want)
	}
}

// A file that cannot be opened again, or is not what it was, is refused, with the descriptor and the reason.
func TestSnapshotWithOtherFiles(t *testing.T) {
	for name, test := range map[string]struct {
		path                  string
		oflags, rights, flags uint64
		before                func(t *testing.T, dir string) // the file is written
		after                 func(t *testing.T, dir string) // it is opened
		cfg                   func(c *wasi.Config)
		want                  string
	}{
		"the same": {path: "f", rights: toRead},
		"touched":  {path: "f", rights: toRead, after: func(t *testing.T, dir string) { chtimes(t, filepath.Join(dir, "f")) }, want: "written at another time"},
		"longer":   {path: "f", rights: toRead, after: func(t *testing.T, dir string) { put(t, filepath.Join(dir, "f"), "longer") }, want: "it had 5 bytes, and has 6"},
		"a log":    {path: "f", rights: toWrite, flags: 1, after: func(t *testing.T, dir string) { put(t, filepath.Join(dir, "f"), "longer") }},
		"gone":     {path: "f", rights: toRead, after: func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "f")) }, want: "cannot be opened: wasi: ENOENT"},
		"a directory": {path: "f", rights: toRead, after: func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, "f"))
			put(t, filepath.Join(dir, "f/g"), "")
		}, want: "which is now an open directory"},
		"a file": {path: "d", oflags: 1 << 1, rights: toRead, after: func(t *testing.T, dir string) {
			os.RemoveAll(filepath.Join(dir, "d"))
			put(t, filepath.Join(dir, "d"), "")
		}, want: "ENOTDIR"},
		"not given": {path: "f", rights: toRead, cfg: func(c *wasi.Config) { c.Mounts[0].Guest = "/other" }, want: "/data, which is not given"},
		"read-only": {path: "f", rights: toRead | toWrite, cfg: func(c *wasi.Config) { c.Mounts[0].ReadOnly = true }, want: "reading only"},
		"unlinked":  {path: "f", rights: toRead, before: func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "f")) }, want: "not found there any more"},
		"renamed": {path: "f", rights: toRead, before: func(t *testing.T, dir string) {
			os.Rename(filepath.Join(dir, "f"), filepath.Join(dir, "g"))
			put(t, filepath.Join(dir, "f"), "other")
		}, want: "removed or renamed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, filepath.Join(dir, "f"), "hello")
			put(t, filepath.Join(dir, "d/x"), "")
			cfg := wasi.Config{Mounts: []wasi.Mount{{Host: dir, Guest: "/data"}}}
			f := startFiles(t, cfg)
			fd := f.open(3, test.path, test.oflags, test.rights, test.flags)
			if test.before != nil {
				test.before(t, dir)
			}
			b, err := f.save()
			if err == nil {
				f.inst.Close()
				if test.after != nil {
					test.after(t, dir)
				}
				if test.cfg != nil {
					test.cfg(&cfg)
				}
				_, err = restore(t, b, cfg)
			}
			var file *wasi.OpenFileError
			if name == "not given" {
				fd = 3 // the directory itself comes first
			}
			if test.want == "" && err != nil || test.want != "" && (!errors.As(err, &file) || file.Descriptor != int(fd) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func chtimes(t *testing.T, path string) {
	t.Helper()
	if err := os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
}

// Listening sockets that the guest was started with are the opener's, in their order; a connection is refused.
func TestSnapshotWithSockets(t *testing.T) {
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	cfg := wasi.Config{Listeners: []net.Listener{listen(), listen()}}
	f := startFiles(t, cfg)
	f.call("close", "", 3)
	b, err := f.save()
	if err != nil {
		t.Fatal(err)
	}
	first, second := listen(), listen()
	g, err := restore(t, b, wasi.Config{Listeners: []net.Listener{first, second}})
	if err != nil {
		t.Fatal(err)
	}
	for k, guest := range []*files{f, g} {
		l := []net.Listener{cfg.Listeners[1], second}[k]
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		fd := guest.call("accept", "", 4)
		if got := guest.read(fd, 5); got != "hello" {
			t.Errorf("it reads %q", got)
		}
		var file *wasi.OpenFileError
		if _, err := guest.save(); !errors.As(err, &file) || file.Descriptor != int(fd) || !strings.Contains(err.Error(), "socket") {
			t.Errorf("a connection is open: %v", err)
		}
	}
	var file *wasi.OpenFileError
	if _, err := restore(t, b, wasi.Config{Listeners: []net.Listener{listen()}}); !errors.As(err, &file) || file.Descriptor != 4 || !strings.Contains(err.Error(), "listening socket 2") {
		t.Errorf("a listening socket is missing: %v", err)
	}
}
