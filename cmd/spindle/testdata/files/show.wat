;; Prints the file new.txt of the second directory that it is given. Exits with WASI's error number.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $name (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\40\00\00\00\00\10\00\00") ;; an iovec at 64
  (data (i32.const 16) "new.txt")
  (func (export "_start")
    (local $errno i32)
    ;; the name that the guest knows the directory by has 5 bytes
    (call $check (call $name (i32.const 4) (i32.const 64) (i32.const 5)))
    (i32.store8 (i32.const 69) (i32.const 0x0a))
    (i32.store (i32.const 4) (i32.const 6))
    (call $check (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
    (i32.store (i32.const 4) (i32.const 4096))
    (call $check
      (call $path_open (i32.const 4) (i32.const 0) (i32.const 16) (i32.const 7)
        (i32.const 0) (i64.const 0x2) (i64.const 0) (i32.const 0) (i32.const 8)))
    (call $check (call $fd_read (i32.load (i32.const 8)) (i32.const 0) (i32.const 1) (i32.const 4)))
    (call $check (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12))))
  (func $check (param $errno i32)
    (if (local.get $errno) (then (call $exit (local.get $errno))))))
