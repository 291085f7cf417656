;; thread-spawn has one type, and one name.
;; ends: unlinkable
;; each: "wasi" "thread-spawn" (func (param i32 i32) (result i32))
;; each: "wasi" "thread-spawn" (func (param i64) (result i32))
;; each: "wasi" "thread-spawn" (func (param i32))
;; each: "wasi" "thread_spawn" (func (param i32) (result i32))
;; each: "wasi_snapshot_preview1" "thread-spawn" (func (param i32) (result i32))
;; each: "wasi" "thread-spawn" (memory 1 1)
(module
  (import (;EACH;))
  (func (export "_start")))
