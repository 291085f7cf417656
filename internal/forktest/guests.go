package forktest

// prelude begins the modules of guests; further imports and a memory follow, of which they have what is behind 64 KiB for themselves.
const prelude = `(module
	(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
	(import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
	(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
	(import "wasix_32v1" "proc_fork" (func $proc_fork (param i32 i32) (result i32)))
	(import "wasix_32v1" "proc_join" (func $proc_join (param i32 i32 i32) (result i32)))
	(import "wasix_32v1" "proc_id" (func $proc_id (param i32) (result i32)))
	(import "wasix_32v1" "proc_parent" (func $proc_parent (param i32 i32) (result i32)))
	(import "wasix_32v1" "proc_exit2" (func $proc_exit2 (param i32)))
	(import "wasix_32v1" "fd_pipe" (func $fd_pipe (param i32 i32) (result i32)))
	(import "host" "go" (func $go (result i32)))
	(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
`

// helpers are functions of guests.
const helpers = `
	(func $ok (param i32) (if (local.get 0) (then unreachable)))
	(func $check (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
	(func $out (param $fd i32) (param $p i32) (param $n i32)
		(i32.store (i32.const 0) (local.get $p)) (i32.store (i32.const 4) (local.get $n))
		(call $ok (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
	(func $in (param $fd i32) (param $p i32) (param $n i32) (result i32)
		(i32.store (i32.const 0) (local.get $p)) (i32.store (i32.const 4) (local.get $n))
		(call $ok (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
		(i32.load (i32.const 8)))
	;; $tell prints a number in sixteen digits, as a line.
	(func $tell (param $x i64) (local $i i32) (local $d i32)
		(loop $l
			(local.set $d (i32.wrap_i64 (i64.and (i64.rotl (local.get $x) (i64.const 4)) (i64.const 15))))
			(local.set $x (i64.rotl (local.get $x) (i64.const 4)))
			(i32.store8 (i32.add (i32.const 16) (local.get $i))
				(i32.add (local.get $d) (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $d) (i32.const 10)))))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
		(i32.store8 (i32.const 32) (i32.const 10))
		(call $out (i32.const 1) (i32.const 16) (i32.const 17)))
`

// Lively calls itself, other functions by tables and references, another instance and the host, throws and catches, grows memories and tables, drops segments: wherever it
// stands, something of that is on the stack. All of it goes into the numbers that it prints.
var Lively = Guest{Name: "lively", Source: prelude + `
	(import "host" "mix" (func $mix (param i64) (result i64)))
	(import "lib" "twice" (func $twice (param i64) (result i64)))
	(import "lib" "g" (global $libg (mut i64)))
	(import "lib" "t" (table $libt 4 funcref))
` + helpers + `
	(type $f (func (param i64) (result i64)))
	(memory (export "memory") 2 64)
	(table $t (export "table") 3 100 funcref)
	(elem (table $t) (i32.const 0) func $a $b $mix)
	(elem $later func $b $a)
	(data $d "\07\01\02\03\04\05\06\08")
	(tag $e (param i64))
	(global $sum (export "sum") (mut i64) (i64.const 1))
	(global $fn (export "fn") (mut funcref) (ref.func $a))
	(global $v (export "v") (mut v128) (v128.const i64x2 3 4))
	(global $last (export "last") (mut exnref) (ref.null exn))
	(func $a (type $f) (i64.xor (i64.mul (local.get 0) (i64.const 0x9E3779B97F4A7C15)) (i64.shr_u (local.get 0) (i64.const 29))))
	(func $b (type $f) (call $twice (i64.add (call $a (local.get 0)) (global.get $libg))))
	(func $deep (param $n i32) (param $x i64) (result i64) (local $r (ref null $f)) (local $k i32) (local $e exnref)
		(if (i32.eqz (local.get $n)) (then
			(block $h (result i64 exnref)
				(try_table (result i64 exnref) (catch_ref $e $h) (throw $e (local.get $x)) (ref.null exn)))
			(global.set $last)
			(return)))
		(local.set $r (ref.func $a))
		(loop $l
			(local.set $x (call_ref $f (local.get $x) (local.get $r)))
			(br_if $l (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 3))))
		(local.set $x (call_indirect $t (type $f) (local.get $x) (i32.rem_u (local.get $n) (i32.const 3))))
		;; every fifth frame catches what the one below throws, and every tenth throws it on
		(if (i32.eqz (i32.rem_u (local.get $n) (i32.const 5))) (then
			(block $h (result i64 exnref)
				(try_table (catch_ref $e $h)
					(throw $e (call $deep (i32.sub (local.get $n) (i32.const 1)) (local.get $x))))
				unreachable)
			(local.set $e)
			(local.set $x)
			(call $tick)
			(if (i32.eqz (i32.rem_u (local.get $n) (i32.const 10))) (then
				(block $o (result i64)
					(try_table (catch $e $o) (throw_ref (local.get $e)))
					unreachable)
				(return (i64.rotl (i64.const 7)))))
			(return (local.get $x))))
		(return_call $up (call $deep (i32.sub (local.get $n) (i32.const 1)) (local.get $x))))
	(func $tick (local $i i32)
		(loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3)))))
	(func $up (param i64) (result i64)
		(global.set $v (i64x2.add (global.get $v) (i64x2.splat (local.get 0))))
		(i64.add (local.get 0) (i64.load offset=65536 (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 0xFFF8)))))
	(func $round (param $i i32) (local $x i64)
		(local.set $x (call $deep (i32.add (i32.rem_u (local.get $i) (i32.const 40)) (i32.const 1)) (global.get $sum)))
		(i64.store offset=65536 (i32.and (i32.mul (local.get $i) (i32.const 8)) (i32.const 0xFFF8)) (local.get $x))
		(i64.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)) (local.get $x))
		(if (i32.eqz (i32.rem_u (local.get $i) (i32.const 20))) (then
			(drop (memory.grow (i32.const 1)))
			(drop (table.grow $t (global.get $fn) (i32.const 1)))
			(call $tell (local.get $x))))
		(if (i32.eq (local.get $i) (i32.const 70)) (then
			(memory.init $d (i32.const 65552) (i32.const 0) (i32.const 8))
			(data.drop $d)
			(table.init $t $later (i32.const 0) (i32.const 0) (i32.const 2))
			(elem.drop $later)))
		(table.set $libt (i32.const 1) (global.get $fn))
		(global.set $sum (i64.add (local.get $x) (i64x2.extract_lane 1 (global.get $v)))))
	(func (export "_start") (local $i i32)
		(loop $l
			(call $round (local.get $i))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 150))))
		;; a dropped segment is one of no bytes
		(memory.init $d (i32.const 0) (i32.const 0) (i32.const 0))
		(call $tell (global.get $sum))))`, Lib: `(module
	(type $f (func (param i64) (result i64)))
	(memory (export "own") 1)
	(global (export "g") (mut i64) (i64.const 5))
	(table (export "t") 4 2000 funcref)
	(elem (i32.const 0) func $id $id $id $id)
	(func $id (type $f) (local.get 0))
	(func (export "twice") (param i64) (result i64) (local $i i32)
		(global.set 0 (i64.add (global.get 0) (i64.const 3)))
		(i64.store (i32.and (i32.wrap_i64 (global.get 0)) (i32.const 0x7FF8)) (local.get 0))
		(loop $l
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
		(call_indirect (type $f) (i64.add (local.get 0) (local.get 0)) (i32.const 1))))`}

// Traps ends with a trap, deep in calls below a handler that does not catch it.
var Traps = Guest{Name: "traps", Trapping: true, Source: prelude + helpers + `
	(memory (export "memory") 2)
	(tag $e)
	(func $down (param $n i32)
		(i32.store offset=65536 (i32.mul (local.get $n) (i32.const 4)) (local.get $n))
		(if (i32.eqz (local.get $n)) (then (drop (i32.div_u (i32.const 1) (i32.load offset=65536 (i32.const 0))))))
		(block $h (try_table (catch $e $h) (call $down (i32.sub (local.get $n) (i32.const 1))))))
	(func (export "_start") (call $tell (i64.const 1)) (call $down (i32.const 500))))`}

// Clocks reads both clocks again and again: they never go back.
var Clocks = Guest{Name: "clocks", Source: prelude + helpers + `
	(memory (export "memory") 2)
	(func $read (param $clock i32) (param $at i32)
		(call $ok (call $clock_time_get (local.get $clock) (i64.const 1) (i32.const 40)))
		(call $check (i64.ge_u (i64.load (i32.const 40)) (i64.load (local.get $at))))
		(i64.store (local.get $at) (i64.load (i32.const 40))))
	(func (export "_start") (local $i i32)
		(loop $l
			(call $read (i32.const 1) (i32.const 48))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 200))))
		;; what is left in memory is the same in every run
		(memory.fill (i32.const 40) (i32.const 0) (i32.const 24))
		(call $tell (i64.extend_i32_u (local.get $i)))))`}

// Family forks, after a while in which it is frozen itself: statuses, a pipe, an orphan, a zombie.
var Family = Guest{Name: "family", Until: 250, Source: prelude + helpers + `
	(memory (export "memory") 2)
	(func $fork (result i32)
		(call $ok (call $proc_fork (i32.const 1) (i32.const 40)))
		(i32.load (i32.const 40)))
	;; $join waits for a child, 0 for any, and returns its status: 256 times what it ended by, and its code.
	(func $join (param $pid i32) (result i32)
		(i64.store (i32.const 48) (i64.const 0))
		(i32.store8 (i32.const 48) (i32.ne (local.get $pid) (i32.const 0)))
		(i32.store (i32.const 52) (local.get $pid))
		(call $ok (call $proc_join (i32.const 48) (i32.const 0) (i32.const 56)))
		(if (local.get $pid) (then (call $check (i32.eq (i32.load (i32.const 52)) (local.get $pid)))))
		(i32.add (i32.mul (i32.load8_u (i32.const 56)) (i32.const 256)) (i32.load16_u (i32.const 58))))
	(func $parent (result i32)
		(call $ok (call $proc_id (i32.const 64)))
		(call $ok (call $proc_parent (i32.load (i32.const 64)) (i32.const 68)))
		(i32.load (i32.const 68)))
	(func (export "_start") (local $i i32) (local $p i32) (local $me i32)
		(loop $l
			(i32.store offset=65536 (i32.mul (local.get $i) (i32.const 4)) (local.get $i))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 300))))
		(call $ok (call $proc_id (i32.const 64)))
		(local.set $me (i32.load (i32.const 64)))
		;; nobody to wait for: ECHILD
		(i32.store8 (i32.const 48) (i32.const 0))
		(call $check (i32.eq (call $proc_join (i32.const 48) (i32.const 0) (i32.const 56)) (i32.const 12)))
		;; a child that writes into a pipe and exits with 42; what it writes to memory stays with it
		(call $ok (call $fd_pipe (i32.const 72) (i32.const 76)))
		(if (i32.eqz (local.tee $p (call $fork))) (then
			(call $check (i32.eq (call $parent) (local.get $me)))
			(call $ok (call $fd_close (i32.load (i32.const 72))))
			(i64.store offset=65536 (i32.const 0) (i64.const 0x0a6c6c65776c6c61)) ;; "allwell\n"
			(call $out (i32.load (i32.const 76)) (i32.const 65536) (i32.const 8))
			(call $proc_exit2 (i32.const 42))))
		(call $ok (call $fd_close (i32.load (i32.const 76))))
		(call $check (i32.eq (call $in (i32.load (i32.const 72)) (i32.const 100) (i32.const 20)) (i32.const 8)))
		(call $out (i32.const 1) (i32.const 100) (i32.const 8))
		(call $check (i32.eqz (call $in (i32.load (i32.const 72)) (i32.const 100) (i32.const 20)))) ;; the end: the child's copy is closed
		(call $ok (call $fd_close (i32.load (i32.const 72))))
		(call $check (i64.eq (i64.load offset=65536 (i32.const 0)) (i64.const 0x100000000)))
		(call $tell (i64.extend_i32_u (call $join (local.get $p))))
		;; a child that traps
		(if (i32.eqz (local.tee $p (call $fork))) (then unreachable))
		(call $tell (i64.extend_i32_u (call $join (i32.const 0))))
		;; an orphan: it is its grandparent's when its parent has ended, if that is the first Process, and a zombie until it is waited for
		(if (i32.eqz (local.tee $p (call $fork))) (then
			(local.set $p (i32.const 0))
			(if (i32.eqz (call $fork)) (then
				(loop $l (br_if $l (i32.ne (call $parent) (local.get $me))))
				(call $proc_exit2 (i32.const 9))))
			(call $proc_exit2 (i32.const 8))))
		(call $tell (i64.extend_i32_u (call $join (local.get $p))))
		(call $tell (i64.extend_i32_u (call $join (i32.const 0))))
		(i32.store8 (i32.const 48) (i32.const 0))
		(call $check (i32.eq (call $proc_join (i32.const 48) (i32.const 0) (i32.const 56)) (i32.const 12)))
		;; identifiers are not the same in every run
		(memory.fill (i32.const 0) (i32.const 0) (i32.const 200))))`}
