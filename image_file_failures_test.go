package spindle_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// shortWriter has room for some bytes.
type shortWriter struct{ room int }

var errNoRoom = errors.New("no room")

func (w *shortWriter) Write(b []byte) (int, error) {
	n := min(len(b), w.room)
	w.room -= n
	if n < len(b) {
		return n, errNoRoom
	}
	return n, nil
}

// A file that cannot be written to its end is an error, of which nothing comes but the bytes that there are: no snapshot. The image, and who it was made of, are as before.
func TestSnapshotWithoutRoom(t *testing.T) {
	ctx := t.Context()
	var d told
	entered, release := make(chan struct{}, 1), make(chan struct{})
	imports := heapImports(&d, entered, release)
	rt := spindle.NewRuntime()
	defer rt.Close()
	p, err := rt.Start(ctx, compileText(t, rt, heapGuest), spindle.Config{Forkable: true, Imports: imports})
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	img, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var good bytes.Buffer
	if _, err := img.WriteTo(&good); err != nil {
		t.Fatal(err)
	}
	regions := rt.LiveRegions()
	for _, room := range []int{0, 1, 63, 64, 100, descriptionEnd(good.Bytes()), descriptionEnd(good.Bytes()) + 1, good.Len() / 2, good.Len() - 1} {
		if n, err := img.WriteTo(&shortWriter{room}); n != int64(room) || !errors.Is(err, errNoRoom) {
			t.Errorf("%d bytes of room: %d were written, %v", room, n, err)
		}
		_, err := openBytes(t, rt, filepath.Join(t.TempDir(), "half"), good.Bytes()[:room], spindle.OpenConfig{Config: spindle.Config{Imports: imports}})
		var fe *spindle.SnapshotFormatError
		if !errors.As(err, &fe) {
			t.Errorf("a file of %d bytes: %v", room, err)
		}
	}
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	readOnly, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	if _, err := img.WriteTo(readOnly); err == nil {
		t.Error("a file that is open for reading was written")
	}
	if n := rt.LiveRegions(); n != regions {
		t.Errorf("%d regions, were %d", n, regions)
	}
	var again bytes.Buffer
	if _, err := img.WriteTo(&again); err != nil || !bytes.Equal(again.Bytes(), good.Bytes()) {
		t.Errorf("the image's file has changed (%v)", err)
	}
	child, err := img.Fork(ctx, spindle.ForkConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	<-entered
	close(release)
	for _, q := range []*spindle.Process{p, child} {
		if err := q.Wait(ctx); err != nil || d.of(q) == 0 {
			t.Errorf("a Process tells %#x (%v)", d.of(q), err)
		}
	}
	if d.of(p) != d.of(child) {
		t.Error("the child tells something else")
	}
}

// A file of another version, of another engine, or of modules that need what the Runtime does not have, is refused with the reason.
func TestSnapshotOfOthers(t *testing.T) {
	good, imports := heapFile(t, "immix")
	rt := spindle.NewRuntime()
	defer rt.Close()
	name := filepath.Join(t.TempDir(), "f")
	refused := func(what string, b []byte, at int64, want string) {
		t.Helper()
		_, err := openBytes(t, rt, name, b, spindle.OpenConfig{Config: spindle.Config{Imports: imports}})
		var fe *spindle.SnapshotFormatError
		if !errors.As(err, &fe) || !strings.Contains(fe.Msg, want) || at >= 0 && fe.Offset != at {
			t.Errorf("%s: %v, want %q at %#x", what, err, want, at)
		}
	}
	version := bytes.Clone(good)
	binary.LittleEndian.PutUint32(version[8:], 99)
	refused("another version", signed(version), 8, "version is 99")

	engine := bytes.Clone(good)
	n := int(engine[64]) // the length of the engine's name
	engine[64+n] ^= 1
	refused("another engine", signed(engine), int64(65+n), "the file is of engine")

	// Behind the name: one module, its features, its checksum, the module.
	module := bytes.Clone(good)
	module[65+n+1+8+1] ^= 1
	refused("a module's checksum", signed(module), -1, "a module's checksum is wrong")

	gc, err := spindle.ParseFeature("gc")
	if err != nil {
		t.Fatal(err)
	}
	small := spindle.NewRuntime(spindle.WithFeatures(spindle.AllFeatures &^ gc))
	defer small.Close()
	_, err = openBytes(t, small, name, good, spindle.OpenConfig{Config: spindle.Config{Imports: imports}})
	if err == nil || !strings.Contains(err.Error(), "which needs of the features") || !strings.Contains(err.Error(), "gc") {
		t.Errorf("without the feature: %v", err)
	}
	for _, r := range []*spindle.Runtime{rt, small} {
		if n := r.LiveRegions(); n != 0 {
			t.Errorf("%d regions left", n)
		}
	}
}
