;; What the assertions about failures accept and refuse, and what depends on what failed.
(module
  (tag $t)
  (func $f (export "deep") (call $f))
  (func (export "trap") (unreachable))
  (func (export "throw") (throw $t))
  (func (export "fine"))
)
(assert_trap (invoke "trap") "unreachable")
(assert_trap (invoke "trap") "unreachable executed")
(assert_trap (invoke "trap") "unreach")
(assert_trap (invoke "trap") "integer overflow") ;; fails: want a trap ("integer overflow")
(assert_trap (invoke "fine") "unreachable") ;; fails: no error
(assert_trap (invoke "throw") "unreachable") ;; fails: uncaught exception
(assert_trap (invoke "none") "") ;; fails: no export
(assert_exhaustion (invoke "deep") "call stack exhausted")
(assert_exhaustion (invoke "trap") "unreachable") ;; fails: want a trap
(assert_exception (invoke "throw"))
(assert_exception (invoke "fine")) ;; fails: no error, want an exception
(assert_exception (invoke "trap")) ;; fails: want an exception
(invoke "trap") ;; fails: trap: unreachable
(invoke "throw") ;; fails: uncaught exception

(assert_malformed (module quote "(func") "unexpected token")
(assert_malformed (module quote "(func)") "") ;; fails: no error
(assert_malformed (module quote "(func") "unknown operator") ;; fails: want a malformed module ("unknown operator")
(assert_malformed (module binary "\00asm") "unexpected end")
(assert_malformed (module (func (result i32))) "type mismatch") ;; fails: invalid module
(assert_invalid (module (func (result i32))) "type mismatch")
(assert_invalid (module (func (result i32))) "unknown type") ;; fails: type mismatch
(assert_invalid (module (func)) "") ;; fails: no error
(assert_invalid (module binary "\00asm") "") ;; fails: malformed
(assert_unlinkable (module (import "spectest" "none" (func))) "unknown import")
(assert_unlinkable (module (import "spectest" "print" (global i32))) "incompatible import type")
(assert_unlinkable (module (import "spectest" "print" (func (param i32)))) "unknown import") ;; fails: incompatible import type
(assert_unlinkable (module (import "spectest" "print" (func))) "unknown import") ;; fails: no error
(assert_trap (module (func $f (unreachable)) (start $f)) "unreachable")
(assert_trap (module (memory 0) (data (i32.const 0) "x")) "out of bounds memory access")
(assert_trap (module (import "spectest" "none" (func))) "") ;; fails: unknown import

(module $bad (memory 0) (data (i32.const 0) "x")) ;; fails: out of bounds memory access
(invoke "any") ;; fails: the current module was not instantiated: trap: out of bounds memory access
(get $bad "any") ;; fails: module $bad was not instantiated
(register "bad" $bad) ;; fails: module $bad was not instantiated
(module (import "bad" "x" (func))) ;; fails: module $bad was not instantiated
(assert_unlinkable (module (import "bad" "x" (func))) "unknown import") ;; fails: module $bad was not instantiated
(assert_trap (invoke $bad "any") "out of bounds memory access") ;; fails: was not instantiated
(module definition $def (func $f (unreachable)) (start $f))
(module instance $i $def) ;; fails: unreachable
(module instance $i $none) ;; fails: unknown module definition $none
(wait $none) ;; fails: unknown thread $none
