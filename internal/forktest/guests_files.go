package forktest

// Files has a file open while it is frozen, and forks then: parent and child have one offset and one set of status flags, as POSIX has it for fork, and what is opened
// after a fork has its own. It leaves the file as it found it, as copies may share that, too.
var Files = Guest{Name: "files", Files: true, Until: 250, Source: prelude + `
	(import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_pwrite" (func $fd_pwrite (param i32 i32 i32 i64 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_tell" (func $fd_tell (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $fd_fdstat_set_flags (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $fd_filestat_set_size (param i32 i64) (result i32)))
` + helpers + `
	(memory (export "memory") 2)
	(data (i32.const 1024) "file")
	(data (i32.const 1032) "before.\nof child\nappended")
	;; $open opens or makes the file, to read, write, seek, append and cut.
	(func $open (result i32)
		(call $ok (call $path_open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 4) (i32.const 1) (i64.const 0x40006E) (i64.const 0) (i32.const 0) (i32.const 80)))
		(i32.load (i32.const 80)))
	(func $at (param $fd i32) (param $offset i64)
		(call $ok (call $fd_tell (local.get $fd) (i32.const 88)))
		(call $check (i64.eq (i64.load (i32.const 88)) (local.get $offset))))
	(func $seek (param $fd i32) (param $offset i64)
		(call $ok (call $fd_seek (local.get $fd) (local.get $offset) (i32.const 0) (i32.const 88))))
	(func (export "_start") (local $fd i32) (local $own i32) (local $i i32) (local $n i32)
		(local.set $fd (call $open))
		(i32.store (i32.const 0) (i32.const 1032)) (i32.store (i32.const 4) (i32.const 8))
		(call $ok (call $fd_pwrite (local.get $fd) (i32.const 0) (i32.const 1) (i64.const 0) (i32.const 8)))
		(call $seek (local.get $fd) (i64.const 8))
		(loop $l
			(call $at (local.get $fd) (i64.const 8))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 300))))
		(call $ok (call $proc_fork (i32.const 1) (i32.const 40)))
		(if (i32.eqz (i32.load (i32.const 40))) (then
			(call $at (local.get $fd) (i64.const 8))
			(call $out (local.get $fd) (i32.const 1040) (i32.const 8))
			(call $ok (call $fd_fdstat_set_flags (local.get $fd) (i32.const 1)))
			(local.set $own (call $open))
			(call $at (local.get $own) (i64.const 0))
			(call $check (i32.eq (call $in (local.get $own) (i32.const 200) (i32.const 100)) (i32.const 16)))
			(call $at (local.get $fd) (i64.const 16))
			(call $seek (local.get $fd) (i64.const 3))
			(call $proc_exit2 (i32.const 0))))
		(i64.store (i32.const 48) (i64.const 1))
		(i32.store (i32.const 52) (i32.load (i32.const 40)))
		(call $ok (call $proc_join (i32.const 48) (i32.const 0) (i32.const 56)))
		(call $check (i32.eqz (i32.load16_u (i32.const 58))))
		;; the child's last seek, and its flag: what is written goes to the end
		(call $at (local.get $fd) (i64.const 3))
		(call $out (local.get $fd) (i32.const 1048) (i32.const 8))
		(call $at (local.get $fd) (i64.const 24))
		(call $seek (local.get $fd) (i64.const 0))
		(local.set $n (call $in (local.get $fd) (i32.const 200) (i32.const 100)))
		(call $out (i32.const 1) (i32.const 200) (local.get $n))
		(call $ok (call $fd_fdstat_set_flags (local.get $fd) (i32.const 0)))
		(call $ok (call $fd_filestat_set_size (local.get $fd) (i64.const 8)))
		(call $seek (local.get $fd) (i64.const 8))
		;; identifiers are not the same in every run
		(memory.fill (i32.const 0) (i32.const 0) (i32.const 200))))`}
