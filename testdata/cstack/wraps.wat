;; A stack at address 0: what is below it is above everything else.
;; ends: trap stack overrun in linear memory
;; each: (func $room (param $n i32) (global.set $__stack_pointer (i32.sub (global.get $__stack_pointer) (local.get $n))))
;; each: (func $room (param $n i32) (global.set $__stack_pointer (i32.sub (global.get $__stack_pointer) (i32.const 128))))
;; each: (func $room (param $n i32) (local $sp i32) (local.set $sp (i32.sub (global.get $__stack_pointer) (i32.const 128))) (global.set $__stack_pointer (local.get $sp)))
;; each: (func $room (param $n i32) (local $sp i32) (local.set $sp (global.get $__stack_pointer)) (nop) (global.set $__stack_pointer (i32.sub (local.get $sp) (i32.const 128))))
;; each: (func $room (param $n i32) (global.set $__stack_pointer (i32.and (i32.sub (global.get $__stack_pointer) (local.get $n)) (i32.const -64))))
(module
  (memory (export "memory") 1)
  (global $__stack_pointer (mut i32) (i32.const 1024))
  (;EACH;)
  (func (export "_start") (local $i i32)
    (loop $l
      (call $room (i32.const 128))
      (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))
    (if (i32.ne (global.get $__stack_pointer) (i32.const 0)) (then (unreachable)))
    (call $room (i32.const 128)) (;OVERRUN;)
  ))
