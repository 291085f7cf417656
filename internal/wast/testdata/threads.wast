;; Threads have instances of their own; of another thread's instance they can import shared memories only.
(module $M
  (memory (export "shared") 1 1 shared)
  (memory (export "own") 1 1)
  (func (export "f"))
)
(module $N (memory (export "shared") 1 1 shared))
(thread $T (shared (module $M))
  (register "M" $M)
  (invoke $M "f") ;; fails: module $M belongs to another thread
  (invoke $N "f") ;; fails: unknown module $N
  (assert_unlinkable (module (import "M" "f" (func))) "unknown import")
  (assert_unlinkable (module (import "M" "own" (memory 1 1))) "unknown import")
  (assert_unlinkable (module (import "N" "shared" (memory 1 1 shared))) "unknown import")
  (module
    (memory (import "M" "shared") 1 1 shared)
    (func (export "store") (i32.atomic.store (i32.const 8) (i32.const 77)))
  )
  (thread $U (shared (module $M))
    (register "V" $M)
    (module
      (memory (import "V" "shared") 1 1 shared)
      (func (export "add") (drop (i32.atomic.rmw.add (i32.const 16) (i32.const 5))))
    )
    (invoke "add")
  )
  (invoke "store")
  (assert_return (invoke "store") (i32.const 1)) ;; fails: 0 results, want 1
)
(thread $T) ;; fails: there is a thread $T already
(wait $T)
(wait $T) ;; fails: unknown thread $T
(thread $X (shared (module $none))) ;; fails: unknown module $none
(register "M" $M)
(module
  (memory (import "M" "shared") 1 1 shared)
  (func (export "load") (param i32) (result i32) (i32.atomic.load (local.get 0)))
)
(assert_return (invoke "load" (i32.const 8)) (i32.const 77))
(assert_return (invoke "load" (i32.const 16)) (i32.const 5))
