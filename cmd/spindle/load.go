package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// file is a module's file in memory.
type file struct {
	name string // "-" is standard input
	data []byte
	bin  []byte // the module in the binary format, once binary has made it
	// places leads from offsets in bin to the text that it was assembled from; nil for a binary file.
	places *wat.SourceMap
}

// maxFile is the size of the largest module that the decoder takes. What is larger is not read: it may have no end.
const maxFile = 1 << 30

var errFileSize = fmt.Errorf("larger than %s, which is the most that a module may have", formatSize(maxFile))

// load reads a file whole; "-" is standard input. It ends when ctx does, with its cause: a pipe may never end.
func (a *app) load(ctx context.Context, name string) (*file, error) {
	f := &file{name: name}
	switch name {
	case "":
		return nil, usagef("the name of the file is empty")
	case "-":
		f.name = "standard input"
	}
	read := make(chan error, 1)
	var data []byte
	go func() {
		var err error
		data, err = a.readFile(name)
		read <- err
	}()
	var err error
	select {
	case err = <-read:
		f.data = data
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, &fileError{name: f.name, err: err}
	}
	return f, nil
}

func (a *app) readFile(name string) ([]byte, error) {
	in := a.stdin
	if name != "-" {
		// Errors of directories differ between systems, and come late or never.
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			return nil, &os.PathError{Op: "read", Path: name, Err: syscall.EISDIR}
		}
		var err error
		if in, err = os.Open(name); err != nil {
			return nil, err
		}
		defer in.Close()
	}
	var b bytes.Buffer
	if info, err := in.Stat(); err == nil && info.Mode().IsRegular() {
		if info.Size() > maxFile {
			return nil, errFileSize
		}
		b.Grow(int(info.Size()) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(in, maxFile+1))
	if err == nil && n > maxFile {
		err = errFileSize
	}
	return b.Bytes(), err
}

var (
	magic = []byte("\x00asm")
	// The version field of a component differs from a core module's in its upper half, the layer.
	componentLayer = []byte{0x01, 0x00}
)

// isText tells the text format from the binary one: by the contents, and where these say nothing (an empty file), by the name.
func (f *file) isText() bool {
	if bytes.HasPrefix(f.data, magic) {
		return false
	}
	switch filepath.Ext(f.name) {
	case ".wat", ".wast":
		return true
	}
	head := bytes.TrimLeft(f.data, " \t\r\n")
	return bytes.HasPrefix(head, []byte("(")) || bytes.HasPrefix(head, []byte(";;"))
}

// binary returns the module in the binary format.
func (f *file) binary() ([]byte, error) {
	if !f.isText() {
		switch {
		case len(f.data) == 0:
			return nil, f.wrap(errors.New("the file is empty"))
		case len(f.data) >= 8 && bytes.HasPrefix(f.data, magic) && bytes.Equal(f.data[6:8], componentLayer):
			return nil, f.wrap(errors.New("this is a component; Spindle runs core modules only"))
		case bytes.HasPrefix(f.data, []byte(spindle.SnapshotMagic)):
			return nil, f.wrap(errors.New("this is a snapshot, not a module; spindle run goes on with it, from a file"))
		case !bytes.HasPrefix(f.data, magic):
			snapshot := ""
			if filepath.Ext(f.name) == ".snap" {
				snapshot = "not a snapshot, and " // but what it is meant to be
			}
			return nil, f.wrap(errors.New(snapshot + "neither a binary module (those begin with \\0asm) nor the text format"))
		}
		f.bin = f.data
		return f.bin, nil
	}
	err := f.assemble(wat.Options{})
	return f.bin, err
}

// assemble makes the binary format of a text file.
func (f *file) assemble(opts wat.Options) error {
	f.places = new(wat.SourceMap)
	opts.Map = f.places
	var err error
	f.bin, err = wat.Assemble(f.data, opts)
	return f.wrap(err)
}

// pos returns where the text says what is at an offset of the module; ok is false for a binary file.
func (f *file) pos(offset uint32) (p wat.Pos, ok bool) {
	if f == nil || f.places == nil || offset == 0 {
		return p, false
	}
	return f.places.Pos(offset)
}

func (f *file) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &fileError{file: f, name: f.name, err: err}
}

// working shows on a terminal what is done with a file, until the returned function is called.
func (a *app) working(what string, f *file) (done func()) {
	return a.progress(func() string {
		return fmt.Sprintf("%s %s (%s)", what, printable([]byte(filepath.Base(f.name))), formatSize(uint64(len(f.data))))
	})
}

// compile loads and compiles a module.
func (a *app) compile(ctx context.Context, rt *spindle.Runtime, name string) (*spindle.Module, *file, error) {
	f, err := a.load(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	defer a.working("compiling", f)()
	b, err := f.binary()
	if err != nil {
		return nil, f, err
	}
	m, err := rt.Compile(ctx, b)
	return m, f, f.wrap(err)
}

// writeFile writes a result; "-" is standard output. An existing file is replaced only when all is written.
func (a *app) writeFile(name string, write func(io.Writer) error) error {
	if name == "-" {
		return write(a.out)
	}
	err := replaceFile(name, write)
	var path *os.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		err = path.Err // its path is the temporary one
	case errors.As(err, &link):
		err = link.Err
	default:
		return err
	}
	return fmt.Errorf("%s cannot be written: %w", name, err)
}

func replaceFile(name string, write func(io.Writer) error) (err error) {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // the file is replaced, not the link to it
	}
	info, serr := os.Stat(name)
	if serr == nil && !info.Mode().IsRegular() {
		// A device or a pipe is to be written to, not replaced.
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	// Not CreateTemp, whose files have a mode of their own.
	tmp, err := os.OpenFile(filepath.Join(filepath.Dir(name), fmt.Sprintf(".%s-%d", filepath.Base(name), os.Getpid())),
		os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	if err := write(tmp); err != nil {
		tmp.Close()
		return err
	}
	if serr == nil {
		_ = tmp.Chmod(info.Mode().Perm()) // where there are such modes
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}
