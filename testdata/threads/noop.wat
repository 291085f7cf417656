;; A program that could spawn threads, but does not, needs no entry for them.
;; ends: return
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "foo" "bar" (memory 1 1 shared))
  (export "memory" (memory 0))
  (func (export "_start")))
