package wasi

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hammerGuest is a guest of which a second thread changes what the main thread's calls read, from before the first until after the last.
const hammerGuest = `
	(func $fault_or (param $en i32) (call $must (i32.or (i32.eqz (local.get $en)) (i32.eq (local.get $en) (i32.const 21))) (i32.add (i32.const 200) (local.get $en))))
	(func $waits (param i32) (result i32)
		(loop $l %HAMMER (i32.atomic.store (i32.const 0x50) (i32.const 1)) (br_if $l (i32.eqz (i32.atomic.load (i32.const 0x54)))))
		(i32.const 0))
	(func (export "_start") (local $i i32) (local $n i32) (local $ok i32) (local $sum i32) (local $en i32)
		(call $must (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0)) (i32.const 100))
		(loop $there (br_if $there (i32.eqz (i32.atomic.load (i32.const 0x50)))))
		(loop $l
			%CALL
			(br_if $l (i32.or (i32.eqz (local.get $ok))  ;; some calls must have succeeded
				(i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5000)))))
		(i32.atomic.store (i32.const 0x54) (i32.const 1))
		(call $check (call $join))
		(i32.store (i32.const 0x60) (local.get $sum))
		(i32.store (i32.const 0x68) (i32.const 0x60)) (i32.store (i32.const 0x6c) (i32.const 4))
		(call $check (call $write (i32.const 2) (i32.const 0x68) (i32.const 1) (i32.const 0x64)))))`

// Two iovecs whose pointers and lengths change one by one: in memory, partly, and not at all. Memory has 0x20000 bytes. Each changes in one byte
// only: a host compiled for the race detector reads words byte by byte.
const hammerIovecs = `
	(i32.store (i32.const 0x110) (i32.const 0x1ff08)) (i32.store (i32.const 0x114) (i32.const 4))
	(i32.store (i32.const 0x118) (i32.const 0x500)) (i32.store (i32.const 0x11c) (i32.const 16))
	(i32.store (i32.const 0x114) (i32.const 16)) (i32.store (i32.const 0x110) (i32.const 0x1fff8))
	(i32.store (i32.const 0x11c) (i32.const 0xff000010)) (i32.store (i32.const 0x118) (i32.const 0xff000500))`

// $sized checks that a number of bytes is that of two pieces that were in memory.
const sized = `
	(call $fault_or (local.get $en))
	(if (i32.eqz (local.get $en)) (then
		(local.set $n (i32.load (i32.const 0x80)))
		(call $must (i32.or (i32.eq (local.get $n) (i32.const 20)) (i32.eq (local.get $n) (i32.const 32))) (i32.add (i32.const 1000) (local.get $n)))
		(local.set $sum (i32.add (local.get $sum) (local.get $n)))
		(local.set $ok (i32.const 1))))`

// TestHammer has a thread change the iovecs, paths and subscriptions that another's calls read. Each is read once, and what was read is what is
// checked and used.
func TestHammer(t *testing.T) {
	outside, inside := prison(t)
	for path, data := range map[string]string{filepath.Join(outside, "f"): "out", filepath.Join(inside, "f"): "in"} {
		if err := os.WriteFile(path, []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	for name, c := range map[string]struct {
		hammer, call string
	}{
		"write": {hammerIovecs, `(local.set $en (call $write (i32.const 1) (i32.const 0x110) (i32.const 2) (i32.const 0x80)))` + sized},
		"read": {hammerIovecs, `
			(i64.store (i32.const 0x1ff18) (i64.const 0)) (i64.store (i32.const 0x510) (i64.const 0))
			(local.set $en (call $read (i32.const 0) (i32.const 0x110) (i32.const 2) (i32.const 0x80)))
			;; nothing is written behind the longest piece
			(call $must (i64.eqz (i64.or (i64.load (i32.const 0x1ff18)) (i64.load (i32.const 0x510)))) (i32.const 102))` + sized},
		"path": {`
			(i64.store (i32.const 0x600) (i64.const 0x662f2f2e2f2e2f2e))  ;; ./././/f
			(i32.store8 (i32.const 0x601) (i32.const 0x2e)) (i32.store8 (i32.const 0x602) (i32.const 0x2f))
			(i32.store8 (i32.const 0x603) (i32.const 0x2e)) (i32.store8 (i32.const 0x604) (i32.const 0x2f))
			(i64.store (i32.const 0x600) (i64.const 0x662f2f2f2e2f2e2e))  ;; .././//f
			(i32.store8 (i32.const 0x601) (i32.const 0x2f)) (i32.store8 (i32.const 0x602) (i32.const 0x2e))`, `
			(if (i32.eqz (call $path_open (i32.const 3) (i32.const 1) (i32.const 0x600) (i32.const 8) (i32.const 0)
				(i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0x90))) (then
				(i32.store8 (i32.const 0x400) (i32.const 0))
				(call $check (call $read (i32.load (i32.const 0x90)) (i32.const 0x100) (i32.const 1) (i32.const 0x80)))
				(call $must (i32.eq (i32.load8_u (i32.const 0x400)) (i32.const 0x69)) (i32.const 103))  ;; "i"
				(call $check (call $close (i32.load (i32.const 0x90))))
				(local.set $ok (i32.const 1))))`},
		"poll": {`
			(i32.store8 (i32.const 0x208) (i32.const 1)) (i32.store (i32.const 0x210) (i32.const 1))
			(i32.store8 (i32.const 0x208) (i32.const 2)) (i32.store (i32.const 0x210) (i32.const 77))
			(i32.store8 (i32.const 0x208) (i32.const 9)) (i32.store8 (i32.const 0x208) (i32.const 0)) (i32.store (i32.const 0x210) (i32.const 0))`, `
			(call $check (call $poll (i32.const 0x200) (i32.const 0x300) (i32.const 2) (i32.const 0x84)))  ;; the second sleeps for no time
			(local.set $n (i32.load (i32.const 0x84)))
			(call $must (i32.and (i32.ge_u (local.get $n) (i32.const 1)) (i32.le_u (local.get $n) (i32.const 2))) (i32.const 104))
			(local.set $ok (i32.const 1))`},
	} {
		t.Run(name, func(t *testing.T) {
			var sum bytes.Buffer
			out.Reset()
			s := newSpy(t, Config{
				Stdin: strings.NewReader(strings.Repeat("x", 1<<20)), Stdout: &out, Stderr: &sum, Mounts: []Mount{{Guest: "/", Host: inside}},
			})
			text := threadGuest + strings.NewReplacer("%HAMMER", c.hammer, "%CALL", c.call).Replace(hammerGuest)
			if got := runThreads(t, s, text, nil); got != 0 {
				t.Fatalf("exit code %d", got)
			}
			if n := le.Uint32(sum.Bytes()); name == "write" && int(n) != out.Len() {
				t.Errorf("the guest was told %d bytes, %d arrived", n, out.Len())
			}
		})
	}
}

// TestChurnUnderThreads has threads open, use, replace and close the same few numbers. Whatever a number means, it is a whole file.
func TestChurnUnderThreads(t *testing.T) {
	const guest = `
	;; each thread's scratch is at 0x2000 and 0x100 times its number: an iovec, a result, a buffer of 8 bytes, a path's result
	(func $ok (param $en i32)  ;; others may have closed or replaced it
		(call $must (i32.or (i32.eqz (local.get $en)) (i32.eq (local.get $en) (i32.const 8))) (i32.add (i32.const 200) (local.get $en))))
	(func $waits (param $me i32) (result i32) (local $at i32) (local $fd i32) (local $i i32)
		(local.set $at (i32.add (i32.const 0x2000) (i32.mul (local.get $me) (i32.const 0x100))))
		(loop $l
			(call $check (call $path_open (i32.add (i32.const 3) (i32.and (local.get $i) (i32.const 1))) (i32.const 0) (i32.const 0x20) (i32.const 1)
				(i32.const 0) (i64.const 0x3fffffff) (i64.const 0) (i32.const 0) (i32.add (local.get $at) (i32.const 0x20))))
			(local.set $fd (i32.load offset=0x20 (local.get $at)))
			(i32.store (local.get $at) (i32.add (local.get $at) (i32.const 0x10))) (i32.store offset=4 (local.get $at) (i32.const 8))
			(i64.store offset=0x10 (local.get $at) (i64.const 0))
			(i32.store offset=8 (local.get $at) (i32.const 0))
			(call $ok (call $read (local.get $fd) (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 8))))
			(if (i32.eq (i32.load offset=8 (local.get $at)) (i32.const 8)) (then
				(call $must (i64.eq (i64.load offset=0x10 (local.get $at)) (i64.load (i32.const 0x70))) (i32.const 101))))
			(call $ok (call $renumber (local.get $fd) (i32.add (i32.const 5) (i32.rem_u (i32.add (local.get $me) (local.get $i)) (i32.const 3)))))
			(call $ok (call $close (i32.add (i32.const 5) (local.get $me))))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 500))))
		(i32.const 0))
	(data (i32.const 0x70) "contents")
	(func (export "_start") (local $i i32)
		(loop $l
			(call $must (i32.gt_s (call $spawn (local.get $i)) (i32.const 0)) (i32.const 100))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 6))))
		;; the threads have no names here: each adds one to the word at 0x40 when it has ended
		(loop $all
			(local.set $i (i32.atomic.load (i32.const 0x40)))
			(if (i32.lt_u (local.get $i) (i32.const 6)) (then
				(drop (memory.atomic.wait32 (i32.const 0x40) (local.get $i) (i64.const -1))) (br $all))))))`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("contents"), 0o666); err != nil {
		t.Fatal(err)
	}
	mem := NewMemFS(0)
	newGuest(t, Config{Mounts: []Mount{{Guest: "/", Mem: mem}}}).writeFile(3, "f", "contents")
	files := openFiles()
	s := newSpy(t, Config{Mounts: []Mount{{Guest: "/", Mem: mem}, {Guest: "/host", Host: dir}}})
	count := strings.NewReplacer("(i32.atomic.store (i32.const 0x40) (i32.const 1))", "(drop (i32.atomic.rmw.add (i32.const 0x40) (i32.const 1)))")
	if got := runThreads(t, s, count.Replace(threadGuest)+guest, nil); got != 0 {
		t.Fatalf("exit code %d", got)
	}
	if n := openFiles(); n > files {
		t.Errorf("%d open files, %d before", n, files)
	}
}
