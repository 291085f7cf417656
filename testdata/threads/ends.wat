;; Who ends a program, and how, while its other threads are at something that never ends by itself. Three arguments:
;;   who   main, thread, nobody (which then prints "x" and waits for ever)
;;   how   exit (code 99), zero (code 0), trap, return, throw, exhaust, indirect
;;   what  the name of one of the functions in table $whats: what the others do meanwhile
;; A return of a thread ends only that thread: the main thread then exits with code 7.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "env" "memory" (memory 8 8 shared))
  (export "memory" (memory 0))
  (func $host (unreachable)) ;; the Go test puts a host function here, which waits for the end of its context
  (tag $t (param i32))

  ;; 0 never changes; 4 counts the threads that are there; 8 the number of what; 12 that of how; 16 set: start functions wait;
  ;; 20 set when the ending thread has left its start function; 24 set when it returns
  ;; 32 iovec of the byte at 40; 48 result; 64 two subscriptions; 256 events; 384 result
  ;; 512 argv, 1024 its strings; 2048 and 3072 words
  (data (i32.const 2048) "busy\00calls\00bulk\00waiting\00polling\00pollin\00reading\00yielding\00spawning\00starting\00startbusy\00host\00")
  (data (i32.const 3072) "exit\00zero\00trap\00return\00throw\00exhaust\00indirect\00")
  (data (i32.const 3584) "main\00thread\00nobody\00")
  (table $whats funcref (elem $busy $calls $bulk $waiting $polling $pollin $reading $yielding $spawning $waiting $busy $host))
  (table $hows funcref (elem $exit99 $exit0 $trap $return $throw $exhaust $indirect))
  (type $v (func))

  (func $busy (loop $l (br $l)))
  (func $tree (param i32) (if (local.get 0) (then
    (call $tree (i32.sub (local.get 0) (i32.const 1))) (call $tree (i32.sub (local.get 0) (i32.const 1))))))
  (func $calls (loop $l (call $tree (i32.const 40)) (br $l)))
  (func $bulk (loop $l (memory.copy (i32.const 65536) (i32.const 65537) (i32.const 400000)) (br $l)))
  (func $waiting (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))) (unreachable))
  (func $polling (drop (call $poll (i32.const 112) (i32.const 256) (i32.const 1) (i32.const 384))) (unreachable))
  (func $pollin (drop (call $poll (i32.const 64) (i32.const 256) (i32.const 2) (i32.const 384))) (unreachable))
  (func $reading (drop (call $read (i32.const 0) (i32.const 32) (i32.const 1) (i32.const 48))) (unreachable))
  (func $yielding (loop $l (drop (call $yield)) (br $l)))
  (func $spawning (loop $l (drop (call $spawn (i32.const 3))) (br $l)))

  (func $exit99 (call $exit (i32.const 99)) (unreachable))
  (func $exit0 (call $exit (i32.const 0)) (unreachable))
  (func $trap (unreachable))
  (func $return)
  (func $throw (throw $t (i32.const 5)))
  (func $exhaust (call $exhaust))
  (func $indirect (drop (table.get $hows (i32.const 1000))))

  (func $note
    (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 4) (i32.const -1))))
  ;; Waits until n threads have noted that they are there, and lets them get further.
  (func $all (param $n i32) (local $have i32)
    (loop $l
      (local.set $have (i32.atomic.load (i32.const 4)))
      (if (i32.lt_u (local.get $have) (local.get $n)) (then
        (drop (memory.atomic.wait32 (i32.const 4) (local.get $have) (i64.const -1)))
        (br $l))))
    (local.set $n (i32.const 2))
    (loop $y (drop (call $yield)) (br_if $y (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func $set (param i32)
    (i32.atomic.store (local.get 0) (i32.const 1))
    (drop (memory.atomic.notify (local.get 0) (i32.const -1))))
  (func $await (param i32)
    (loop $l (if (i32.eqz (i32.atomic.load (local.get 0))) (then
      (drop (memory.atomic.wait32 (local.get 0) (i32.const 0) (i64.const -1))) (br $l)))))

  (func $what (call $note) (call_indirect $whats (type $v) (i32.load (i32.const 8))))
  (func $how (call_indirect $hows (type $v) (i32.load (i32.const 12))))

  ;; Runs in each thread before its entry.
  (func $start (if (i32.atomic.load (i32.const 16)) (then (call $what))))
  (start $start)

  (func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (if (i32.eq (local.get $arg) (i32.const 1)) (then (call $what)))
    (if (i32.eq (local.get $arg) (i32.const 2)) (then
      (call $set (i32.const 20))
      (call $all (i32.const 3))
      (call $how)
      (call $set (i32.const 24)))))

  (func $check (param i32) (if (i32.le_s (local.get 0) (i32.const 0)) (then (call $exit (i32.const 50)))))

  ;; Spawns one of the others. Threads that spawn may have made as many as there may be: some of those will have left.
  (func $other (local $tid i32)
    (loop $l
      (local.set $tid (call $spawn (i32.const 1)))
      (if (i32.and (i32.le_s (local.get $tid) (i32.const 0)) (i32.eq (i32.load (i32.const 8)) (i32.const 8)))
        (then (drop (call $yield)) (br $l))))
    (call $check (local.get $tid)))

  ;; Where in a list of words the argument is; code 51 if it is not.
  (func $find (param $arg i32) (param $list i32) (result i32) (local $k i32) (local $p i32)
    (loop $word
      (if (i32.eqz (i32.load8_u (local.get $list))) (then (call $exit (i32.const 51))))
      (local.set $p (i32.load (i32.add (i32.const 512) (i32.mul (local.get $arg) (i32.const 4)))))
      (block $differs
        (loop $same
          (br_if $differs (i32.ne (i32.load8_u (local.get $p)) (i32.load8_u (local.get $list))))
          (if (i32.eqz (i32.load8_u (local.get $p))) (then (return (local.get $k))))
          (local.set $p (i32.add (local.get $p) (i32.const 1)))
          (local.set $list (i32.add (local.get $list) (i32.const 1)))
          (br $same)))
      (loop $skip
        (local.set $list (i32.add (local.get $list) (i32.const 1)))
        (br_if $skip (i32.load8_u (i32.sub (local.get $list) (i32.const 1)))))
      (local.set $k (i32.add (local.get $k) (i32.const 1)))
      (br $word))
    (unreachable))

  (func (export "_start") (local $who i32) (local $what i32)
    (drop (call $args_sizes (i32.const 384) (i32.const 388)))
    (if (i32.ne (i32.load (i32.const 384)) (i32.const 4)) (then (call $exit (i32.const 52))))
    (drop (call $args_get (i32.const 512) (i32.const 1024)))
    (local.set $who (call $find (i32.const 1) (i32.const 3584)))
    (i32.store (i32.const 12) (call $find (i32.const 2) (i32.const 3072)))
    (local.set $what (call $find (i32.const 3) (i32.const 2048)))
    (i32.store (i32.const 8) (local.get $what))
    (i32.store (i32.const 32) (i32.const 40)) (i32.store (i32.const 36) (i32.const 1)) (i32.store8 (i32.const 40) (i32.const 120))
    ;; standard input has something to read; a clock tells a time in the far future
    (i32.store8 (i32.const 72) (i32.const 1))
    (i32.store (i32.const 128) (i32.const 1)) (i64.store (i32.const 136) (i64.const 1000000000000000))

    (if (i32.eq (local.get $who) (i32.const 1)) (then
      (call $check (call $spawn (i32.const 2)))
      (call $await (i32.const 20))))
    (if (i32.or (i32.eq (local.get $what) (i32.const 9)) (i32.eq (local.get $what) (i32.const 10)))
      (then (i32.atomic.store (i32.const 16) (i32.const 1))))
    (call $other)
    (call $other)
    (if (i32.eqz (local.get $who)) (then (call $all (i32.const 2)) (call $how) (return)))
    (if (i32.eq (local.get $who) (i32.const 2)) (then
      (call $all (i32.const 2))
      (drop (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 48)))
      (call $waiting)))
    ;; A thread ends it. If that thread only returns, this one waits for it.
    (if (i32.eq (i32.load (i32.const 12)) (i32.const 3)) (then
      (call $note) (call $await (i32.const 24)) (call $exit (i32.const 7))))
    (call $what)))
