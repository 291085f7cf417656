package spindle_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// heapFile returns a file of a guest with two threads that have a heap of some KiB, and what it imports; its calls of go return at once.
func heapFile(t testing.TB, plan string) ([]byte, spindle.Imports) {
	t.Helper()
	ctx := t.Context()
	var d told
	entered, release := make(chan struct{}, 1), make(chan struct{})
	imports := heapImports(&d, entered, release)
	rt := spindle.NewRuntime()
	defer rt.Close()
	p, err := rt.Start(ctx, compileText(t, rt, strings.NewReplacer("(i64.const 3000)", "(i64.const 9)", "(i32.const 4000)", "(i32.const 300)", "70000", "40000", "69999", "39999").Replace(heapGuest)), spindle.Config{
		Forkable: true, Imports: imports, GC: spindle.GCConfig{Plan: plan, HeapBytes: 4 << 20, NurseryBytes: 256 << 10}, StackSize: 64 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	img, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	var b bytes.Buffer
	if _, err := img.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	close(release)
	return b.Bytes(), imports
}

// sections returns where the words are that describe a file's runs of pages, five for each.
func sections(b []byte) []byte {
	end := descriptionEnd(b) - 8
	n := min(binary.LittleEndian.Uint64(b[end:]), uint64(end-64)/40)
	return b[end-40*int(n) : end]
}

// signedPages makes the checksums of pages right, too.
func signedPages(b []byte) []byte {
	for s := sections(b); len(s) > 0; s = s[40:] {
		off, used := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint64(s[24:])
		if off <= uint64(len(b)) && used <= uint64(len(b))-off {
			binary.LittleEndian.PutUint64(s[32:], uint64(crc32.Checksum(b[off:off+used], crc32.MakeTable(crc32.Castagnoli))))
		}
	}
	return signed(b)
}

// openDamaged opens a file, collects twice, and lets the guest run meanwhile: all of it ends, by a typed error if it is one of opening, and leaves nothing behind.
func openDamaged(t *testing.T, name string, b []byte, imports spindle.Imports) (opened bool) {
	rt := spindle.NewRuntime()
	cfg := spindle.OpenConfig{Config: spindle.Config{Imports: imports}, Check: true}
	cfg.GC.Workers, cfg.GC.Sanity = 1, true
	img, err := openBytes(t, rt, name, b, cfg)
	var fe *spindle.SnapshotFormatError
	switch {
	case err == nil:
		opened = true
		ctx, cancel := context.WithCancel(t.Context())
		if p, err := img.Fork(ctx, spindle.ForkConfig{}); err == nil {
			for range 2 {
				if err := p.CollectGarbage(); err != nil && !strings.Contains(err.Error(), "closed") {
					t.Errorf("a heap that was checked cannot be collected: %v", err)
				}
			}
			cancel()
			p.Close()
		}
		cancel()
		img.Close()
	case !errors.As(err, &fe):
		var limit *spindle.LimitError
		var malformed *spindle.MalformedError
		var invalid *spindle.ValidationError
		var feature *spindle.FeatureError
		if !errors.As(err, &limit) && !errors.As(err, &malformed) && !errors.As(err, &invalid) && !errors.As(err, &feature) {
			t.Errorf("an error of type %T: %v", err, err)
		}
	}
	if err := rt.Close(); err != nil {
		t.Error(err)
	}
	if n := rt.LiveRegions(); n != 0 {
		t.Errorf("%d regions left (%v)", n, err)
	}
	return opened
}

// What the checksums do not save from in a file with a heap, in its description and its pages, is refused as well, or harmless.
func FuzzOpenHeap(f *testing.F) {
	good, imports := heapFile(f, "stickyimmix")
	var places []int // of bytes that are not zero, or are described
	for k := 64; k < descriptionEnd(good); k++ {
		places = append(places, k)
	}
	heap := sections(good)
	heap = heap[len(heap)-40:] // the heap's pages come last
	off := int(binary.LittleEndian.Uint64(heap))
	for k, c := range good[off:] {
		if c != 0 {
			places = append(places, off+k)
		}
	}
	for i := 0; i < len(places); i += 1 + len(places)/150 {
		f.Add(uint32(i), uint64(1))
		f.Add(uint32(i), uint64(0xff<<40|4))
	}
	f.Add(uint32(0), uint64(0))
	name := filepath.Join(f.TempDir(), "f")
	f.Fuzz(func(t *testing.T, place uint32, change uint64) {
		b := bytes.Clone(good)
		k := places[int(place)%len(places)]
		for i := range 8 {
			if k+i < len(b) {
				b[k+i] ^= byte(change >> (8 * i))
			}
		}
		t.Logf("place %#x of %#x: %x to %x", k, descriptionEnd(good), good[k:][:8], b[k:][:8])
		if opened := openDamaged(t, name, signedPages(b), imports); change == 0 && !opened {
			t.Error("the file itself is refused")
		}
	})
}
